// How compaction rewrites batches: what stays, and how it is stored.
#include "server/core/compaction/batch_rewriter.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/event/event_slice.h"
#include "tests/server/seeded.h"
#include "tests/support/events.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// The stored batches of a partition, as compaction sees them.
class Log {
 public:
  void Append(uint32_t count, int64_t micros = 0) {
    RecordBatch batch;
    batch.base = end_;
    std::string region;
    for (uint32_t i = 0; i < count; ++i) {
      absl::StrAppend(&region, EncodeEvent(MakeEvent(absl::StrCat(end_.value() + i))));
    }
    batch.header.count = count;
    batch.header.bytes = static_cast<uint32_t>(region.size());
    batch.header.bytes_before = bytes_;
    batch.header.append_micros = micros;
    batch.chunks.push_back(SharedBytes::Copy(region));
    bytes_ += region.size();
    end_ = batch.end();
    batches_.emplace(batch.base, std::move(batch));
  }

  // Removes the events for which `stays` returns false, from the batches that begin in [from, to).
  template <typename Stays>
  RewrittenBatches Compact(Offset from, Offset to, Stays stays) {
    BatchRewriter rewriter;
    for (auto it = batches_.lower_bound(from); it != batches_.lower_bound(to); ++it) {
      std::vector<bool> keep;
      for (uint32_t i = 0; i < it->second.header.count; ++i) {
        keep.push_back(stays(it->first.value() + i));
      }
      rewriter.Add(it->second, keep);
    }
    RewrittenBatches rewritten = std::move(rewriter).Finish();
    for (const Offset base : rewritten.old) EXPECT_EQ(batches_.erase(base), 1u) << base;
    for (const RecordBatch& batch : rewritten.batches) {
      EXPECT_TRUE(batches_.emplace(batch.base, batch).second) << batch.base;
    }
    return rewritten;
  }
  template <typename Stays>
  RewrittenBatches Compact(Stays stays) {
    return Compact(Offset(0), end_, stays);
  }

  // The ids of the events that are left, by offset. Checks what every log must fulfil.
  std::map<int64_t, std::string> Events() const {
    std::map<int64_t, std::string> events;
    Offset next(0);
    uint64_t bytes = 0;
    for (const auto& [base, batch] : batches_) {
      EXPECT_EQ(base, next) << "batches are contiguous";
      EXPECT_EQ(batch.header.bytes_before, bytes) << base;
      next = batch.end();
      bytes = EndOf(base, batch.header).bytes_before;
      EXPECT_EQ(batch.header.gone(), batch.chunks.empty()) << base;
      Offset at = base;
      uint32_t removed = batch.header.gone() ? batch.header.count : 0;
      size_t size = 0;
      for (const SharedBytes& chunk : batch.chunks) {
        EventWalker walker(chunk);
        size += chunk.size();
        for (SlicedEvent event; walker.Next(&event); at = at + 1) {
          v1::Event parsed;
          EXPECT_TRUE(parsed.ParseFromString(std::string(event.message)));
          if (event.field == kRemovedEvent) {
            ++removed;
          } else {
            events[at.value()] = parsed.id();
          }
        }
        EXPECT_EQ(at, batch.end()) << base;
      }
      EXPECT_EQ(batch.header.removed, removed) << base;
      EXPECT_EQ(batch.header.bytes, size) << base;
    }
    EXPECT_EQ(next, end_);
    EXPECT_EQ(bytes, bytes_);
    return events;
  }

  std::vector<int64_t> Bases() const {
    std::vector<int64_t> bases;
    for (const auto& [base, batch] : batches_) bases.push_back(base.value());
    return bases;
  }
  const RecordBatch& At(int64_t base) const { return batches_.at(Offset(base)); }
  uint64_t StoredBytes() const {
    uint64_t bytes = 0;
    for (const auto& [base, batch] : batches_) bytes += batch.header.bytes;
    return bytes;
  }
  Offset end() const { return end_; }

 private:
  Offset end_;
  uint64_t bytes_ = 0;
  std::map<Offset, RecordBatch> batches_;
};

bool Even(int64_t offset) { return offset % 2 == 0; }

TEST(BatchRewriter, ChangesNothingIfAllEventsStay) {
  Log log;
  log.Append(3);
  log.Append(2);
  const RewrittenBatches rewritten = log.Compact([](int64_t) { return true; });
  EXPECT_THAT(rewritten.old, IsEmpty());
  EXPECT_THAT(rewritten.batches, IsEmpty());
  EXPECT_EQ(rewritten.removed.events, 0u);
}

