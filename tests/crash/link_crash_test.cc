// A hub with links is killed with SIGKILL while clients publish to the remote hub: each event that
// a link should transfer is there exactly once, in order.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/crash/crash_publisher.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

constexpr uint32_t kLinkedPartitions = 4;

void MakeLink(HubClient& local, const std::string& name, const std::string& address,
              const std::string& filter) {
  grpc::ClientContext context;
  v1::CreateLinkRequest request;
  v1::CreateLinkResponse response;
  v1::Link& link = *request.mutable_link();
  link.set_name(name);
  link.set_remote_address(address);
  link.set_remote_topic("out");
  link.set_local_topic(name);
  if (!filter.empty()) link.mutable_filter()->set_sql(filter);
  ASSERT_THAT(local.links().CreateLink(&context, request, &response), IsOk());
}

v1::LinkStatus LinkStatusOf(HubClient& local, const std::string& name) {
  grpc::ClientContext context;
  v1::GetLinkRequest request;
  v1::GetLinkResponse response;
  request.set_name(name);
  EXPECT_THAT(local.links().GetLink(&context, request, &response), IsOk());
  return response.status();
}

// The ids of the events in a topic, in order, by partition and by key. Also checks the events
// themselves.
struct LinkedTopic {
  std::map<uint32_t, std::vector<std::string>> by_partition;
  std::map<std::string, std::vector<std::string>> by_key;
  size_t count = 0;
};

LinkedTopic ReadLinked(HubClient& client, const std::string& topic) {
  LinkedTopic read;
  const ReadOutcome outcome = ReadAll(client, ReadOf(topic));
  EXPECT_THAT(outcome.status, IsOk());
  for (const v1::ReadResponse& response : outcome.responses) {
    for (const v1::EventBatch& batch : response.batches()) {
      for (v1::Event event : batch.events()) {
        read.by_partition[batch.partition()].push_back(event.id());
        read.by_key[event.partition_key()].push_back(event.id());
        ++read.count;
        event.mutable_attributes()->erase("hubpath");
        EXPECT_EQ(event.SerializeAsString(), EventOf(event.id()).SerializeAsString());
      }
    }
  }
  return read;
}

TEST(LinkCrashTest, EachRemoteEventAppearsExactlyOnce) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()());
  CrashRounds rounds(6);
  std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  TempDirectory remote_directory;
  TempDirectory local_directory;
  HubProcess remote(remote_directory.path());
  HubProcess local(local_directory.path(), {"--write_buffer=1MiB"});
  remote.Start();
  local.Start();
  HubClient remote_client(remote.address());
  CreateTopic(remote_client, "out", kLinkedPartitions);
  {
    HubClient client(local.address());
    CreateTopic(client, "same", kLinkedPartitions);
    v1::Topic few;
    few.set_name("few");
    few.set_partitions(3);
    few.set_default_durability(v1::DURABILITY_WRITTEN);
    CreateTopic(client, few);
    MakeLink(client, "same", remote.address(), "");
    MakeLink(client, "few", remote.address(), "partitionkey LIKE 'key-1%'");
  }
  CrashPublisher publisher("p", "out", kLinkedPartitions, random());
  std::atomic<bool> enough{false};
  std::thread publishing([&] {
    while (!enough) publisher.Finish(remote.address(), 20);
  });
  while (rounds.Next()) {
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 900));
    local.Kill();
    local.Start();
  }
  enough = true;
  publishing.join();
  // So that there is something to compare, however short the rounds were.
  publisher.Finish(remote.address(), 200);
  HubClient client(local.address());
  std::map<uint32_t, int64_t> ends;
  for (uint32_t p = 0; p < kLinkedPartitions; ++p) {
    ends[p] = GetPartition(remote_client, "out", p).end_offset();
  }
  for (const char* const link : {"same", "few"}) {
    ASSERT_TRUE(Eventually([&] {
      const v1::LinkStatus status = LinkStatusOf(client, link);
      if (status.positions_size() != static_cast<int>(kLinkedPartitions)) return false;
      for (const v1::PartitionOffset& at : status.positions()) {
        if (at.offset() != ends[at.partition()]) return false;
      }
      return true;
    })) << LinkStatusOf(client, link).DebugString();
    EXPECT_EQ(LinkStatusOf(client, link).lost_events(), 0u);
    EXPECT_EQ(LinkStatusOf(client, link).refused_events(), 0u);
  }
  LinkedTopic out = ReadLinked(remote_client, "out");
  const LinkedTopic same = ReadLinked(client, "same");
  const LinkedTopic few = ReadLinked(client, "few");
  EXPECT_EQ(same.by_partition, out.by_partition);
  std::erase_if(out.by_key, [](const auto& key) { return key.first.rfind("key-1", 0) != 0; });
  EXPECT_EQ(few.by_key, out.by_key);
  EXPECT_GT(out.count, 1000u);
  EXPECT_GT(few.count, 100u);
  std::cout << same.count << " events by one link, " << few.count << " by the other, "
            << rounds.begun() << " crashes" << std::endl;
}

}  // namespace
}  // namespace eventhub
