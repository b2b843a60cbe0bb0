// The daemon is killed with SIGKILL in the middle of its work, repeatedly: no acknowledged event is
// lost, moved, changed or duplicated.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <memory>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/crash/crash_publisher.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_process.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

constexpr uint32_t kPartitions = 8;
constexpr absl::Duration kMaxStart = absl::Seconds(10);

class CrashTest : public testing::Test {
 protected:
  CrashTest()
      : seed_(EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()())),
        random_(seed_),
        hub_(directory_.path(), {"--retention_interval=20ms", "--write_buffer=1MiB"}) {
    std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed_ << std::endl;
  }

  void Start() {
    const absl::Duration took = hub_.Start();
    EXPECT_LT(took, kMaxStart);
    slowest_start_ = std::max(slowest_start_, took);
  }
  // Runs `work` on threads, and kills the hub at a random moment.
  void RunAndKill(const std::vector<std::function<void()>>& work) {
    std::vector<std::thread> threads;
    threads.reserve(work.size());
    for (const auto& w : work) threads.emplace_back(w);
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(50 + random_() % 900));
    hub_.Kill();
    for (std::thread& thread : threads) thread.join();
  }

  const uint64_t seed_;
  CrashRounds rounds_{6};
  std::mt19937_64 random_;
  TempDirectory directory_;
  HubProcess hub_;
  absl::Duration slowest_start_;
};

// Returns all events of a topic by position; checks that offsets are contiguous and contents are
// correct.
std::map<Place, std::string> Contents(HubClient& client, const std::string& topic) {
  std::map<Place, std::string> contents;
  std::map<uint32_t, int64_t> next;
  const ReadOutcome outcome = ReadAll(client, ReadOf(topic));
  EXPECT_THAT(outcome.status, IsOk());
  for (const v1::ReadResponse& response : outcome.responses) {
    for (const v1::PartitionOffset& start : response.start()) {
      next[start.partition()] = start.offset();
    }
    for (const v1::EventBatch& batch : response.batches()) {
      EXPECT_EQ(batch.base_offset(), next[batch.partition()]);
      for (const v1::Event& event : batch.events()) {
        EXPECT_EQ(event.SerializeAsString(), EventOf(event.id()).SerializeAsString());
        contents[{batch.partition(), next[batch.partition()]++}] = event.id();
      }
    }
  }
  return contents;
}

// Returns the numbers in `id`, which grow in the order of publishing: epoch, sequence, index.
std::vector<uint64_t> OrderOf(const std::string& id) {
  const std::vector<std::string> parts = absl::StrSplit(id, '/');
  std::vector<uint64_t> order(3);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(absl::SimpleAtoi(parts[i + 1], &order[i]));
  return order;
}

// Checks that the log contains every acknowledged event, and none unknown to the publishers;
// `starts` has the first retained offset of each partition.
void CheckLog(const std::map<Place, std::string>& contents,
              const std::vector<std::unique_ptr<CrashPublisher>>& publishers,
              const std::map<uint32_t, int64_t>& starts) {
  std::set<std::string> ids;
  for (const auto& [place, id] : contents) EXPECT_TRUE(ids.insert(id).second) << id << " is twice";
  size_t explained = 0;
  for (const auto& publisher : publishers) {
    size_t present = 0;
    for (const auto& [place, id] : publisher->acknowledged()) {
      if (place.second < starts.at(place.first)) continue;  // Trimmed.
      const auto found = contents.find(place);
      ASSERT_TRUE(found != contents.end())
          << id << " is lost from partition " << place.first << ", offset " << place.second;
      EXPECT_EQ(found->second, id);
      ++present;
    }
    for (const std::string& id : publisher->abandoned()) present += ids.count(id);
    explained += present;
    // Within a partition, the events are in the order of publishing.
    std::map<uint32_t, std::vector<uint64_t>> last;
    for (const auto& [place, id] : contents) {
      if (id.substr(0, id.find('/')) != publisher->name()) continue;
      const std::vector<uint64_t> order = OrderOf(id);
      EXPECT_LT(last[place.first], order) << id;
      last[place.first] = order;
    }
  }
  EXPECT_EQ(explained, contents.size()) << "there are events that nobody published";
}

