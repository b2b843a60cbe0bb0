// The store's contract, on every medium and with every way of writing.
#include "storage/log_store.h"

#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/key_codec.h"
#include "tests/storage/log_rig.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using ::testing::ElementsAre;

class LogStoreTest : public testing::TestWithParam<std::tuple<bool, FaultEnv::Medium>> {
 protected:
  LogStoreTest() : rig_(std::get<1>(GetParam())) {}

  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  bool synced() const { return std::get<0>(GetParam()); }

  // Appends a batch of `count` events with unique content, one second after the previous batch.
  std::string Append(PartitionLog& log, uint32_t count, size_t bytes) {
    rig_.clock.Advance(absl::Seconds(1));
    std::string events = Payload(++seed_, bytes);
    const Offset end = log.end();
    EXPECT_EQ(rig_.Append(log, events, count, synced()).value_or(Offset(-1)), end);
    EXPECT_EQ(log.end(), end + count);
    return events;
  }

  std::vector<StoredBatch> ReadAll(PartitionLog& log) {
    absl::StatusOr<std::vector<StoredBatch>> batches = rig_.Read(log);
    EXPECT_THAT(batches, IsOk());
    return batches.ok() ? *std::move(batches) : std::vector<StoredBatch>();
  }

  LogRig rig_;
  uint64_t seed_ = 0;
};

std::string NameOf(const testing::TestParamInfo<LogStoreTest::ParamType>& info) {
  return std::string(std::get<0>(info.param) ? "Synced" : "Written") +
         (std::get<1>(info.param) == FaultEnv::Medium::kMemory ? "Memory" : "Disk");
}

INSTANTIATE_TEST_SUITE_P(All, LogStoreTest,
                         testing::Combine(testing::Bool(),
                                          testing::Values(FaultEnv::Medium::kMemory,
                                                          FaultEnv::Medium::kDisk)),
                         NameOf);

