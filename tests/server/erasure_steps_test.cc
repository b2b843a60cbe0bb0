// Erasures, and changes of the master key, during which the power fails: at every step the hub
// comes back with all of it or with nothing, and what was answered holds.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "tests/server/erasure_rig.h"
#include "tests/storage/step_fs.h"
#include "tests/support/sanitizers.h"

namespace eventhub {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;

const std::string kPresentKey(64, 'a');
const std::string kFormerKey(64, 'b');

class ErasureStepsTest : public testing::Test {
 protected:
  // Calls `change` on a hub, of which the power fails before one of its changes of the disk, again
  // and again, and then `check` on the hub after a restart, with the outcome of the change.
  template <typename Change, typename Check>
  void AtEveryStep(Change change, Check check) {
    bool through = false;
    int step = 1;
    // Those of the commit come first. The many steps of the compaction are alike, and RocksDB waits
    // for a second when one fails.
    for (; !through && !HasFatalFailure(); step += (step <= 6 ? 1 : 43) * kStride) {
      SCOPED_TRACE(step);
      ASSERT_LT(step, 3000);
      BrokerRig rig;
      ASSERT_NO_FATAL_FAILURE(Prepare(rig));
      const auto fs = std::make_shared<StepFs>(rig.disk.env()->GetFileSystem(), 1 << 30,
                                               [&] { rig.disk.Cut(); });
      const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(fs);
      rig.env = env.get();
      ASSERT_THAT(rig.Open(), IsOk());
      fs->Arm(step);
      const absl::Status outcome = change(rig);
      through = !fs->reached();
      EXPECT_TRUE(outcome.ok() || !through) << outcome;
      rig.disk.Cut();
      rig.Close();
      rig.disk.Forget();
      rig.env = nullptr;
      ASSERT_THAT(rig.Open(), IsOk());
      check(rig, outcome);
    }
    EXPECT_GT(step, 10);  // Otherwise it visits the wrong steps.
  }

  // What the store's files have of the key of ann's event.
  static bool KeyIsInFiles(BrokerRig& rig, const std::string& wrapped) {
    for (const std::string& file : rig.disk.Files(rig.disk.directory())) {
      if (absl::StrContains(rig.disk.ReadFile(file), wrapped)) return true;
    }
    return false;
  }

  std::string wrapped_;  // The key of ann's event.

