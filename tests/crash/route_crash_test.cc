// The daemon is killed with SIGKILL while clients publish to routed topics, and while routes
// change: the events of a source and their copies are either both there or both missing.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/crash/crash_publisher.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

constexpr uint32_t kRoutedPartitions = 4;

// The ids of the events of a topic, in order.
struct RoutedTopic {
  std::map<uint32_t, std::vector<std::string>> by_partition;
  std::map<std::string, std::vector<std::string>> by_key;
  size_t count = 0;
};

RoutedTopic ReadRouted(HubClient& client, const std::string& topic) {
  RoutedTopic read;
  const ReadOutcome outcome = ReadAll(client, ReadOf(topic));
  EXPECT_THAT(outcome.status, IsOk());
  for (const v1::ReadResponse& response : outcome.responses) {
    for (const v1::EventBatch& batch : response.batches()) {
      for (const v1::Event& event : batch.events()) {
        read.by_partition[batch.partition()].push_back(event.id());
        read.by_key[event.partition_key()].push_back(event.id());
        ++read.count;
      }
    }
  }
  return read;
}

void MakeRoute(HubClient& client, const std::string& name, const std::string& source,
               const std::string& target, const std::string& filter = "") {
  grpc::ClientContext context;
  v1::CreateRouteRequest request;
  v1::CreateRouteResponse response;
  v1::Route& route = *request.mutable_route();
  route.set_name(name);
  route.set_source_topic(source);
  route.add_target_topics(target);
  if (!filter.empty()) route.mutable_filter()->set_sql(filter);
  ASSERT_THAT(client.routes().CreateRoute(&context, request, &response), IsOk());
}

// Disables and enables a route until the hub dies.
class RouteToggle {
 public:
  void Run(const std::string& address) {
    HubClient client(address);
    for (;;) {
      grpc::ClientContext context;
      v1::UpdateRouteRequest request;
      v1::UpdateRouteResponse response;
      request.mutable_route()->set_name("toggled");
      request.mutable_route()->set_disabled(!disabled_);
      request.mutable_update_mask()->add_paths("disabled");
      if (!client.routes().UpdateRoute(&context, request, &response).ok()) break;
      disabled_ = !disabled_;
      Change change{disabled_, {}};
      for (const v1::PartitionOffset& at : response.effective()) {
        change.from[at.partition()] = at.offset();
      }
      changes_.push_back(std::move(change));
    }
    changes_.push_back({false, {}});  // Unknown from here to the next change.
  }

  // Compares the contents of its target with those of its source.
  void Check(const RoutedTopic& source, const RoutedTopic& target) const {
    for (const auto& [partition, ids] : source.by_partition) {
      std::vector<std::string> copies;
      if (const auto found = target.by_partition.find(partition);
          found != target.by_partition.end()) {
        copies = found->second;
      }
      const std::set<std::string> copied(copies.begin(), copies.end());
      EXPECT_EQ(copied.size(), copies.size()) << "there are copies that appear twice";
      std::vector<std::string> in_order;
      for (const std::string& id : ids) {
        if (copied.contains(id)) in_order.push_back(id);
      }
      EXPECT_EQ(copies, in_order);
      for (size_t i = 0; i + 1 < changes_.size(); ++i) {
        const Change& change = changes_[i];
        const Change& next = changes_[i + 1];
        if (change.from.empty() || next.from.empty()) continue;
        for (int64_t at = change.from.at(partition); at < next.from.at(partition); ++at) {
          const std::string& id = ids.at(static_cast<size_t>(at));
          EXPECT_EQ(copied.contains(id), !change.disabled) << id << " at offset " << at;
        }
      }
    }
  }

  size_t changes() const { return changes_.size(); }

 private:
  struct Change {
    bool disabled;
    std::map<uint32_t, int64_t> from;  // By partition.
  };

  bool disabled_ = false;
  std::vector<Change> changes_;
};

TEST(RouteCrashTest, SourcesAndTargetsStayConsistent) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()());
  CrashRounds rounds(6);
  std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  TempDirectory directory;
  HubProcess hub(directory.path(), {"--write_buffer=1MiB"});
  hub.Start();
  {
    HubClient client(hub.address());
    for (const char* const topic : {"source", "all", "chained", "toggled"}) {
      CreateTopic(client, topic, kRoutedPartitions);
    }
    CreateTopic(client, "some", 3);
    MakeRoute(client, "all", "source", "all");
    MakeRoute(client, "chained", "all", "chained");
    MakeRoute(client, "some", "source", "some", "partitionkey LIKE 'key-1%'");
    MakeRoute(client, "toggled", "source", "toggled");
  }
  CrashPublisher first("p0", "source", kRoutedPartitions, random());
  CrashPublisher second("p1", "source", kRoutedPartitions, random());
  RouteToggle toggle;
  size_t count = 0;
  while (rounds.Next(count > 1000 && toggle.changes() > 10)) {
    std::vector<std::thread> threads;
    threads.emplace_back([&] { first.Run(hub.address()); });
    threads.emplace_back([&] { second.Run(hub.address()); });
    threads.emplace_back([&] { toggle.Run(hub.address()); });
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 900));
    hub.Kill();
    for (std::thread& thread : threads) thread.join();
    hub.Start();
    HubClient client(hub.address());
    RoutedTopic source = ReadRouted(client, "source");
    count = source.count;
    ASSERT_EQ(ReadRouted(client, "all").by_partition, source.by_partition);
    ASSERT_EQ(ReadRouted(client, "chained").by_partition, source.by_partition);
    toggle.Check(source, ReadRouted(client, "toggled"));
    std::erase_if(source.by_key, [](const auto& key) { return key.first.rfind("key-1", 0) != 0; });
    ASSERT_EQ(ReadRouted(client, "some").by_key, source.by_key);
  }
  std::cout << count << " events, " << toggle.changes() << " changes of a route, " << rounds.begun()
            << " crashes" << std::endl;
}

}  // namespace
}  // namespace eventhub