TEST(BatchRewriter, FewRemovedEventsStayAsEmptyOnes) {
  Log log;
  log.Append(5);
  const uint32_t before = log.At(0).header.bytes;
  const RewrittenBatches rewritten = log.Compact(Even);
  EXPECT_EQ(rewritten.removed.events, 2u);
  EXPECT_THAT(log.Bases(), ElementsAre(0));
  EXPECT_EQ(rewritten.removed.bytes, before - log.At(0).header.bytes);
  EXPECT_THAT(log.Events(),
              ElementsAre(testing::Pair(0, "0"), testing::Pair(2, "2"), testing::Pair(4, "4")));
}

TEST(BatchRewriter, RemovedEventsAreNotCountedAgain) {
  Log log;
  log.Append(5);
  log.Compact(Even);
  const RewrittenBatches again = log.Compact(Even);
  EXPECT_EQ(again.removed.events, 0u);
  EXPECT_THAT(again.batches, IsEmpty());
  const RewrittenBatches more = log.Compact([](int64_t offset) { return offset == 4; });
  EXPECT_EQ(more.removed.events, 2u);
  EXPECT_EQ(log.At(0).header.removed, 4u);
  EXPECT_THAT(log.Events(), SizeIs(1));
}

TEST(BatchRewriter, BatchesThatAreGoneBecomeOne) {
  Log log;
  log.Append(3, 10);
  log.Append(2, 20);
  log.Append(4, 30);
  const RewrittenBatches rewritten = log.Compact([](int64_t offset) { return offset >= 5; });
  EXPECT_THAT(log.Bases(), ElementsAre(0, 5));
  EXPECT_TRUE(log.At(0).header.gone());
  EXPECT_EQ(log.At(0).header.count, 5u);
  EXPECT_EQ(log.At(0).header.append_micros, 20);  // Times do not decrease.
  EXPECT_THAT(rewritten.old, ElementsAre(Offset(0), Offset(3)));
  log.Compact([](int64_t) { return false; });
  EXPECT_THAT(log.Bases(), ElementsAre(0));
  EXPECT_THAT(log.Events(), IsEmpty());
}

TEST(BatchRewriter, LongGapHasItsOwnBatch) {
  Log log;
  log.Append(300);
  log.Compact([](int64_t offset) { return offset == 0 || offset == 10 || offset >= 200; });
  EXPECT_THAT(log.Bases(), ElementsAre(0, 11, 200));
  EXPECT_TRUE(log.At(11).header.gone());
  EXPECT_EQ(log.At(0).header.removed, 9u);
  EXPECT_EQ(log.At(200).header.removed, 0u);
  EXPECT_THAT(log.Events(), SizeIs(102));
}

// The size depends on the events that stay.
TEST(BatchRewriter, SizeHardlyDependsOnHowManyAreRemoved) {
  Log log;
  for (int i = 0; i < 100; ++i) log.Append(1000);
  log.Compact([](int64_t offset) { return offset % 50'000 == 7; });
  EXPECT_THAT(log.Events(), SizeIs(2));
  EXPECT_LT(log.StoredBytes(), 600u);
  EXPECT_THAT(log.Bases(), SizeIs(4));
}

class BatchRewriterModelTest : public SeededTest {};

TEST_F(BatchRewriterModelTest, RandomCompactionsLeaveWhatStays) {
  for (int round = 0; round < 50; ++round) {
    Log log;
    const int batches = static_cast<int>(Int(1, 30));
    for (int i = 0; i < batches; ++i) {
      log.Append(static_cast<uint32_t>(OneIn(5) ? Int(1, 400) : Int(1, 5)));
    }
    std::map<int64_t, std::string> model = log.Events();
    for (int pass = 0; pass < 5; ++pass) {
      const std::vector<int64_t> bases = log.Bases();
      const Offset from(bases[static_cast<size_t>(Int(0, static_cast<int64_t>(bases.size()) - 1))]);
      const int64_t share = Int(0, 100);
      const bool runs = OneIn(2);
      bool stays = true;
      const size_t before = model.size();
      const RewrittenBatches rewritten = log.Compact(from, log.end(), [&](int64_t offset) {
        // Long runs, or single events.
        if (!runs || OneIn(80)) stays = Int(1, 100) > share;
        if (!stays) model.erase(offset);
        return stays;
      });
      EXPECT_EQ(rewritten.removed.events, before - model.size());
      ASSERT_EQ(log.Events(), model);
    }
  }
}

}  // namespace
}  // namespace eventhub