TEST_P(LogStoreTest, ReadsAppendedBatches) {
  PartitionLog& log = rig_.log();
  const std::string small = Append(log, 3, 10);
  const std::string blob = Append(log, 2, 100'000);
  const std::string last = Append(log, 1, 1);
  const int64_t at = absl::ToUnixMicros(rig_.clock.Now());
  EXPECT_THAT(ReadAll(log), ElementsAre(StoredBatch{0, 3, at - 2'000'000, 0, small},
                                        StoredBatch{3, 2, at - 1'000'000, 10, blob},
                                        StoredBatch{5, 1, at, 100'010, last}));
}

TEST_P(LogStoreTest, ReadStartsAtBatchContainingOffset) {
  PartitionLog& log = rig_.log();
  Append(log, 3, 10);
  Append(log, 2, 5000);
  Append(log, 1, 10);
  std::vector<RecordBatchPtr> batches;
  ASSERT_THAT(rig_.store().Read(log.topic(), log.id(), Offset(4), Offset(6), 1 << 20, &batches),
              IsOk());
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0]->base, Offset(3));
  EXPECT_EQ(batches[1]->base, Offset(5));
}

TEST_P(LogStoreTest, ReadReturnsUnwantedBatchesWithoutEvents) {
  PartitionLog& log = rig_.log();
  for (uint32_t i = 0; i < 100; ++i) {
    TypeSummary types;
    types.Add(i % 10);
    ASSERT_THAT(
        rig_.Commit(
            [&](CommitBuilder& c) { c.Append(log, SharedBytes::Copy(Payload(i, 5000)), 2, types); },
            false),
        IsOk());
  }
  std::vector<RecordBatchPtr> batches;
  const auto wanted = [](const BatchHeader& batch) { return batch.types.MayHave({3}); };
  // A skipped batch does not count like one that is read: far more than five batches fit.
  ASSERT_THAT(
      rig_.store().Read(log.topic(), log.id(), Offset(0), Offset(200), 30'000, &batches, wanted),
      IsOk());
  ASSERT_GT(batches.size(), 40u);
  for (size_t i = 0; i < batches.size(); ++i) {
    EXPECT_EQ(batches[i]->base, Offset(static_cast<int64_t>(2 * i)));
    EXPECT_EQ(batches[i]->header.bytes, 5000u);
    ASSERT_EQ(batches[i]->chunks.size(), i % 10 == 3 ? 1u : 0u) << i;
    if (i % 10 != 3) continue;
    EXPECT_EQ(batches[i]->chunks[0].view(), Payload(i, 5000));
  }
}

// Small batches in a row are read in another way than others.
TEST_P(LogStoreTest, ReadsRunsOfSmallBatches) {
  std::vector<std::string> events;
  for (const int small : {1, 4, 5, 6, 20, 3, 40}) {
    for (int i = 0; i < small; ++i) events.push_back(Append(rig_.log(), 1, 1 + events.size() % 7));
    events.push_back(Append(rig_.log(), 1, 10'000));
    if (small == 6) rig_.Reopen();
  }
  PartitionLog& log = rig_.log();
  const auto check = [&](size_t from, size_t max_bytes) {
    absl::StatusOr<std::vector<StoredBatch>> batches = rig_.Read(log, max_bytes);
    ASSERT_THAT(batches, IsOk());
    ASSERT_EQ(batches->size(), events.size() - from);
    for (size_t i = 0; i < batches->size(); ++i) {
      ASSERT_EQ((*batches)[i].base, static_cast<int64_t>(from + i));
      ASSERT_EQ((*batches)[i].events, events[from + i]) << i;
    }
  };
  for (const size_t max_bytes : {1, 20, 15'000, 1'000'000}) check(0, max_bytes);
  ASSERT_THAT(rig_.Trim(log, Offset(3)), IsOk());
  check(3, 1'000'000);
  // Unwanted batches in between.
  std::vector<RecordBatchPtr> batches;
  const auto wanted = [](const BatchHeader& batch) { return batch.bytes % 3 != 0; };
  ASSERT_THAT(
      rig_.store().Read(log.topic(), log.id(), Offset(3), log.end(), 1 << 20, &batches, wanted),
      IsOk());
  ASSERT_EQ(batches.size(), events.size() - 3);
  for (size_t i = 0; i < batches.size(); ++i) {
    const std::string& own = events[3 + i];
    ASSERT_EQ(batches[i]->chunks.size(), own.size() % 3 == 0 ? 0u : 1u);
    if (own.size() % 3 == 0) continue;
    ASSERT_EQ(batches[i]->chunks[0].view(), own);
  }
}

TEST_P(LogStoreTest, ReadRespectsLimitsButReturnsOneBatch) {
  PartitionLog& log = rig_.log();
  for (int i = 0; i < 4; ++i) Append(log, 2, 100);
  const auto count = [&](Offset end, size_t max_bytes) {
    std::vector<RecordBatchPtr> batches;
    EXPECT_THAT(rig_.store().Read(log.topic(), log.id(), Offset(0), end, max_bytes, &batches),
                IsOk());
    return batches.size();
  };
  EXPECT_EQ(count(Offset(8), 1000), 4u);
  EXPECT_EQ(count(Offset(8), 300), 3u);
  EXPECT_EQ(count(Offset(8), 299), 2u);
  EXPECT_EQ(count(Offset(8), 1), 1u);
  EXPECT_EQ(count(Offset(3), 1000), 2u);
  EXPECT_EQ(count(Offset(2), 1000), 1u);
}

TEST_P(LogStoreTest, ReadsEachBatchOfSeveralRangesOnce) {
  PartitionLog& log = rig_.log();
  for (int i = 0; i < 10; ++i) Append(log, 10, 100);
  const auto bases = [&](std::vector<OffsetRange> ranges, size_t most) {
    std::vector<RecordBatchPtr> batches;
    size_t asked = 0;
    const auto more = [&](const BatchHeader&, bool) { return asked++ < most; };
    EXPECT_THAT(rig_.store().ReadRanges(log.topic(), log.id(), ranges, more, &batches), IsOk());
    std::vector<int64_t> found;
    for (const RecordBatchPtr& batch : batches) found.push_back(batch->base.value());
    return found;
  };
  const std::vector<OffsetRange> ranges = {{Offset(3), Offset(4)},   {Offset(5), Offset(12)},
                                           {Offset(15), Offset(16)}, {Offset(20), Offset(21)},
                                           {Offset(55), Offset(75)}, {Offset(99), Offset(100)}};
  EXPECT_THAT(bases(ranges, 100), ElementsAre(0, 10, 20, 50, 60, 70, 90));
  EXPECT_THAT(bases(ranges, 3), ElementsAre(0, 10, 20));
  EXPECT_THAT(bases(ranges, 0), ElementsAre());
  // What cannot be read later on does not lose what was read before.
  EXPECT_THAT(bases({{Offset(3), Offset(4)}, {Offset(100), Offset(101)}}, 100), ElementsAre(0));
}

TEST_P(LogStoreTest, PartitionsAndTopicsAreIndependent) {
  PartitionLog& zero = rig_.log(0);
  PartitionLog& one = rig_.log(1);
  PartitionLog& other = rig_.log(0, TopicId(8));
  const std::string a = Append(zero, 1, 10);
  const std::string b = Append(one, 1, 10);
  const std::string c = Append(other, 1, 10);
  EXPECT_EQ(ReadAll(zero).at(0).events, a);
  EXPECT_EQ(ReadAll(one).at(0).events, b);
  EXPECT_EQ(ReadAll(other).at(0).events, c);
  EXPECT_EQ(ReadAll(zero).size(), 1u);
}

TEST_P(LogStoreTest, ReadOfMissingOffsetsIsNotFound) {
  PartitionLog& log = rig_.log();
  Append(rig_.log(1), 1, 10);
  std::vector<RecordBatchPtr> batches;
  EXPECT_THAT(rig_.store().Read(log.topic(), log.id(), Offset(0), Offset(1), 100, &batches),
              StatusIs(absl::StatusCode::kNotFound));
  Append(log, 2, 10);
  EXPECT_THAT(rig_.store().Read(log.topic(), log.id(), Offset(2), Offset(3), 100, &batches),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(LogStoreTest, FindsBatchContainingOffset) {
  Append(rig_.log(1), 1, 10);
  const absl::Time start = rig_.clock.Now();
  const std::vector<uint32_t> counts = {3, 1, 2};
  for (const uint32_t count : counts) Append(rig_.log(), count, 100 * count);
  const auto find = [&](int64_t offset) {
    return rig_.store().FindBatch(LogRig::kTopic, PartitionId(0), Offset(offset));
  };
  const auto expect_batches = [&] {
    int64_t base = 0;
    absl::Time at = start;
    for (const uint32_t count : counts) {
      at += absl::Seconds(1);
      for (int64_t offset = base; offset < base + count; ++offset) {
        ASSERT_OK_AND_ASSIGN(const BatchInfo batch, find(offset));
        EXPECT_EQ(batch.base, Offset(base));
        EXPECT_EQ(batch.end(), Offset(base + count));
        EXPECT_EQ(batch.header.count, count);
        EXPECT_EQ(batch.header.bytes, 100 * count);
        EXPECT_EQ(batch.header.bytes_before, static_cast<uint64_t>(100 * base));
        EXPECT_EQ(batch.header.append_time(), at);
      }
      base += count;
    }
    EXPECT_THAT(find(base), StatusIs(absl::StatusCode::kNotFound));
  };
  expect_batches();
  rig_.Reopen();
  expect_batches();
  ASSERT_THAT(rig_.Trim(rig_.log(), Offset(3)), IsOk());
  EXPECT_THAT(find(2), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(find(3), IsOk());
  EXPECT_THAT(rig_.store().FindBatch(LogRig::kTopic, PartitionId(5), Offset(0)),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(LogStoreTest, SeeksByTime) {
  PartitionLog& log = rig_.log();
  const absl::Time start = rig_.clock.Now();
  for (int i = 0; i < 9; ++i) Append(log, 1 + i % 3, 10);  // Batch i at start + i + 1 s.
  const std::vector<StoredBatch> batches = ReadAll(log);
  const LogBounds range{log.start(), log.end(), log.start_bytes(), log.end_bytes(), 0};
  const auto seek = [&](absl::Duration after) {
    const auto position = rig_.store().SeekTime(log.topic(), log.id(), range, start + after);
    EXPECT_THAT(position, IsOk());
    return position->offset.value();
  };
  EXPECT_EQ(seek(absl::ZeroDuration()), 0);
  for (size_t i = 0; i < batches.size(); ++i) {
    const absl::Duration at = absl::Seconds(static_cast<int64_t>(i) + 1);
    EXPECT_EQ(seek(at), batches[i].base);
    EXPECT_EQ(seek(at - absl::Microseconds(1)), batches[i].base);
    const int64_t next = i + 1 < batches.size() ? batches[i + 1].base : log.end().value();
    EXPECT_EQ(seek(at + absl::Microseconds(1)), next);
  }
  EXPECT_EQ(seek(absl::Hours(1)), log.end().value());
  const auto end = rig_.store().SeekTime(log.topic(), log.id(), range, absl::InfiniteFuture());
  EXPECT_EQ(end->bytes_before, log.end_bytes());
}

TEST_P(LogStoreTest, SeeksByBytes) {
  PartitionLog& log = rig_.log();
  for (int i = 0; i < 9; ++i) Append(log, 1 + i % 3, 10);
  const std::vector<StoredBatch> batches = ReadAll(log);
  const LogBounds range{log.start(), log.end(), log.start_bytes(), log.end_bytes(), 0};
  const auto seek = [&](uint64_t bytes) {
    return rig_.store().SeekBytes(log.topic(), log.id(), range, bytes)->offset.value();
  };
  EXPECT_EQ(seek(0), 0);
  for (size_t i = 0; i < batches.size(); ++i) {
    const int64_t next = i + 1 < batches.size() ? batches[i + 1].base : log.end().value();
    const BatchInfo batch = *rig_.store().FindBatch(log.topic(), log.id(), Offset(batches[i].base));
    EXPECT_EQ(seek(batch.header.bytes_before), batches[i].base);
    EXPECT_EQ(seek(batch.header.bytes_before + 1), next);
  }
  EXPECT_EQ(seek(log.end_bytes() + 1), log.end().value());
  EXPECT_EQ(log.end_position().offset, log.end());
  EXPECT_EQ(log.end_position().bytes_before, log.end_bytes());
}

TEST_P(LogStoreTest, AppendTimeNeverRunsBackwards) {
  PartitionLog& log = rig_.log();
  Append(log, 1, 10);
  rig_.clock.Advance(-absl::Hours(1));
  Append(log, 1, 10);
  rig_.Reopen();
  Append(rig_.log(), 1, 10);
  const std::vector<StoredBatch> batches = ReadAll(rig_.log());
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[1].append_micros, batches[0].append_micros);
  EXPECT_EQ(batches[2].append_micros, batches[0].append_micros);
}

TEST_P(LogStoreTest, ReopenedEqualsBeforeClose) {
  Append(rig_.log(0), 3, 10);
  Append(rig_.log(0), 2, 50'000);
  Append(rig_.log(1), 1, 20);
  ASSERT_THAT(rig_.Trim(rig_.log(0), Offset(3)), IsOk());
  Append(rig_.log(0), 4, 10);
  ASSERT_THAT(rig_.Commit([](CommitBuilder& c) { c.Put(Column::kMeta, "key", "value"); }, synced()),
              IsOk());
  const auto zero = ReadAll(rig_.log(0));
  const auto one = ReadAll(rig_.log(1));
  const absl::Time last = rig_.log(0).last_append_time();

  for (int i = 0; i < 2; ++i) {
    rig_.Reopen();
    EXPECT_EQ(rig_.log(0).start(), Offset(3));
    EXPECT_EQ(rig_.log(0).end(), Offset(9));
    EXPECT_EQ(rig_.log(0).start_bytes(), 10u);
    EXPECT_EQ(rig_.log(0).end_bytes(), 50'020u);
    EXPECT_EQ(rig_.log(0).last_append_time(), last);
    EXPECT_EQ(ReadAll(rig_.log(0)), zero);
    EXPECT_EQ(ReadAll(rig_.log(1)), one);
    const auto value = rig_.store().Get(Column::kMeta, "key");
    ASSERT_THAT(value, IsOk());
    EXPECT_EQ(*value, "value");
  }
}

TEST_P(LogStoreTest, TrimRemovesOnlyWholeBatchesBeforeOffset) {
  PartitionLog& log = rig_.log();
  for (int i = 0; i < 5; ++i) Append(log, 2, 100);
  ASSERT_THAT(rig_.Trim(log, Offset(5)), IsOk());  // Within the batch of 4 and 5.
  EXPECT_EQ(log.start(), Offset(4));
  EXPECT_EQ(log.bytes(), 300u);
  EXPECT_EQ(ReadAll(log).size(), 3u);
  std::vector<RecordBatchPtr> batches;
  EXPECT_THAT(rig_.store().Read(log.topic(), log.id(), Offset(3), Offset(10), 100, &batches),
              StatusIs(absl::StatusCode::kNotFound));
  rig_.Reopen();
  EXPECT_EQ(rig_.log().start(), Offset(4));
  EXPECT_EQ(rig_.log().bytes(), 300u);
  EXPECT_EQ(ReadAll(rig_.log()).size(), 3u);
}

TEST_P(LogStoreTest, DoesNotReuseOffsetsAfterFullTrim) {
  Append(rig_.log(), 5, 100);
  ASSERT_THAT(rig_.Trim(rig_.log(), Offset(5)), IsOk());
  EXPECT_EQ(rig_.log().start(), Offset(5));
  EXPECT_EQ(rig_.log().bytes(), 0u);
  rig_.Reopen();
  EXPECT_EQ(rig_.log().start(), Offset(5));
  EXPECT_EQ(rig_.log().end(), Offset(5));
  const std::string next = Append(rig_.log(), 1, 7);
  rig_.Reopen();
  ASSERT_EQ(ReadAll(rig_.log()).size(), 1u);
  EXPECT_EQ(ReadAll(rig_.log())[0].base, 5);
  EXPECT_EQ(ReadAll(rig_.log())[0].bytes_before, 100u);
  EXPECT_EQ(ReadAll(rig_.log())[0].events, next);
}

TEST_P(LogStoreTest, DeletedTopicLeavesNothing) {
  Append(rig_.log(0), 1, 100);
  Append(rig_.log(1), 1, 5000);
  ASSERT_THAT(rig_.Trim(rig_.log(1), Offset(1)), IsOk());
  const std::string kept = Append(rig_.log(0, TopicId(8)), 1, 10);
  ASSERT_THAT(rig_.Commit(
                  [](CommitBuilder& c) {
                    c.Put(Column::kMeta, TopicKey(LogRig::kTopic), "record");
                    c.Put(Column::kProducers, ProducerPrefix(LogRig::kTopic, "p") + "0", "record");
                  },
                  synced()),
              IsOk());
  PartitionLog& log = rig_.log(0);
  // Also deletes what the same commit appends and puts, in any order.
  ASSERT_THAT(rig_.Commit(
                  [&](CommitBuilder& c) {
                    c.Append(log, SharedBytes::Copy("early"), 1);
                    c.DeleteTopic(LogRig::kTopic);
                    c.Put(Column::kProducers, ProducerPrefix(LogRig::kTopic, "q") + "0", "record");
                    c.Append(log, SharedBytes::Copy("late"), 1);
                  },
                  synced()),
              IsOk());
  rig_.Reopen();
  int left = 0;
  for (const Column column : {Column::kMeta, Column::kEvents, Column::kIndex, Column::kProducers}) {
    ASSERT_THAT(rig_.store().Scan(column, "",
                                  [&](absl::string_view, absl::string_view) {
                                    ++left;
                                    return true;
                                  }),
                IsOk());
  }
  EXPECT_EQ(left, 3);  // The other topic's batch, in two columns, and its run.
  EXPECT_EQ(ReadAll(rig_.log(0, TopicId(8))).at(0).events, kept);
  EXPECT_EQ(rig_.log(0).end(), Offset(0));
}

TEST_P(LogStoreTest, ScanVisitsPrefixInOrderUntilStopped) {
  ASSERT_THAT(rig_.Commit(
                  [](CommitBuilder& c) {
                    for (const char* key : {"b2", "a", "b1", "c", "b"}) {
                      c.Put(Column::kMeta, key, std::string("value of ") + key);
                    }
                  },
                  synced()),
              IsOk());
  std::vector<std::string> keys;
  const auto visit = [&](absl::string_view key, absl::string_view value) {
    EXPECT_EQ(value, "value of " + std::string(key));
    keys.emplace_back(key);
    return keys.size() < 3;
  };
  ASSERT_THAT(rig_.store().Scan(Column::kMeta, "b", visit), IsOk());
  EXPECT_THAT(keys, ElementsAre("b", "b1", "b2"));
  keys = {"", ""};
  ASSERT_THAT(rig_.store().Scan(Column::kMeta, "", visit), IsOk());
  EXPECT_THAT(keys, ElementsAre("", "", "a"));
  const auto scan_from = [&](const std::string& prefix, const std::string& from) {
    std::vector<std::string> found;
    EXPECT_THAT(rig_.store().ScanFrom(Column::kMeta, prefix, from,
                                      [&](absl::string_view key, absl::string_view) {
                                        found.emplace_back(key);
                                        return true;
                                      }),
                IsOk());
    return found;
  };
  EXPECT_THAT(scan_from("b", "b"), ElementsAre("b", "b1", "b2"));
  EXPECT_THAT(scan_from("b", "b1"), ElementsAre("b1", "b2"));
  EXPECT_THAT(scan_from("b", "b11"), ElementsAre("b2"));
  EXPECT_THAT(scan_from("b", "b3"), ElementsAre());
  const auto missing = rig_.store().Get(Column::kMeta, "d");
  ASSERT_THAT(missing, IsOk());
  EXPECT_EQ(*missing, std::nullopt);
}

TEST_P(LogStoreTest, EventsOutliveTheStore) {
  const std::string small = Append(rig_.log(), 1, 100);
  const std::string blob = Append(rig_.log(), 1, 100'000);
  ASSERT_THAT(rig_.store().Reclaim(LogRig::kTopic), IsOk());  // To table and blob files.
  std::vector<RecordBatchPtr> batches;
  ASSERT_THAT(
      rig_.store().Read(LogRig::kTopic, PartitionId(0), Offset(0), Offset(2), 1 << 20, &batches),
      IsOk());
  rig_.Close();
  EXPECT_EQ(batches[0]->chunks[0].view(), small);
  EXPECT_EQ(batches[1]->chunks[0].view(), blob);
}

}  // namespace
}  // namespace eventhub
