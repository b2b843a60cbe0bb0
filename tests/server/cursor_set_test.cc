// The cursors of a subscription: what waits for a commit to be visible or to be written.
#include "server/core/subscription/cursor/cursor_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/server/dispatch_rig.h"
#include "tests/support/fault_env.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CursorSetTest : public testing::Test {
 protected:
  CursorSetTest() : consumer_(rig_.Connect("c")) {}

  CursorState Reported(size_t partition) {
    return cursors_.VisibleStateOf(*cursors_[partition],
                                   [](ConsumerId) { return std::string("c"); });
  }
  void NoteMove(size_t partition, int64_t commit) {
    cursors_.NoteMove(*cursors_[partition], commit, [](ConsumerId) { return std::string("c"); });
    cursors_.Hold(*cursors_[partition], commit);
  }
  // Delivers `count` events of a partition, and acks them on that commit.
  void Settle(size_t partition, uint32_t count, int64_t commit) {
    rig_.Append(partition, count);
    const Offset to = cursors_[partition]->next() + count;
    rig_.Lease(partition, consumer_, count, INT64_MAX);
    cursors_.Record(*cursors_[partition], rig_.Ack(partition, consumer_, to.value(), commit));
  }
  // Takes the changes of one commit; returns the partitions that it changed.
  std::vector<uint32_t> Take(int64_t visible) {
    std::vector<uint32_t> changed;
    const std::optional<CommitChanges::Entry> entry = cursors_.TakeVisible(visible);
    if (!entry.has_value()) return changed;
    cursors_.Complete(
        *entry, [&](PartitionCursor& cursor, Effects&) { changed.push_back(cursor.id().value()); });
    return changed;
  }
  // Ends holds; returns the partitions that were held.
  std::vector<uint32_t> EndHolds(int64_t visible) {
    std::vector<uint32_t> ended;
    const bool any = cursors_.EndHolds(
        visible, [&](PartitionCursor& cursor) { ended.push_back(cursor.id().value()); });
    EXPECT_EQ(any, !ended.empty());
    return ended;
  }

  DispatchRig rig_{[] {
                     DeliveryRules rules;
                     rules.queue = true;
                     return rules;
                   }(),
                   3};
  CursorSet& cursors_ = rig_.cursors;
  Consumer& consumer_;
};

TEST_F(CursorSetTest, ACommitSettlesEventsWhenItIsVisible) {
  Settle(0, 2, /*commit=*/5);
  Settle(2, 1, /*commit=*/5);
  Settle(0, 1, /*commit=*/6);
  EXPECT_EQ(cursors_.last_in_commit(), 6);
  EXPECT_THAT(Take(4), IsEmpty());
  EXPECT_EQ(Reported(0).acked, Offset(0));
  EXPECT_THAT(Take(5), ElementsAre(0, 2));
  EXPECT_EQ(Reported(0).acked, Offset(2));
  EXPECT_EQ(Reported(0).lag, 1);
  EXPECT_THAT(Take(5), IsEmpty());
  EXPECT_THAT(Take(7), ElementsAre(0));
  EXPECT_EQ(Reported(0).acked, Offset(3));
  EXPECT_EQ(cursors_.last_in_commit(), 0);
}

TEST_F(CursorSetTest, AMoveIsReportedWhenItIsVisible) {
  Settle(0, 4, /*commit=*/5);
  Take(5);
  rig_.Append(0, 6);
  NoteMove(0, /*commit=*/8);
  Effects effects;
  cursors_[0]->Seek(rig_.rules, Offset(9), &effects);
  EXPECT_EQ(Reported(0).acked, Offset(4));
  EXPECT_EQ(Reported(0).lag, 6);
  rig_.Append(0, 1);
  EXPECT_EQ(Reported(0).lag, 7) << "new events count before the move is visible, too";
  std::vector<NeededFrom> needed{{PartitionId(0)}, {PartitionId(9)}};
  cursors_.LowerTo(needed);
  EXPECT_EQ(needed[0].first, Offset(4)) << "both positions are needed";
  EXPECT_EQ(needed[1].first, Offset(0)) << "it has no cursor yet";
  EXPECT_THAT(EndHolds(7), IsEmpty());
  EXPECT_THAT(EndHolds(8), ElementsAre(0));
  EXPECT_EQ(Reported(0).acked, Offset(9));
  EXPECT_EQ(Reported(0).lag, 2);
}