 private:
  void Prepare(BrokerRig& rig) {
    rig.master_keys = MasterKeysOf(kFormerKey);
    rig.erasure_topic = "erasures";
    ASSERT_THAT(rig.Open(), IsOk());
    ASSERT_THAT(rig.Create(ErasableTopic("t")), IsOk());
    ASSERT_THAT(rig.Create("erasures"), IsOk());
    ASSERT_THAT(
        PublishAll(rig, "t",
                   {SubjectEvent("a", "ann", "of ann"), SubjectEvent("b", "bob", "of bob")}),
        IsOk());
    wrapped_ = StoredKeyOf(rig, (*ReadEvents(rig, ReadOf("t"), /*as_stored=*/true))[0]).substr(12);
    ASSERT_TRUE(KeyIsInFiles(rig, wrapped_));
    rig.Close();
    rig.master_keys = MasterKeysOf(kPresentKey + "\n" + kFormerKey);
  }
};

TEST_F(ErasureStepsTest, ErasureIsWholeOrNotAtAll) {
  bool survived = false;
  bool erased_unanswered = false;
  const auto check = [&](BrokerRig& rig, const absl::Status& outcome) {
    const std::vector<std::string> data = DataOf(rig, "t");
    ASSERT_EQ(data.size(), 2u);
    EXPECT_EQ(data[1], "of bob");
    survived |= data[0] == "of ann";
    erased_unanswered |= data[0].empty() && !outcome.ok();
    if (outcome.ok()) {
      EXPECT_EQ(data[0], "");
      EXPECT_FALSE(KeyIsInFiles(rig, wrapped_));
    } else {
      EXPECT_THAT(data[0], AnyOf("of ann", ""));
    }
    EXPECT_EQ(DataOf(rig, "erasures").size(), data[0].empty() ? 1u : 0u);
    rig.Reopen();
    EXPECT_THAT(DataOf(rig, "t"), ElementsAre(data[0], "of bob"));
    // A retry does what is left.
    ASSERT_THAT(EraseSubject(rig, "ann"), IsOk());
    EXPECT_THAT(DataOf(rig, "t"), ElementsAre("", "of bob"));
    EXPECT_FALSE(KeyIsInFiles(rig, wrapped_));
    rig.Reopen();
    EXPECT_THAT(DataOf(rig, "t"), ElementsAre("", "of bob"));
    EXPECT_FALSE(KeyIsInFiles(rig, wrapped_));
  };
  AtEveryStep([](BrokerRig& rig) { return EraseSubject(rig, "ann").status(); }, check);
  EXPECT_TRUE(kStride > 1 || (survived && erased_unanswered));
}

TEST_F(ErasureStepsTest, MasterKeyIsNeededUntilAllKeysAreWrappedAgain) {
  bool refused = false;
  const auto check = [&](BrokerRig& rig, const absl::Status& outcome) {
    EXPECT_THAT(DataOf(rig, "t"), ElementsAre("of ann", "of bob"));
    // Without the former key: the hub either refuses to start or has all keys.
    rig.Close();
    rig.master_keys = MasterKeysOf(kPresentKey);
    const absl::Status opened = rig.Open();
    if (opened.ok()) {
      EXPECT_THAT(DataOf(rig, "t"), ElementsAre("of ann", "of bob"));
    } else {
      refused = true;
      EXPECT_FALSE(outcome.ok()) << opened;
      rig.master_keys = MasterKeysOf(kPresentKey + "\n" + kFormerKey);
      ASSERT_THAT(rig.Open(), IsOk());
      ASSERT_THAT(RewrapKeys(rig), IsOk());
      rig.Close();
      rig.master_keys = MasterKeysOf(kPresentKey);
      ASSERT_THAT(rig.Open(), IsOk());
      EXPECT_THAT(DataOf(rig, "t"), ElementsAre("of ann", "of bob"));
    }
    if (outcome.ok()) {
      EXPECT_FALSE(KeyIsInFiles(rig, wrapped_));
    }
  };
  AtEveryStep([](BrokerRig& rig) { return RewrapKeys(rig).status(); }, check);
  EXPECT_TRUE(kStride > 1 || refused);
}

// The format is durable before the first topic that needs it.
TEST_F(ErasureStepsTest, StoreWithAnErasableTopicHasItsFormat) {
  bool before = false;
  bool between = false;
  for (int step = 1; step < 3000; step += kStride) {
    SCOPED_TRACE(step);
    BrokerRig rig;
    rig.master_keys = MasterKeysOf(kPresentKey);
    ASSERT_THAT(rig.Open(), IsOk());
    ASSERT_THAT(rig.Create("plain"), IsOk());
    rig.Close();
    const std::string format = rig.disk.directory() + "/hub/EVENTHUB_FORMAT";
    ASSERT_EQ(rig.disk.ReadFile(format), "4\n");
    const auto fs =
        std::make_shared<StepFs>(rig.disk.env()->GetFileSystem(), 1 << 30, [&] { rig.disk.Cut(); });
    const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(fs);
    rig.env = env.get();
    ASSERT_THAT(rig.Open(), IsOk());
    fs->Arm(step);
    v1::Topic topic = ErasableTopic("plain");
    const absl::Status outcome = rig.Update(topic, {"erasable"}).status();
    const bool through = !fs->reached();
    EXPECT_TRUE(outcome.ok() || !through) << outcome;
    rig.disk.Cut();
    rig.Close();
    rig.disk.Forget();
    rig.env = nullptr;
    ASSERT_THAT(rig.Open(), IsOk());
    const bool erasable =
        rig.broker().topics().catalog().Find("plain")->view()->settings->erasable();
    const std::string number = rig.disk.ReadFile(format);
    EXPECT_EQ(number, erasable ? "5\n" : number);
    EXPECT_THAT(number, AnyOf("4\n", "5\n"));
    EXPECT_TRUE(erasable || !outcome.ok());
    before |= number == "4\n";
    between |= number == "5\n" && !erasable;
    if (through) break;
  }
  EXPECT_TRUE(kStride > 1 || (before && between));
}

}  // namespace
}  // namespace eventhub
