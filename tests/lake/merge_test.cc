// Merging: which objects, into what, and what readers see meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "server/lake/read/find.h"
#include "server/lake/read/verify.h"
#include "tests/lake/merge_rig.h"

namespace eventhub::lake {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<uint64_t> LiveSequences(const Manifest& manifest) {
  std::vector<uint64_t> sequences;
  for (const auto& [sequence, object] : manifest.objects()) sequences.push_back(sequence);
  return sequences;
}

VerifyReport VerifyMerged(const MergeRig& rig, const LakeTopic& topic, const ObjectStore& store) {
  VerifyReport report;
  EXPECT_THAT(VerifyTopic(store, topic, {}, &report), IsOk());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.events, rig.events().size());
  return report;
}

TEST(LakeMerge, AClosedHourBecomesOneObject) {
  MergeRig rig;
  for (int i = 0; i < 5; ++i) {
    rig.Archive({30, 0, 5 + i});
    rig.Advance(absl::Minutes(10));
  }
  const auto names = rig.store().objects();
  MergeTally tally;
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_EQ(tally.merges, 0u);  // The hour is not over.
  EXPECT_EQ(tally.next, HourStart(kTestHour + 1) + rig.options().settle);
  rig.Advance(absl::Minutes(20));
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_EQ(tally.merges, 1u);
  EXPECT_EQ(tally.replaced, 5u);
  const Manifest manifest = rig.rig().Load();
  EXPECT_THAT(LiveSequences(manifest), ElementsAre(5));
  EXPECT_EQ(rig.rig().writer().next_sequence(), 6u);
  EXPECT_EQ(rig.Reader().ReadAll(), rig.events());
  const VerifyReport report = VerifyMerged(rig, rig.rig().topic(), rig.store());
  EXPECT_EQ(report.orphan_count, 0u);

  auto reader =
      ObjectReader::Open(rig.store(), ObjectName(rig.rig().topic(), manifest.objects().at(5)));
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(reader->index().frames(), SizeIs(1));
  const auto look = FindEvents(rig.store(), rig.rig().topic(), manifest, KeyKind::kId, "id-77", {},
                               [](const LakeEvent&) { return true; });
  ASSERT_THAT(look, IsOk());
  EXPECT_EQ(look->events, 1u);

  // The files stay for the grace period.
  for (const auto& [name, bytes] : names) EXPECT_TRUE(rig.store().objects().contains(name));
  rig.Advance(rig.options().grace);
  tally = {};
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_EQ(tally.deleted, 5u);
  EXPECT_EQ(tally.next, std::nullopt);
  EXPECT_THAT(rig.rig().Load().retired(), IsEmpty());
  EXPECT_EQ(std::count_if(names.begin(), names.end(),
                          [&rig](const auto& object) {
                            return ParseObjectName(object.first) &&
                                   rig.store().objects().contains(object.first);
                          }),
            0);
  EXPECT_EQ(rig.Reader().ReadAll(), rig.events());
  VerifyMerged(rig, rig.rig().topic(), rig.store());
}

TEST(LakeMerge, AReaderOfTheOldManifestGoesOnInTheNewObject) {
  MergeRig rig;
  for (int i = 0; i < 3; ++i) rig.Archive({40, 40});
  EventReader before = rig.Reader();
  EventReader inside = rig.Reader();
  for (int i = 0; i < 35; ++i) inside.ReadOne();
  rig.Advance(absl::Hours(2));
  MergeTally tally;
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  const EventMap archived = rig.events();
  rig.Archive({3, 3});
  rig.Advance(absl::Hours(2));
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_EQ(tally.deleted, 3u);
  EXPECT_EQ(before.ReadAll(), archived);
  EXPECT_EQ(inside.ReadAll(), archived);
}

TEST(LakeMerge, StopsAtTheSizeOfLargeObjects) {
  MergeRig rig;
  const uint64_t bytes = rig.Archive({20}).raw_bytes();
  for (int i = 0; i < 9; ++i) rig.Archive({20});
  rig.options().limits.small_bytes = 3 * bytes;
  rig.Advance(absl::Hours(2));
  MergeTally tally;
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  const Manifest manifest = rig.rig().Load();
  EXPECT_GE(manifest.objects().size(), 2u);
  EXPECT_LE(std::count_if(manifest.objects().begin(), manifest.objects().end(),
                          [&rig](const auto& object) {
                            return object.second.raw_bytes() < rig.options().limits.small_bytes;
                          }),
            1);
  EXPECT_EQ(rig.Reader().ReadAll(), rig.events());
  // It ends: nothing is merged again.
  tally = {};
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_EQ(tally.merges, 0u);
}

TEST(LakeMerge, TakesSeveralStepsWithLittleMemory) {
  MergeRig rig;
  for (int i = 0; i < 12; ++i) rig.Archive({20, 20});
  rig.options().merge.frame_memory = 30'000;
  rig.options().merge.writer.frame_bytes = 2048;
  rig.Advance(absl::Hours(2));
  MergeTally tally;
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_GT(tally.merges, 1u);
  EXPECT_THAT(LiveSequences(rig.rig().Load()), ElementsAre(12));
  EXPECT_EQ(rig.Reader().ReadAll(), rig.events());
  VerifyMerged(rig, rig.rig().topic(), rig.store());
}

TEST(LakeMerge, RangesThatNoObjectAccountsForSeparateGroups) {
  MergeRig rig;
  rig.Archive({5});
  SkippedRange skipped;
  skipped.set_begin(5);
  skipped.set_end(9);
  skipped.set_reason(SkippedRange::DROPPED);
  ASSERT_THAT(rig.rig().writer().Append({}, {skipped}, rig.now()), IsOk());
  std::vector<StoredEvent> events;
  for (int64_t offset = 9; offset < 12; ++offset) {
    events.push_back(
        {{0, offset, absl::ToUnixMicros(rig.now())}, PlainEvent(offset).SerializeAsString()});
  }
  rig.rig().Archive(events);
  rig.Advance(absl::Hours(2));
  MergeTally tally;
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_EQ(tally.merges, 0u);
  EXPECT_THAT(LiveSequences(rig.rig().Load()), ElementsAre(1, 2));
}

TEST(LakeMerge, ADamagedObjectIsReportedAndKept) {
  MergeRig rig;
  rig.Archive({10});
  const ObjectRecord record = rig.Archive({10});
  rig.Advance(absl::Hours(1));
  rig.Archive({10});
  rig.Archive({10});
  rig.Advance(absl::Hours(2));
  const std::string name = ObjectName(rig.rig().topic(), record);
  rig.store().objects()[name][20] ^= 1;
  MergeTally tally;
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_THAT(tally.problems, ElementsAre(HasSubstr(name)));
  EXPECT_EQ(tally.merges, 1u);  // The other hour.
  EXPECT_THAT(LiveSequences(rig.rig().Load()), ElementsAre(1, 2, 4));
}

TEST(LakeMerge, LateObjectsOfAClosedHourAreMergedLater) {
  MergeRig rig;
  rig.Archive({10});
  rig.Archive({10});
  rig.Advance(absl::Hours(2));
  MergeTally tally;
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  rig.Advance(-absl::Hours(2));
  rig.Archive({10});
  rig.Advance(absl::Hours(2));
  ASSERT_THAT(rig.Merge(&tally), IsOk());
  EXPECT_THAT(LiveSequences(rig.rig().Load()), ElementsAre(3));
  EXPECT_EQ(rig.rig().Load().retired().size(), 4u);
  EXPECT_EQ(rig.Reader().ReadAll(), rig.events());
}

}  // namespace
}  // namespace eventhub::lake