TEST_F(CursorSetTest, CommitsBeforeAMoveAreReportedOneAfterTheOther) {
  Settle(0, 2, /*commit=*/5);
  Settle(0, 3, /*commit=*/6);
  NoteMove(0, /*commit=*/7);
  Effects effects;
  cursors_[0]->Seek(rig_.rules, Offset(0), &effects);
  EXPECT_EQ(Reported(0).acked, Offset(0));
  EXPECT_EQ(Reported(0).lag, 5);
  EndHolds(5);
  EXPECT_EQ(Reported(0).acked, Offset(2));
  EXPECT_EQ(Reported(0).lag, 3);
  EndHolds(6);
  EXPECT_EQ(Reported(0).acked, Offset(5));
  EXPECT_EQ(Reported(0).lag, 0);
  EndHolds(7);
  EXPECT_EQ(Reported(0).acked, Offset(0));
  EXPECT_EQ(Reported(0).lag, 5);
}

TEST_F(CursorSetTest, AMoveOfSeveralCommitsIsReportedAsOne) {
  Settle(0, 3, /*commit=*/5);
  Take(5);
  NoteMove(0, /*commit=*/6);
  cursors_.SetEndOfMove(*cursors_[0], CursorSet::kLaterCommit);
  Effects effects;
  cursors_[0]->Seek(rig_.rules, Offset(0), &effects);
  EXPECT_THAT(EndHolds(7), IsEmpty());
  EXPECT_EQ(Reported(0).acked, Offset(3));
  cursors_.SetEndOfMove(*cursors_[0], 8);
  EXPECT_THAT(EndHolds(7), IsEmpty());
  EXPECT_EQ(Reported(0).acked, Offset(3));
  EXPECT_THAT(EndHolds(8), ElementsAre(0));
  EXPECT_EQ(Reported(0).acked, Offset(0));
}

TEST_F(CursorSetTest, AHoldLastsUntilTheLatestOfItsCommits) {
  cursors_.Hold(*cursors_[1], 4);
  cursors_.Hold(*cursors_[2], 5);
  cursors_.Hold(*cursors_[1], 6);
  EXPECT_THAT(EndHolds(5), ElementsAre(2));
  EXPECT_EQ(cursors_[1]->held_until, 6);
  EXPECT_THAT(EndHolds(6), ElementsAre(1));
  EXPECT_EQ(cursors_[1]->held_until, 0);
}

TEST_F(CursorSetTest, DirtyCursorsAreWrittenOnceAndLoaded) {
  FaultEnv disk(FaultEnv::Medium::kMemory);
  LogStoreOptions options;
  options.directory = disk.directory() + "/hub";
  options.env = disk.env();
  const std::unique_ptr<LogStore> store = LogStore::Open(options).value();
  Settle(1, 2, /*commit=*/1);
  cursors_.MarkDirty(*cursors_[1]);
  cursors_.MarkDirty(*cursors_[1]);
  EXPECT_TRUE(cursors_.any_dirty());
  CommitBuilder commit(*store, absl::UnixEpoch(), 0);
  cursors_.Write(commit);
  EXPECT_FALSE(cursors_.any_dirty());
  ASSERT_THAT(commit.Write(*store), IsOk());
  const auto stored =
      store->Get(Column::kCursors, CursorKey(SubscriptionId(1), PartitionId(1))).value();
  stored::Cursor cursor;
  ASSERT_TRUE(cursor.ParseFromString(stored.value()));

  DispatchRig again(rig_.rules, 2);
  EXPECT_TRUE(again.cursors.Load(PartitionId(1), cursor));
  EXPECT_EQ(again.cursors[1]->next(), Offset(2));
  EXPECT_FALSE(again.cursors.Load(PartitionId(2), cursor)) << "there is no such partition";
  cursor.set_next_offset(-1);
  EXPECT_FALSE(again.cursors.Load(PartitionId(1), cursor));
  EXPECT_FALSE(again.cursors.Load(PartitionId(2), Offset(0), stored::Range()));
}

}  // namespace
}  // namespace eventhub