std::map<uint32_t, int64_t> StartsOf(HubClient& client, const std::string& topic) {
  std::map<uint32_t, int64_t> starts;
  for (uint32_t p = 0; p < kPartitions; ++p) {
    starts[p] = GetPartition(client, topic, p).start_offset();
  }
  return starts;
}

// Follows a topic across crashes, and records what it saw.
class CrashReader {
 public:
  explicit CrashReader(std::string topic) : topic_(std::move(topic)) {}

  void Run(const std::string& address) {
    HubClient client(address);
    v1::ReadRequest request = ReadOf(topic_);
    request.set_follow(true);
    for (const auto& [partition, offset] : next_) {
      v1::PartitionOffset& position = *request.add_offsets();
      position.set_partition(partition);
      position.set_offset(offset);
    }
    const ReadOutcome outcome = ReadAll(client, request);
    EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::UNAVAILABLE)
        << outcome.status.error_message();
    for (const v1::ReadResponse& response : outcome.responses) {
      for (const v1::EventBatch& batch : response.batches()) {
        int64_t offset = batch.base_offset();
        EXPECT_EQ(offset, next_[batch.partition()]);
        for (const v1::Event& event : batch.events()) {
          seen_[{batch.partition(), offset++}] = event.id();
        }
        next_[batch.partition()] = offset;
      }
    }
  }

  const std::map<Place, std::string>& seen() const { return seen_; }

 private:
  const std::string topic_;
  std::map<uint32_t, int64_t> next_;
  std::map<Place, std::string> seen_;
};

TEST_F(CrashTest, AcknowledgedEventsSurvive) {
  std::vector<std::unique_ptr<CrashPublisher>> publishers;
  for (int i = 0; i < 3; ++i) {
    publishers.push_back(
        std::make_unique<CrashPublisher>(absl::StrCat("p", i), "t", kPartitions, random_()));
  }
  CrashReader reader("t");
  Start();
  {
    HubClient client(hub_.address());
    CreateTopic(client, "t", kPartitions);
  }
  const auto enough = [&publishers] {
    size_t acknowledged = 0;
    for (const auto& publisher : publishers) acknowledged += publisher->acknowledged().size();
    return acknowledged > 1000;
  };
  while (rounds_.Next(enough())) {
    std::vector<std::function<void()>> work;
    for (const auto& publisher : publishers) {
      work.emplace_back([&] { publisher->Run(hub_.address()); });
    }
    work.emplace_back([&] { reader.Run(hub_.address()); });
    RunAndKill(work);
    Start();
  }
  // After the last round too, all publishers retry their open requests.
  for (const auto& publisher : publishers) publisher->Finish(hub_.address(), 20);
  HubClient client(hub_.address());
  const std::map<Place, std::string> contents = Contents(client, "t");
  CheckLog(contents, publishers, StartsOf(client, "t"));
  for (const auto& [place, id] : reader.seen()) {
    const auto found = contents.find(place);
    ASSERT_TRUE(found != contents.end()) << "a reader saw " << id << ", which is gone";
    EXPECT_EQ(found->second, id);
  }
  std::cout << contents.size() << " events, " << reader.seen().size() << " seen by a reader, "
            << rounds_.begun() << " crashes; slowest start " << absl::FormatDuration(slowest_start_)
            << std::endl;
}

