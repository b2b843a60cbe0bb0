// Archiving, merging and reading under faults: wherever a merge ends, each event is there once, for
// readers of the present manifest and for those of any manifest before.
//
// The seed is printed; EVENTHUB_TEST_SEED and EVENTHUB_TEST_STEPS repeat or extend a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "server/lake/read/verify.h"
#include "tests/lake/merge_rig.h"
#include "tests/server/seeded.h"

namespace eventhub::lake {
namespace {

using testing::IsEmpty;
using testing::Le;
using Call = MemoryStore::Call;
using Fault = MemoryStore::Fault;

class LakeMergeModel : public SeededTest {
 protected:
  struct Reading {
    EventMap expected;
    EventReader reader;
  };

  void Archive() {
    std::vector<int> counts(3);
    for (int& count : counts) count = static_cast<int>(Int(0, 8));
    if (counts == std::vector<int>(3)) counts[0] = 1;
    rig_.Archive(counts);
  }

  // A merge that ends at any of its calls: with an error, or for good, before or after the call's
  // effect.
  void MergeWithFault() {
    int64_t left = Int(0, 60);
    const bool dies = OneIn(2);
    const bool done = OneIn(2);
    bool dead = false;
    rig_.store().set_faults([&](Call, absl::string_view) -> Fault {
      if (dead) return {absl::UnavailableError("dead")};
      if (left-- != 0) return {};
      dead = dies;
      return done ? Fault{absl::UnknownError("cut"), OneIn(2)}
                  : Fault{absl::UnavailableError("refused")};
    });
    MergeTally tally;
    const absl::Status status = rig_.Merge(&tally);
    EXPECT_TRUE(status.ok() || FaultOf(status) != StoreFault::kPermanent) << status;
    EXPECT_THAT(tally.problems, IsEmpty());
    rig_.store().set_faults({});
    if (dies || OneIn(4)) rig_.rig().Reopen();
  }

  MergeRig rig_;
  std::vector<std::unique_ptr<Reading>> readings_;
};

TEST_F(LakeMergeModel, EachEventIsThereOnceWhateverFails) {
  rig_.options().limits.small_bytes = 8000;
  rig_.options().merge.frame_memory = 40'000;
  rig_.options().merge.writer.frame_bytes = 2048;
  const int steps = Steps(400);
  for (int step = 0; step < steps && !HasFailure(); ++step) {
    switch (Int(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        Archive();
        rig_.Advance(absl::Seconds(Int(1, 300)));
        break;
      case 4:
        rig_.Advance(absl::Minutes(Int(1, 50)));
        break;
      case 5:
      case 6:
        MergeWithFault();
        break;
      case 7:
        readings_.push_back(std::make_unique<Reading>(Reading{rig_.events(), rig_.Reader()}));
        break;
      case 8:
        for (const auto& reading : readings_) {
          for (int64_t i = Int(0, 40); i > 0; --i) reading->reader.ReadOne();
        }
        break;
      case 9:
        ASSERT_EQ(rig_.Reader().ReadAll(), rig_.events());
        break;
    }
    if (readings_.size() > 4) {
      ASSERT_EQ(readings_.front()->reader.ReadAll(), readings_.front()->expected);
      readings_.erase(readings_.begin());
    }
  }
  // Everything is merged and deleted in the end.
  MergeTally tally;
  for (int i = 0; i < 3; ++i) {
    rig_.Advance(absl::Hours(3));
    ASSERT_THAT(rig_.Merge(&tally), IsOk());
  }
  const Manifest manifest = rig_.rig().Load();
  EXPECT_THAT(manifest.retired(), IsEmpty());
  std::map<int64_t, int> small;
  for (const auto& [sequence, object] : manifest.objects()) {
    if (object.raw_bytes() < rig_.options().limits.small_bytes) ++small[object.hour()];
  }
  for (const auto& [hour, count] : small) EXPECT_THAT(count, Le(1)) << hour;
  for (const auto& reading : readings_) {
    EXPECT_EQ(reading->reader.ReadAll(), reading->expected);
  }
  EXPECT_EQ(rig_.Reader().ReadAll(), rig_.events());
  VerifyReport report;
  ASSERT_THAT(VerifyTopic(rig_.store(), rig_.rig().topic(), {}, &report), IsOk());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.events, rig_.events().size());
  // Objects that a merge wrote and did not list, because others joined the group before it was
  // repeated.
  for (const ObjectInfo& orphan : report.orphans) {
    EXPECT_TRUE(ParseObjectName(orphan.name)) << orphan.name;
  }
}

}  // namespace
}  // namespace eventhub::lake
