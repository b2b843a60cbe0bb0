// storage/base, and the replacement of RocksDB's checksum function.
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/shared_bytes.h"
#include "storage/base/work_pool.h"

namespace rocksdb::crc32c {

uint32_t Extend(uint32_t crc, const char* data, size_t size);

}  // namespace rocksdb::crc32c

namespace eventhub {
namespace {

TEST(SharedBytes, CopiesShareOneBuffer) {
  int released = 0;
  {
    const std::string text = "some bytes";
    SharedBytes all = SharedBytes::Wrap(
        text, [](void* arg) { ++*static_cast<int*>(arg); }, &released);
    SharedBytes part = all.Sub(all.view().substr(5));
    SharedBytes copy = part;
    EXPECT_EQ(copy.view(), "bytes");
    EXPECT_EQ(copy.data(), text.data() + 5);
    all = SharedBytes();
    SharedBytes moved = std::move(part);
    EXPECT_EQ(moved.view(), "bytes");
    EXPECT_EQ(released, 0);
    void* const owner = std::move(copy).Release();
    moved = SharedBytes::Copy("other");
    EXPECT_EQ(released, 0);
    SharedBytes::Drop(owner);
    EXPECT_EQ(released, 1);
    EXPECT_EQ(moved.view(), "other");
  }
  EXPECT_EQ(released, 1);
}

TEST(SharedBytes, EmptyBytesCanBeCopied) {
  const SharedBytes none;
  const SharedBytes copy = none;
  EXPECT_TRUE(copy.empty());
  EXPECT_EQ(SharedBytes::Copy("").size(), 0u);
}

TEST(WorkPool, DestructorRunsPendingWork) {
  std::atomic<int> done{0};
  {
    WorkPool pool(2);
    for (int i = 0; i < 100; ++i) {
      pool.Post([&] {
        ++done;
        if (done < 50) pool.Post([&] { ++done; });
      });
    }
  }
  EXPECT_GE(done, 100);
}

// This is how streams share the disk threads: a stream that posts its next read when the last one
// is done waits for one read of each other stream.
TEST(WorkPool, RepostedWorkTakesTurns) {
  constexpr int kStreams = 3;
  constexpr int kReads = 100;
  std::vector<int> reads(kStreams);
  int largest_lead = 0;
  std::function<void(int)> read;
  {
    WorkPool pool(1);
    read = [&](int stream) {
      if (++reads[stream] < kReads) pool.Post([&, stream] { read(stream); });
      const auto [least, most] = std::minmax_element(reads.begin(), reads.end());
      if (*most < kReads) largest_lead = std::max(largest_lead, *most - *least);
    };
    pool.Post([&] {
      for (int stream = 0; stream < kStreams; ++stream) pool.Post([&, stream] { read(stream); });
    });
  }
  EXPECT_EQ(largest_lead, 1);
}

TEST(Clock, MonotonicNeverRunsBackwards) {
  const absl::Duration before = Clock::System().Monotonic();
  EXPECT_GE(Clock::System().Monotonic(), before);
  EXPECT_GT(Clock::System().Now(), absl::FromUnixSeconds(1'700'000'000));
}

TEST(RocksDbCrc32c, MatchesReferenceChecksums) {
  using rocksdb::crc32c::Extend;
  // RFC 3720, B.4.
  EXPECT_EQ(Extend(0, std::string(32, '\0').data(), 32), 0x8a9136aau);
  EXPECT_EQ(Extend(0, std::string(32, '\xff').data(), 32), 0x62a8ab43u);
  EXPECT_EQ(Extend(0, "123456789", 9), 0xe3069283u);
  EXPECT_EQ(Extend(Extend(0, "1234", 4), "56789", 5), 0xe3069283u);
  EXPECT_EQ(Extend(7, "", 0), 7u);
}

// RocksDB, in its own library, finds the same function as this program.
TEST(RocksDbCrc32c, OverridesImplementationOfRocksDb) {
  Dl_info here;
  Dl_info found;
  ASSERT_NE(dladdr(reinterpret_cast<void*>(&rocksdb::crc32c::Extend), &here), 0);
  void* const symbol = dlsym(RTLD_DEFAULT, "_ZN7rocksdb6crc32c6ExtendEjPKcm");
  ASSERT_NE(symbol, nullptr);
  ASSERT_NE(dladdr(symbol, &found), 0);
  EXPECT_EQ(symbol, reinterpret_cast<void*>(&rocksdb::crc32c::Extend));
  EXPECT_EQ(std::string(found.dli_fname).find("librocksdb"), std::string::npos);
}

TEST(Metrics, ReturnsSamplesInOrderOfRegistration) {
  Metrics metrics;
  Counter& first = metrics.AddCounter("eventhub_firsts_total", "Firsts.");
  metrics.AddCounter("eventhub_seconds_total", "Seconds.").Add(3);
  for (int i = 0; i < 1000; ++i) {
    metrics.AddCounter(absl::StrCat("eventhub_", i, "_total"), "A counter.");
  }
  first.Add();  // Where it was.
  const std::vector<Metrics::Sample> samples = metrics.Samples();
  ASSERT_EQ(samples.size(), 1002u);
  EXPECT_EQ(samples[0].name, "eventhub_firsts_total");
  EXPECT_EQ(samples[0].help, "Firsts.");
  EXPECT_EQ(samples[0].value, 1u);
  EXPECT_EQ(samples[1].value, 3u);
}

TEST(MetricsDeathTest, RejectsInvalidAndDuplicateNames) {
  Metrics metrics;
  metrics.AddCounter("eventhub_a_total", "A.");
  EXPECT_DEATH(metrics.AddCounter("eventhub_a_total", "A."), "broken invariant: a metric has one");
  EXPECT_DEATH(metrics.AddCounter("eventhub_A_total", "A."), "broken invariant: names of counters");
  EXPECT_DEATH(metrics.AddCounter("a_total", "A."), "broken invariant: names of counters");
}

}  // namespace
}  // namespace eventhub
