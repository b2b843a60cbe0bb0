// The cost of remembering producers does not depend on their number.
#include "server/core/topic/producer_table.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_env.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

constexpr int kProducers = 20'000;

class ProducerTableTest : public testing::Test {
 protected:
  void SetUp() override {
    LogStoreOptions options;
    options.directory = disk_.directory() + "/hub";
    options.env = disk_.env();
    auto store = LogStore::Open(options);
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
    table_ = std::make_unique<ProducerTable>(*store_, TopicId(1));
  }

  // One commit, at its own time.
  template <typename Change>
  void Commit(const Change& change) {
    clock_.Advance(absl::Microseconds(1));
    CommitBuilder commit(*store_, clock_.Now(), 1 << 16);
    change(commit);
    ASSERT_THAT(commit.Write(*store_), IsOk());
  }

  // Whether the producer's request is new.
  bool Publish(CommitBuilder& commit, const std::string& id, uint64_t sequence) {
    v1::PublishResult result;
    const absl::StatusOr<bool> is_new = table_->Admit({id, 0, sequence}, commit, &result);
    EXPECT_THAT(is_new, IsOk());
    if (is_new.value_or(false)) table_->Record({id, 0, sequence}, result, commit);
    return is_new.value_or(false);
  }

  static std::string Name(int i) { return absl::StrCat("producer-", i); }

  void Fill() {
    for (int i = 0; i < kProducers; i += 100) {
      Commit([&](CommitBuilder& commit) {
        for (int j = i; j < i + 100; ++j) Publish(commit, Name(j), 0);
      });
    }
  }

  FakeClock clock_;
  FaultEnv disk_{FaultEnv::Medium::kMemory};
  std::unique_ptr<LogStore> store_;
  std::unique_ptr<ProducerTable> table_;
};

TEST_F(ProducerTableTest, NewProducerHasConstantCost) {
  Fill();
  // Each looks up itself, and evicts one.
  EXPECT_LE(table_->looked_at(), 3u * kProducers);
}

TEST_F(ProducerTableTest, ExpiringProducerHasConstantCost) {
  Fill();
  clock_.Advance(absl::Hours(1));
  const absl::Time since = clock_.Now();
  Commit([&](CommitBuilder& commit) { Publish(commit, Name(7), 1); });
  const uint64_t before = table_->looked_at();
  for (int i = 0; i < kProducers; i += 100) {
    Commit([&](CommitBuilder& commit) {
      for (int j = i; j < i + 100; ++j) {
        ASSERT_THAT(table_->Expire(Name(j), since, commit), IsOk());
      }
    });
  }
  EXPECT_LE(table_->looked_at() - before, 4u * kProducers);
  // All except the returning one start anew, also according to the store.
  for (int i = 0; i < 2; ++i) {
    Commit([&](CommitBuilder& commit) {
      EXPECT_FALSE(Publish(commit, Name(7), 1));
      EXPECT_EQ(Publish(commit, Name(8), 0), i == 0);
      v1::PublishResult result;
      EXPECT_THAT(table_->Admit({Name(9), 0, 1}, commit, &result),
                  StatusIs(absl::StatusCode::kFailedPrecondition));
    });
    table_ = std::make_unique<ProducerTable>(*store_, TopicId(1));
  }
}

// State that the current commit recorded is not in the store, and must not be evicted.
TEST_F(ProducerTableTest, KeepsProducersOfCurrentCommit) {
  Commit([&](CommitBuilder& commit) {
    for (int i = 0; i < 3000; ++i) EXPECT_TRUE(Publish(commit, Name(i), 0));
    for (int i = 0; i < 3000; ++i) EXPECT_FALSE(Publish(commit, Name(i), 0));
  });
  Commit([&](CommitBuilder& commit) {
    for (int i = 0; i < 3000; ++i) EXPECT_FALSE(Publish(commit, Name(i), 0));
  });
}

// A clock that is set back must not keep producers in memory.
TEST_F(ProducerTableTest, EvictsEvenWhenClockRunsBackwards) {
  for (int i = 0; i < 3000; ++i) {
    CommitBuilder commit(*store_, clock_.Now() - absl::Seconds(i), 1 << 10);
    Publish(commit, Name(i), 0);
    ASSERT_THAT(commit.Write(*store_), IsOk());
  }
  const uint64_t before = table_->looked_at();
  Commit([&](CommitBuilder& commit) { EXPECT_FALSE(Publish(commit, Name(0), 0)); });
  EXPECT_GE(table_->looked_at() - before, 2u);  // It had to be loaded.
}

TEST_F(ProducerTableTest, TablesShareMemoryLimit) {
  MemoryMeter meter(size_t{1} << 20);
  table_ = std::make_unique<ProducerTable>(*store_, TopicId(1), &meter);
  ProducerTable other(*store_, TopicId(2), &meter);
  Commit([&](CommitBuilder& commit) { other.Record({"other", 0, 0}, {}, commit); });
  const size_t one = meter.used();
  EXPECT_GT(one, 0u);
  v1::PublishResult large;
  for (int i = 0; i < 1000; ++i) large.add_placements()->set_partition(static_cast<uint32_t>(i));
  for (int i = 0; i < 500; ++i) {
    Commit([&](CommitBuilder& commit) { table_->Record({Name(i), 0, 0}, large, commit); });
    ASSERT_LE(meter.used(), meter.limit() / 2) << i;
  }
  // Evicted state is still known.
  Commit([&](CommitBuilder& commit) {
    for (int i = 0; i < 500; ++i) EXPECT_FALSE(Publish(commit, Name(i), 0));
  });
  table_.reset();
  EXPECT_EQ(meter.used(), one);
}

}  // namespace
}  // namespace eventhub
