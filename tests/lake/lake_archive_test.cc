// The hub's side of a lake: what it archives is merged in the background.
#include "server/lake/archive/lake_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "server/lake/read/verify.h"
#include "server/lake/store/directory_store.h"
#include "tests/lake/blocking_store.h"
#include "tests/lake/lake_events.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LakeArchiveTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  static LakeArchiveOptions Options() {
    LakeArchiveOptions options{.hub = "hub-1", .description = "test"};
    options.merger.emplace();
    options.merger->first_look = absl::ZeroDuration();
    options.merger->bytes_per_second = 0;
    options.merger->look_interval = absl::Milliseconds(1);
    return options;
  }

  void Open() {
    archive_.reset();
    auto archive = LakeArchive::Open(directory_.path() + "/lake", Options(), clock_);
    ASSERT_THAT(archive, IsOk());
    archive_ = *std::move(archive);
  }

  // Archives events of one partition, as the hub does.
  void Archive(int events) {
    const auto sequence = archive_->NextSequence(topic_);
    ASSERT_THAT(sequence, IsOk());
    stored::ArchiveObject object;
    object.set_sequence(*sequence);
    object.set_hour(lake::HourOf(clock_.Now()));
    stored::ArchiveRange& range = *object.add_ranges();
    range.set_from(next_);
    range.set_to(next_ + events);
    const auto out = archive_->Begin(topic_, object);
    ASSERT_THAT(out, IsOk());
    for (int i = 0; i < events; ++i) {
      ASSERT_THAT((*out)->Add(PartitionId(0), Offset(next_), clock_.Now(),
                              lake::PlainEvent(next_).SerializeAsString()),
                  IsOk());
      ++next_;
    }
    const auto entry = (*out)->Finish();
    ASSERT_THAT(entry, IsOk());
    object.set_entry(*entry);
    object.set_events(static_cast<uint64_t>(events));
    ASSERT_THAT(archive_->List(topic_, object), IsOk());
    ASSERT_THAT(archive_->List(topic_, object), IsOk());  // As after a crash.
  }

  bool Merged(uint64_t objects) {
    return Eventually([&] { return archive_->Upkeep().merged_objects == objects; });
  }

  lake::LakeTopic Topic() const {
    return {.identity = {.hub = "hub-1", .id = 7}, .name = "orders", .directory = "topic=orders"};
  }

  std::unique_ptr<lake::ObjectStore> Store() const {
    return *lake::DirectoryStore::Open(directory_.path() + "/lake",
                                       lake::DirectoryStore::Mode::kRead);
  }

  TempDirectory directory_;
  FakeClock clock_{lake::HourStart(490'000)};
  const ArchivedTopic topic_{"orders", TopicId(7)};
  std::unique_ptr<LakeArchive> archive_;
  int64_t next_ = 0;
};

TEST_F(LakeArchiveTest, MergesWhileItArchives) {
  for (int hour = 0; hour < 3; ++hour) {
    for (int i = 0; i < 4; ++i) {
      Archive(10);
      clock_.Advance(absl::Minutes(15));
    }
  }
  ASSERT_TRUE(Merged(8));
  clock_.Advance(absl::Minutes(15));
  Archive(10);
  ASSERT_TRUE(Merged(12));
  EXPECT_EQ(*archive_->NextSequence(topic_), 14u);
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(Eventually([&] { return archive_->Upkeep().deleted_objects == 12; }));
  archive_.reset();
  lake::VerifyReport report;
  ASSERT_THAT(lake::VerifyTopic(*Store(), Topic(), {}, &report), IsOk());
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.objects, 4u);
  EXPECT_EQ(report.events, 130u);
  EXPECT_EQ(report.orphan_count, 0u);
}

TEST_F(LakeArchiveTest, MergesWhatAnEarlierProcessLeft) {
  for (int i = 0; i < 3; ++i) Archive(5);
  Open();
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(Merged(3));
  // A topic that is deleted stays in the lake, and so does the need to merge.
  Archive(5);
  Archive(5);
  ASSERT_THAT(archive_->KeepOnly({}, TopicId(7)), IsOk());
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(Merged(5));
}

TEST_F(LakeArchiveTest, ReportsWhatCannotBeMerged) {
  Archive(5);
  Archive(5);
  const lake::ObjectPage page = *Store()->List("topic=orders/date", "", 10);
  ASSERT_EQ(page.objects.size(), 2u);
  const std::string name = page.objects[1].name;
  std::filesystem::resize_file(directory_.path() + "/lake/" + name, 100);
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(Eventually([&] { return !archive_->Upkeep().findings.empty(); }));
  EXPECT_THAT(archive_->Upkeep().findings,
              ElementsAre(testing::AllOf(HasSubstr("topic orders"), HasSubstr(name))));
  EXPECT_EQ(archive_->Upkeep().merged_objects, 0u);
}

TEST_F(LakeArchiveTest, AFencedHubMergesNothing) {
  Archive(5);
  Archive(5);
  auto other =
      LakeArchive::Open(directory_.path() + "/lake",
                        {.hub = "hub-2", .description = "other", .takeover = true}, clock_);
  ASSERT_THAT(other, IsOk());
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(Eventually([&] { return !archive_->Upkeep().findings.empty(); }));
  EXPECT_THAT(archive_->Upkeep().findings, ElementsAre(HasSubstr("taken over by hub hub-2")));
}

TEST_F(LakeArchiveTest, DoesNotWaitForAMergeThatIsBlockedBeforeItIsDestroyed) {
  Archive(5);
  Archive(5);
  archive_.reset();
  auto blocking = std::make_unique<lake::BlockingStore>(*lake::DirectoryStore::Open(
      directory_.path() + "/lake", lake::DirectoryStore::Mode::kCreate));
  lake::BlockingStore& store = *blocking;
  store.Block("/hour=");
  archive_ = std::make_unique<LakeArchive>(std::move(blocking), Options(), clock_);
  ASSERT_THAT(archive_->Claim(), IsOk());
  archive_->StartMerging();
  clock_.Advance(absl::Hours(2));
  store.AwaitBlocked();
  archive_->Interrupt();
  store.Release();
  archive_.reset();

  // The next process merges them.
  Open();
  ASSERT_TRUE(Merged(2));
}

}  // namespace
}  // namespace eventhub
