// Random operations on a broker, compared with a simple model.
//
// The seed is printed; EVENTHUB_TEST_SEED and EVENTHUB_TEST_STEPS repeat or extend a run.
#include <algorithm>
#include <deque>
#include <iostream>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/wire/event_rules.h"
#include "tests/server/broker_rig.h"
#include "tests/server/retention_probe.h"
#include "tests/support/caller.h"
#include "tests/support/env_number.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;

struct ModelBatch {
  int64_t base;
  absl::Time time;
  uint64_t bytes = 0;
  std::vector<std::string> ids;
};

struct ModelPartition {
  int64_t start = 0;
  int64_t end = 0;
  std::deque<ModelBatch> batches;

  void TrimFront() {
    start = batches.front().base + static_cast<int64_t>(batches.front().ids.size());
    batches.pop_front();
  }
};

struct ModelProducer {
  uint64_t epoch = 0;
  uint64_t next = 0;
  v1::PublishStreamRequest last;  // With the answer it had.
  std::string answer;
};

struct ModelTopic {
  std::vector<ModelPartition> partitions;
  absl::Duration max_age = absl::InfiniteDuration();
  uint64_t max_bytes = 0;
  std::map<std::string, ModelProducer> producers;

  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const ModelPartition& p : partitions) {
      for (const ModelBatch& batch : p.batches) sum += batch.bytes;
    }
    return sum;
  }

  void TrimOlderThan(absl::Time cut) {
    for (ModelPartition& p : partitions) {
      while (!p.batches.empty() && p.batches.front().time < cut) p.TrimFront();
    }
  }

  void ApplyRetention(absl::Time now) {
    if (max_age != absl::InfiniteDuration()) TrimOlderThan(now - max_age);
    while (max_bytes > 0 && bytes() > max_bytes) {
      absl::Time oldest = absl::InfiniteFuture();
      for (const ModelPartition& p : partitions) {
        if (!p.batches.empty()) oldest = std::min(oldest, p.batches.front().time);
      }
      TrimTied(oldest);
    }
  }

  // Of the events appended at that time, each partition keeps its share of the room that the rest
  // leaves.
  void TrimTied(absl::Time time) {
    std::vector<uint64_t> tied;
    for (const ModelPartition& p : partitions) {
      uint64_t& sum = tied.emplace_back(0);
      for (const ModelBatch& batch : p.batches) sum += batch.time == time ? batch.bytes : 0;
    }
    const uint64_t all = std::accumulate(tied.begin(), tied.end(), uint64_t{0});
    const uint64_t rest = bytes() - all;
    const uint64_t room = max_bytes - std::min(rest, max_bytes);
    for (size_t i = 0; i < tied.size(); ++i) {
      const uint64_t part = room * tied[i] / all;
      ModelPartition& p = partitions[i];
      while (tied[i] > part) {
        tied[i] -= p.batches.front().bytes;
        p.TrimFront();
      }
    }
  }
};

class ModelTest : public testing::Test {
 protected:
  ModelTest() : seed_(EnvNumber("EVENTHUB_TEST_SEED", std::random_device()())), random_(seed_) {
    rig_.maintenance = MaintenanceOptions();
    rig_.maintenance->retention_interval = absl::Milliseconds(1);
    rig_.maintenance->retention.reclaim_bytes = 100'000;
  }

