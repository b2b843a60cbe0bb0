// The daemon is killed with SIGKILL while a topic that keeps the latest event per key is published
// to and compacted: the latest acknowledged event of each key survives, and no offset changes.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

// Publishes to random keys, until the hub dies. Event ids are numbers that grow.
class KeyedPublisher {
 public:
  struct Key {
    int acknowledged = 0;        // The latest event; 0: none.
    bool delete_marker = false;  // Whether it is one, or a later one without an answer may be.
    int attempted = 0;           // The latest, whatever became of it.
  };

  static constexpr int kKeys = 200;

  explicit KeyedPublisher(uint64_t seed) : random_(seed) {}

  void Run(const std::string& address) {
    HubClient client(address);
    while (PublishSome(client)) {
    }
  }

  const std::map<std::string, Key>& keys() const { return keys_; }

 private:
  bool PublishSome(HubClient& client) {
    v1::PublishRequest request;
    request.set_topic("t");
    request.set_durability(v1::DURABILITY_WRITTEN);
    std::map<std::string, std::pair<int, bool>> latest;
    for (uint64_t i = 1 + random_() % 200; i > 0; --i) {
      const std::string key = absl::StrCat("key ", random_() % kKeys);
      const bool is_marker = random_() % 10 == 0;
      *request.add_events() =
          MakeEvent(absl::StrCat(++last_), is_marker ? "" : std::string(1000, 'x'), key);
      latest[key] = {last_, is_marker};
    }
    for (const auto& [key, event] : latest) {
      keys_[key].attempted = event.first;
      keys_[key].delete_marker |= event.second;
    }
    if (!TryPublish(client, request).status.ok()) return false;
    for (const auto& [key, event] : latest) {
      keys_[key].acknowledged = event.first;
      keys_[key].delete_marker = event.second;
    }
    return true;
  }

  std::mt19937_64 random_;
  int last_ = 0;
  std::map<std::string, Key> keys_;
};

class CompactionCrashTest : public testing::Test {
 protected:
  // By position: the partition and the offset.
  using Log = std::map<std::pair<uint32_t, int64_t>, v1::Event>;

  static Log Read(HubClient& client) {
    Log log;
    const ReadOutcome outcome = ReadAll(client, ReadOf("t"));
    EXPECT_THAT(outcome.status, IsOk());
    for (const v1::ReadResponse& response : outcome.responses) {
      for (const v1::EventBatch& batch : response.batches()) {
        for (int i = 0; i < batch.events_size(); ++i) {
          const int64_t delta =
              batch.offset_deltas_size() == 0 ? i : int64_t{batch.offset_deltas(i)};
          const auto place = std::pair(batch.partition(), batch.base_offset() + delta);
          EXPECT_TRUE(log.emplace(place, batch.events(i)).second);
        }
      }
    }
    return log;
  }

  static grpc::Status GetLatest(HubClient& client, const std::string& key,
                                v1::GetLatestResponse* response) {
    v1::GetLatestRequest request;
    request.set_topic("t");
    request.set_key(key);
    grpc::ClientContext context;
    return client.hub().GetLatest(&context, request, response);
  }

  static uint64_t Removed(HubClient& client) {
    v1::GetTopicRequest request;
    request.set_name("t");
    grpc::ClientContext context;
    v1::GetTopicResponse response;
    EXPECT_THAT(client.admin().GetTopic(&context, request, &response), IsOk());
    return response.stats().removed_events();
  }

  // Checks the log against what the publisher knows, and against the log of the last check.
  void Check(HubClient& client, const KeyedPublisher& publisher) {
    const Log log = Read(client);
    std::map<std::string, int> latest;
    std::pair<uint32_t, int> before;
    for (const auto& [place, event] : log) {
      const int id = std::stoi(event.id());
      if (place.first == before.first) {
        EXPECT_LT(before.second, id) << "out of order";
      }
      before = {place.first, id};
      latest[event.partition_key()] = id;
      const auto known = log_.find(place);
      if (known != log_.end()) {
        EXPECT_EQ(known->second.id(), event.id()) << "an offset changed";
      }
    }
    for (const auto& [name, key] : publisher.keys()) {
      v1::GetLatestResponse response;
      const grpc::Status status = GetLatest(client, name, &response);
      if (!status.ok()) {
        // A reader may be overtaken by the removal of a delete marker, so the log says nothing.
        EXPECT_THAT(status,
                    FailsWith(grpc::StatusCode::NOT_FOUND, v1::ErrorDetail::REASON_KEY_NOT_FOUND));
        EXPECT_TRUE(key.acknowledged == 0 || key.delete_marker) << name << " is lost";
        continue;
      }
      const int id = std::stoi(response.event().id());
      EXPECT_GE(id, key.acknowledged) << name << ": an acknowledged event is lost";
      EXPECT_LE(id, key.attempted) << name;
      EXPECT_EQ(latest[name], id) << name;
    }
    log_ = log;
  }

  Log log_;
};

TEST_F(CompactionCrashTest, LatestEventsSurvive) {
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()());
  CrashRounds rounds(5);
  std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  TempDirectory directory;
  HubProcess hub(directory.path(), {"--write_buffer=1MiB", "--compaction_interval=5ms"});
  hub.Start();
  {
    v1::CreateTopicRequest request;
    request.mutable_topic()->set_name("t");
    request.mutable_topic()->set_partitions(2);
    v1::LatestPerKey& latest =
        *request.mutable_topic()->mutable_retention()->mutable_latest_per_key();
    latest.mutable_min_age();
    latest.mutable_delete_marker_age();
    HubClient client(hub.address());
    grpc::ClientContext context;
    v1::CreateTopicResponse response;
    ASSERT_THAT(client.admin().CreateTopic(&context, request, &response), IsOk());
  }
  KeyedPublisher publisher(random());
  uint64_t removed = 0;
  while (rounds.Next()) {
    SCOPED_TRACE(absl::StrCat("round ", rounds.begun()));
    std::thread thread([&] { publisher.Run(hub.address()); });
    {
      // Each life of the hub compacts something.
      HubClient client(hub.address());
      EXPECT_TRUE(Eventually([&] { return Removed(client) > removed; }));
    }
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 300));
    hub.Kill();
    thread.join();
    hub.Start();
    HubClient client(hub.address());
    removed = Removed(client);
    Check(client, publisher);
  }
  std::cout << log_.size() << " events are left, " << removed << " were removed, " << rounds.begun()
            << " crashes" << std::endl;
  hub.Terminate();
  EXPECT_EQ(hub.Wait(), 0);
}

}  // namespace
}  // namespace eventhub
