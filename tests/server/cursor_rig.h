// A cursor on a log that a test can grow and trim, with a store to write to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "server/core/subscription/cursor/partition_cursor.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "storage/partition_log.h"
#include "tests/support/fault_env.h"
#include "tests/support/status_matchers.h"

namespace eventhub {

class CursorRig {
 public:
  static constexpr SubscriptionId kSubscription{3};
  static constexpr uint32_t kEventBytes = 10;

  CursorRig() {
    LogStoreOptions options;
    options.directory = disk_.directory() + "/hub";
    options.env = disk_.env();
    store_ = LogStore::Open(options).value();
    cursor = std::make_unique<PartitionCursor>(log, Offset(0));
  }

  // Makes `count` more events visible.
  void Grow(uint32_t count) {
    RecordBatch batch;
    batch.base = log.end();
    batch.header.count = count;
    log.Stage(batch, 0);
    log.MakeVisible(batch);
  }
  void Trim(int64_t start) { log.SetStart({Offset(start), 0}); }

  // Delivers the next `count` events, or all if there are fewer.
  void Deliver(const DeliveryRules& rules, ConsumerId consumer, uint32_t count, int64_t due,
               bool extra = false) {
    while (count > 0) {
      const std::optional<Candidate> next = cursor->Next(rules, extra ? Flow::kExtra : Flow::kLive);
      if (!next.has_value()) return;
      const auto piece = static_cast<uint32_t>(std::min<int64_t>(count, next->end - next->start));
      cursor->Lease(*next, next->start, piece, kEventBytes, consumer, due);
      count -= piece;
    }
  }

  // Runs the sweeps to their end, `ranges` at a time; returns the number of steps.
  int Sweep(const DeliveryRules& rules, size_t ranges, Effects* effects) {
    int pieces = 0;
    for (; cursor->sweeping(); ++pieces) {
      size_t left = ranges;
      cursor->ContinueSweep(rules, &left, effects);
    }
    return pieces;
  }

  // Makes the commit of the operations visible.
  void Complete(Effects* effects) {
    for (const CommitChange& change : std::exchange(effects->in_commit, {})) {
      cursor->Complete(change, effects);
    }
  }

  // Writes the cursor as a commit does.
  void Write(int64_t wall_offset) {
    CommitBuilder commit(*store_, absl::UnixEpoch(), 0);
    cursor->Flush(kSubscription, wall_offset, commit);
    EXPECT_FALSE(cursor->dirty());
    if (!commit.empty()) {
      EXPECT_THAT(commit.Write(*store_), IsOk());
    }
  }

  // The same; returns the number of records in the store that changed.
  size_t WriteAndCount() {
    const Records before = Stored();
    Write(0);
    const Records after = Stored();
    Records changed;
    std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                  std::inserter(changed, changed.end()));
    std::set<std::string> keys;
    for (const auto& [key, value] : changed) keys.insert(key);
    return keys.size();
  }

  // Writes the cursor, discards it, and loads it again; times as for PartitionCursor::Flush and
  // Load.
  void Reopen(int64_t wall_offset_before, int64_t wall_offset_after, int64_t now) {
    Write(wall_offset_before);
    cursor = Load(wall_offset_after, now);
  }

  // A cursor as a restart would load it.
  std::unique_ptr<PartitionCursor> Load(int64_t wall_offset, int64_t now) {
    auto cursor = std::make_unique<PartitionCursor>(log, Offset(0));
    const auto record = store_->Get(Column::kCursors, CursorKey(kSubscription, log.id())).value();
    stored::Cursor stored;
    if (record.has_value()) {
      EXPECT_TRUE(stored.ParseFromString(*record));
      cursor->Load(stored);
    }
    EXPECT_THAT(store_->Scan(Column::kCursors, PendingPrefix(kSubscription, log.id()),
                             [&](absl::string_view key, absl::string_view value) {
                               stored::Range range;
                               EXPECT_TRUE(range.ParseFromString(std::string(value)));
                               EXPECT_TRUE(cursor->Load(ParseCursorsKey(key)->offset, range,
                                                        wall_offset, now));
                               return true;
                             }),
                IsOk());
    EXPECT_FALSE(cursor->dirty());
    return cursor;
  }

 private:
  using Records = std::set<std::pair<std::string, std::string>>;

  Records Stored() {
    Records records;
    EXPECT_THAT(store_->Scan(Column::kCursors, "",
                             [&](absl::string_view key, absl::string_view value) {
                               records.emplace(key, value);
                               return true;
                             }),
                IsOk());
    return records;
  }

  FaultEnv disk_{FaultEnv::Medium::kMemory};
  std::unique_ptr<LogStore> store_;
  Watermark topic_mark_;
  VisibleCommits commits_;

 public:
  PartitionLog log{TopicId(1), PartitionId(2), LogBounds(), topic_mark_, commits_};
  std::unique_ptr<PartitionCursor> cursor;
};

}  // namespace eventhub