  uint64_t Below(uint64_t n) { return random_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  // An existing topic; null if there is none.
  ModelTopic* PickTopic(std::string* name) {
    if (topics_.empty()) return nullptr;
    auto it = topics_.begin();
    std::advance(it, Below(topics_.size()));
    *name = it->first;
    return &it->second;
  }

  void Create() {
    const std::string name = absl::StrCat("topic-", Below(5));
    v1::Topic topic;
    topic.set_name(name);
    topic.set_partitions(static_cast<uint32_t>(1 + Below(4)));
    ModelTopic model;
    model.partitions.resize(topic.partitions());
    if (OneIn(2)) {
      const auto seconds = static_cast<int64_t>(5 + Below(60));
      topic.mutable_retention()->mutable_max_age()->set_seconds(seconds);
      model.max_age = absl::Seconds(seconds);
    }
    if (OneIn(2)) {
      model.max_bytes = 1000 + Below(100'000);
      topic.mutable_retention()->set_max_bytes(model.max_bytes);
    }
    const auto created = rig_.Create(topic);
    if (topics_.contains(name)) {
      EXPECT_THAT(created, StatusIs(StatusCode::kAlreadyExists));
    } else {
      ASSERT_THAT(created, IsOk());
      topics_[name] = std::move(model);
    }
  }

  void Delete() {
    const std::string name = absl::StrCat("topic-", Below(5));
    const absl::Status deleted = rig_.Delete(name);
    if (topics_.erase(name) > 0) {
      EXPECT_THAT(deleted, IsOk());
    } else {
      EXPECT_THAT(deleted, StatusIs(StatusCode::kNotFound));
    }
  }

  void AddPartitions() {
    v1::Topic topic;
    ModelTopic* const model = PickTopic(topic.mutable_name());
    if (model == nullptr) return;
    topic.set_partitions(static_cast<uint32_t>(model->partitions.size() + Below(3)));
    ASSERT_THAT(rig_.Update(topic, {"partitions"}), IsOk());
    model->partitions.resize(topic.partitions());
  }

  void AddEvents(v1::PublishStreamRequest* request) {
    for (uint64_t n = 1 + Below(OneIn(10) ? 100 : 5); n > 0; --n) {
      const std::string key = OneIn(3) ? "" : absl::StrCat("key-", Below(20));
      const size_t size = Below(OneIn(20) ? 20'000 : 200);
      *request->add_events() =
          MakeEvent(absl::StrCat("event-", ++next_id_), key, std::string(size, 'x'));
    }
  }

  void Publish() {
    v1::PublishStreamRequest request;
    ModelTopic* const model = PickTopic(request.mutable_topic());
    if (model == nullptr) return;
    AddEvents(&request);
    if (OneIn(3)) request.set_partition(static_cast<uint32_t>(Below(model->partitions.size())));
    ModelProducer* producer = nullptr;
    if (OneIn(2)) {
      request.set_producer_id(absl::StrCat("producer-", Below(3)));
      producer = &model->producers[request.producer_id()];
      if (OneIn(10)) {
        ++producer->epoch;
        producer->next = 0;
      }
      request.set_producer_epoch(producer->epoch);
      request.set_sequence(producer->next);
    }
    if (request.has_partition() && OneIn(3)) {
      const int64_t end = model->partitions[request.partition()].end;
      request.set_expected_offset(end + (OneIn(3) ? 1 : 0));
    }
    const absl::StatusOr<v1::PublishResult> result = rig_.Publish(request);
    if (request.has_expected_offset() &&
        request.expected_offset() != model->partitions[request.partition()].end) {
      EXPECT_THAT(result, Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OFFSET_MISMATCH));
      // A refused request has not started the epoch; the next one does.
      return;
    }
    ASSERT_THAT(result, IsOk());
    EXPECT_FALSE(result->duplicate());
    Append(request, *result, model);
    if (producer != nullptr) {
      ++producer->next;
      producer->last = request;
      producer->answer = result->SerializeAsString();
    }
  }

  void Append(const v1::PublishStreamRequest& request, const v1::PublishResult& result,
              ModelTopic* model) {
    std::map<uint32_t, ModelBatch> batches;
    const auto partitions = static_cast<uint32_t>(model->partitions.size());
    for (const v1::Event& event : request.events()) {
      uint32_t partition = result.keyless_partition();
      if (!event.partition_key().empty())
        partition = wire::PartitionOfKey(event.partition_key(), partitions);
      if (request.has_partition()) partition = request.partition();
      ASSERT_LT(partition, partitions);
      batches[partition].ids.push_back(event.id());
      batches[partition].bytes += EncodeEvent(event).size();
    }
    ASSERT_EQ(batches.size(), static_cast<size_t>(result.placements_size()));
    int i = 0;
    for (auto& [partition, batch] : batches) {
      ModelPartition& p = model->partitions[partition];
      const v1::Placement& placement = result.placements(i++);
      EXPECT_EQ(placement.partition(), partition);
      EXPECT_EQ(placement.base_offset(), p.end);
      EXPECT_EQ(placement.count(), batch.ids.size());
      batch.base = p.end;
      batch.time = rig_.clock.Now();
      p.end += static_cast<int64_t>(batch.ids.size());
      p.batches.push_back(std::move(batch));
    }
  }

  // Repeats the last request of a producer.
  void Retry() {
    std::string name;
    ModelTopic* const model = PickTopic(&name);
    if (model == nullptr) return;
    for (const auto& [id, producer] : model->producers) {
      if (producer.answer.empty() || producer.last.producer_epoch() != producer.epoch) continue;
      absl::StatusOr<v1::PublishResult> result = rig_.Publish(producer.last);
      ASSERT_THAT(result, IsOk());
      EXPECT_TRUE(result->duplicate());
      result->set_duplicate(false);
      EXPECT_EQ(result->SerializeAsString(), producer.answer);
    }
  }

  void Read() {
    v1::ReadRequest request;
    ModelTopic* const model = PickTopic(request.mutable_topic());
    if (model == nullptr) return;
    const auto partition = static_cast<uint32_t>(Below(model->partitions.size()));
    const ModelPartition& p = model->partitions[partition];
    request.add_partitions(partition);
    request.set_max_response_bytes(static_cast<uint32_t>(4096 + Below(100'000)));
    const auto from = p.start - 1 + static_cast<int64_t>(Below(p.end - p.start + 3));
    request.mutable_start()->set_offset(from);
    int64_t stop = p.end;
    if (OneIn(2)) {
      request.set_stop_offset(from < 0 ? 0 : from + static_cast<int64_t>(Below(50)));
      stop = std::min(stop, request.stop_offset());
    }
    const absl::StatusOr<Delivered> read = rig_.Read(request);
    if (from < p.start || from > p.end) {
      EXPECT_THAT(read, StatusIs(StatusCode::kOutOfRange));
      return;
    }
    ASSERT_THAT(read, IsOk());
    EXPECT_TRUE(read->at_end);
    std::vector<Delivered::Event> expected;
    for (const ModelBatch& batch : p.batches) {
      int64_t offset = batch.base;
      for (const std::string& id : batch.ids) {
        if (offset >= from && offset < stop) expected.push_back({offset, id});
        ++offset;
      }
    }
    const auto it = read->events.find(partition);
    EXPECT_EQ(it == read->events.end() ? std::vector<Delivered::Event>() : it->second, expected);
  }

  // Time passes, and meanwhile the broker may be closed, or the power lost.
  void PassTime() {
    probe_.Publish();
    const uint64_t fate = Below(4);
    if (fate == 0) rig_.disk.Cut();
    if (fate < 2) rig_.Close();
    if (fate == 0) rig_.disk.Forget();
    rig_.clock.Advance(absl::Seconds(2 + static_cast<int64_t>(Below(10))));
    if (fate < 2) {
      rig_.tail_cache_bytes = std::vector<size_t>{0, 10'000, 1 << 20}[Below(3)];
      ASSERT_THAT(rig_.Open(), IsOk());
    }
    ASSERT_TRUE(Eventually([&] { return probe_.IsTrimmed(); }));
    for (auto& [name, topic] : topics_) topic.ApplyRetention(rig_.clock.Now());
    Compare();
  }

  void Compare() {
    const v1::ListTopicsResponse listed =
        rig_.broker().topics().List(kTester, v1::ListTopicsRequest()).value();
    ASSERT_EQ(static_cast<size_t>(listed.topics_size()), topics_.size() + 1);
    for (const auto& [name, topic] : topics_) {
      SCOPED_TRACE(name);
      for (uint32_t i = 0; i < topic.partitions.size(); ++i) {
        const v1::PartitionInfo info = rig_.Describe(name, i);
        EXPECT_EQ(info.start_offset(), topic.partitions[i].start) << i;
        EXPECT_EQ(info.end_offset(), topic.partitions[i].end) << i;
      }
      EXPECT_EQ(rig_.broker().topics().Get(kTester, name)->stats().bytes(), topic.bytes());
    }
  }

  void Step() {
    const uint64_t choice = Below(100);
    if (choice < 50) return Publish();
    if (choice < 70) return Read();
    if (choice < 80) return Retry();
    if (choice < 85) return Create();
    if (choice < 87) return Delete();
    if (choice < 90) return AddPartitions();
    PassTime();
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
  BrokerRig rig_;
  RetentionProbe probe_{rig_};
  std::map<std::string, ModelTopic> topics_;
  uint64_t next_id_ = 0;
};

TEST_F(ModelTest, BrokerMatchesModel) {
  const uint64_t steps = EnvNumber("EVENTHUB_TEST_STEPS", 800);
  std::cout << "EVENTHUB_TEST_SEED=" << seed_ << " EVENTHUB_TEST_STEPS=" << steps << std::endl;
  ASSERT_THAT(rig_.Open(), IsOk());
  probe_.Create();
  for (uint64_t i = 0; i < steps && !HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", seed_, ", step ", i));
    Step();
  }
  Compare();
}

}  // namespace
}  // namespace eventhub
