#include "storage/tail_cache.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eventhub {
namespace {

using ::testing::ElementsAre;

RecordBatchPtr MakeBatch(int64_t base, uint32_t count, uint32_t bytes) {
  auto batch = std::make_shared<RecordBatch>();
  batch->base = Offset(base);
  batch->header.count = count;
  batch->header.bytes = bytes;
  batch->chunks.push_back(SharedBytes::Copy(std::string(bytes, 'x')));
  return batch;
}

// Returns the bases of the batches that a read finds; {-1} if the cache cannot serve it.
std::vector<int64_t> Read(const PartitionTail& tail, int64_t from, int64_t end,
                          size_t max_bytes = 1 << 20) {
  std::vector<RecordBatchPtr> batches;
  if (!tail.Read(Offset(from), Offset(end), max_bytes, &batches)) {
    EXPECT_TRUE(batches.empty());
    return {-1};
  }
  std::vector<int64_t> bases;
  for (const RecordBatchPtr& batch : batches) bases.push_back(batch->base.value());
  return bases;
}

TEST(TailCache, ReadStartsAtBatchContainingOffset) {
  TailCache cache(1 << 20);
  PartitionTail tail;
  EXPECT_THAT(Read(tail, 0, 10), ElementsAre(-1));
  cache.Insert(tail, MakeBatch(10, 5, 100));
  cache.Insert(tail, MakeBatch(15, 1, 100));
  cache.Insert(tail, MakeBatch(16, 4, 100));
  EXPECT_THAT(Read(tail, 9, 20), ElementsAre(-1));
  EXPECT_THAT(Read(tail, 10, 20), ElementsAre(10, 15, 16));
  EXPECT_THAT(Read(tail, 14, 20), ElementsAre(10, 15, 16));
  EXPECT_THAT(Read(tail, 15, 20), ElementsAre(15, 16));
  EXPECT_THAT(Read(tail, 19, 20), ElementsAre(16));
  EXPECT_THAT(Read(tail, 20, 21), ElementsAre(-1));
}

TEST(TailCache, ReadRespectsLimits) {
  TailCache cache(1 << 20);
  PartitionTail tail;
  for (int64_t i = 0; i < 5; ++i) cache.Insert(tail, MakeBatch(2 * i, 2, 100));
  EXPECT_THAT(Read(tail, 0, 4), ElementsAre(0, 2));
  EXPECT_THAT(Read(tail, 0, 5), ElementsAre(0, 2, 4));
  EXPECT_THAT(Read(tail, 0, 10, 1), ElementsAre(0));
  EXPECT_THAT(Read(tail, 0, 10, 100), ElementsAre(0));
  EXPECT_THAT(Read(tail, 0, 10, 101), ElementsAre(0, 2));
}

TEST(TailCache, EvictsOldestBatchOfAllPartitions) {
  TailCache cache(10'000);
  PartitionTail a;
  PartitionTail b;
  cache.Insert(a, MakeBatch(0, 1, 4000));
  cache.Insert(b, MakeBatch(0, 1, 2000));
  cache.Insert(a, MakeBatch(1, 1, 2000));
  EXPECT_THAT(Read(a, 0, 2), ElementsAre(0, 1));
  cache.Insert(b, MakeBatch(1, 1, 2000));
  EXPECT_THAT(Read(a, 0, 2), ElementsAre(-1));
  EXPECT_THAT(Read(a, 1, 2), ElementsAre(1));
  EXPECT_THAT(Read(b, 0, 2), ElementsAre(0, 1));
  EXPECT_LE(cache.bytes(), 10'000u);
}

TEST(TailCache, StaysWithinCapacity) {
  constexpr size_t kCapacity = 100'000;
  TailCache cache(kCapacity);
  std::vector<PartitionTail> tails(7);
  std::vector<int64_t> next(7);
  for (int i = 0; i < 3000; ++i) {
    const size_t p = static_cast<size_t>(i * 31 % 7);
    cache.Insert(tails[p], MakeBatch(next[p]++, 1, static_cast<uint32_t>(i * 97 % 5000)));
    ASSERT_LE(cache.bytes(), kCapacity);
  }
  EXPECT_GT(cache.bytes(), kCapacity / 2);
}

TEST(TailCache, DoesNotKeepOversizedBatch) {
  TailCache cache(1000);
  PartitionTail tail;
  cache.Insert(tail, MakeBatch(0, 1, 5000));
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_THAT(Read(tail, 0, 1), ElementsAre(-1));
  cache.Insert(tail, MakeBatch(1, 1, 10));
  EXPECT_THAT(Read(tail, 1, 2), ElementsAre(1));
}

TEST(TailCache, ForgetsDroppedAndDestroyedPartitions) {
  TailCache cache(10'000);
  PartitionTail kept;
  {
    PartitionTail dropped;
    cache.Insert(dropped, MakeBatch(0, 1, 3000));
    cache.Drop(dropped);
    EXPECT_THAT(Read(dropped, 0, 1), ElementsAre(-1));
    PartitionTail destroyed;
    cache.Insert(destroyed, MakeBatch(0, 1, 3000));
  }
  for (int64_t i = 0; i < 3; ++i) cache.Insert(kept, MakeBatch(i, 1, 2000));
  EXPECT_THAT(Read(kept, 0, 3), ElementsAre(0, 1, 2));
  EXPECT_LE(cache.bytes(), 10'000u);
}

TEST(TailCache, DroppedBatchesTakeNoRoom) {
  TailCache cache(10'000);
  PartitionTail kept;
  cache.Insert(kept, MakeBatch(0, 1, 6000));
  PartitionTail dropped;
  for (int64_t i = 0; i < 3; ++i) cache.Insert(dropped, MakeBatch(i, 1, 500));
  cache.Drop(dropped);
  EXPECT_EQ(cache.bytes(), 6320u);
  cache.Insert(kept, MakeBatch(1, 1, 3000));
  EXPECT_THAT(Read(kept, 0, 2), ElementsAre(0, 1));
}

TEST(TailCache, DropsBatchesBeforeAnOffset) {
  TailCache cache(10'000);
  PartitionTail tail;
  for (int64_t i = 0; i < 3; ++i) cache.Insert(tail, MakeBatch(2 * i, 2, 500));
  const size_t before = cache.bytes();
  cache.Drop(tail, Offset(3));  // Within the second batch.
  EXPECT_THAT(Read(tail, 0, 6), ElementsAre(-1));
  EXPECT_THAT(Read(tail, 2, 6), ElementsAre(2, 4));
  EXPECT_EQ(cache.bytes(), before / 3 * 2);
  cache.Drop(tail, Offset(6));
  EXPECT_THAT(Read(tail, 4, 6), ElementsAre(-1));
  EXPECT_EQ(cache.bytes(), 0u);
}

// What the cache remembers of them is limited, even behind a batch that is still cached.
TEST(TailCache, DroppedBatchesAreForgottenInTheEnd) {
  TailCache cache(10'000);
  PartitionTail kept;
  cache.Insert(kept, MakeBatch(0, 1, 1000));
  PartitionTail dropped;
  for (int64_t i = 0; Read(kept, 0, 1) != std::vector<int64_t>{-1}; ++i) {
    ASSERT_LT(i, 40);
    cache.Insert(dropped, MakeBatch(i, 1, 500));
    cache.Drop(dropped);
  }
  EXPECT_EQ(cache.bytes(), 0u);
}

// A batch that was read stays intact, whatever is evicted meanwhile.
TEST(TailCache, ReadsConcurrentlyWithInsertsAndEvictions) {
  TailCache cache(20'000);
  PartitionTail tail;
  std::atomic<int64_t> end{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      for (int64_t from = 0; !stop;) {
        const int64_t visible = end;
        std::vector<RecordBatchPtr> batches;
        if (from == visible || !tail.Read(Offset(from), Offset(visible), 1000, &batches)) {
          from = visible;  // Fell behind; continue at the end.
          continue;
        }
        for (const RecordBatchPtr& batch : batches) {
          ASSERT_LE(batch->base, Offset(from));
          ASSERT_EQ(batch->chunks[0].view(), std::string(batch->header.bytes, 'x'));
          from = batch->end().value();
        }
      }
    });
  }
  for (int64_t i = 0; i < 5000; ++i) {
    cache.Insert(tail, MakeBatch(2 * i, 2, 100));
    end = 2 * i + 2;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace eventhub