TEST_F(CrashTest, TrimmedTopicsStayConsistent) {
  std::vector<std::unique_ptr<CrashPublisher>> publishers;
  publishers.push_back(std::make_unique<CrashPublisher>("p", "t", kPartitions, random_()));
  Start();
  {
    HubClient client(hub_.address());
    v1::Topic topic;
    topic.set_name("t");
    topic.set_partitions(kPartitions);
    topic.mutable_retention()->set_max_bytes(500'000);
    CreateTopic(client, topic);
  }
  std::map<uint32_t, int64_t> starts;
  while (rounds_.Next()) {
    RunAndKill({[&] { publishers[0]->Run(hub_.address()); }});
    Start();
    HubClient client(hub_.address());
    for (const auto& [partition, start] : StartsOf(client, "t")) {
      EXPECT_GE(start, starts[partition]) << "trimmed events are back";
      starts[partition] = start;
    }
  }
  publishers[0]->Finish(hub_.address(), 200);
  HubClient client(hub_.address());
  ASSERT_TRUE(Eventually([&] {
    grpc::ClientContext context;
    v1::GetTopicRequest request;
    v1::GetTopicResponse response;
    request.set_name("t");
    EXPECT_THAT(client.admin().GetTopic(&context, request, &response), IsOk());
    return response.stats().bytes() <= 500'000;
  }));
  starts = StartsOf(client, "t");
  int64_t trimmed = 0;
  for (const auto& [partition, start] : starts) trimmed += start;
  EXPECT_GT(trimmed, 0);
  CheckLog(Contents(client, "t"), publishers, starts);
}

// Creates and deletes topics, with one event each, until the hub dies.
class TopicChurn {
 public:
  void Run(const std::string& address) {
    HubClient client(address);
    for (;; ++next_) {
      const std::string name = absl::StrCat("topic-", next_ % 10);
      if (exists_.contains(name)) {
        exists_.erase(name);
        doubtful_.insert(name);
        if (!Delete(client, name)) return;
        doubtful_.erase(name);
        continue;
      }
      doubtful_.insert(name);
      if (!Create(client, name)) return;
      doubtful_.erase(name);
      exists_[name] = 0;
      const Outcome<v1::PublishResponse> published = TryPublish(client, MakePublish(name));
      if (!published.status.ok()) return;
      EXPECT_EQ(published.response.result().placements(0).base_offset(), 0)
          << "a new topic holds events of an old one";
      exists_[name] = 1;
    }
  }

  // Compares with the hub; resolves outcomes that were in doubt.
  void Check(HubClient& client) {
    grpc::ClientContext context;
    v1::ListTopicsResponse response;
    EXPECT_THAT(client.admin().ListTopics(&context, {}, &response), IsOk());
    std::set<std::string> present;
    for (const v1::Topic& topic : response.topics()) present.insert(topic.name());
    for (const auto& [name, events] : exists_) {
      EXPECT_TRUE(present.contains(name)) << name << " is lost";
      EXPECT_GE(GetPartition(client, name).end_offset(), events);
    }
    for (const std::string& name : present) {
      EXPECT_TRUE(exists_.contains(name) || doubtful_.contains(name)) << name << " is back";
      if (doubtful_.contains(name)) exists_[name] = GetPartition(client, name).end_offset();
    }
    doubtful_.clear();
  }

  int operations() const { return next_; }

 private:
  static bool Create(HubClient& client, const std::string& name) {
    grpc::ClientContext context;
    v1::CreateTopicRequest request;
    v1::CreateTopicResponse response;
    request.mutable_topic()->set_name(name);
    return Succeeded(client.admin().CreateTopic(&context, request, &response));
  }
  static bool Delete(HubClient& client, const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteTopicRequest request;
    v1::DeleteTopicResponse response;
    request.set_name(name);
    return Succeeded(client.admin().DeleteTopic(&context, request, &response));
  }
  // Returns whether the call succeeded; it may only fail because the hub died.
  static bool Succeeded(const grpc::Status& status) {
    EXPECT_THAT(status.error_code(),
                testing::AnyOf(grpc::StatusCode::OK, grpc::StatusCode::UNAVAILABLE));
    return status.ok();
  }

  int next_ = 0;
  std::map<std::string, int64_t> exists_;  // With the number of events known to be there.
  std::set<std::string> doubtful_;
};

TEST_F(CrashTest, TopicCreationAndDeletionAreAtomic) {
  TopicChurn churn;
  Start();
  while (rounds_.Next(churn.operations() > 20)) {
    RunAndKill({[&] { churn.Run(hub_.address()); }});
    Start();
    HubClient client(hub_.address());
    churn.Check(client);
  }
}

}  // namespace
}  // namespace eventhub
