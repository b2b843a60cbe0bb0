#include "server/core/publish/delayed_table.h"

#include <algorithm>
#include <optional>

#include "google/protobuf/util/time_util.h"
#include "server/core/publish/delayed_record.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// Allows more delayed events than one process can store.
constexpr int kSequenceBits = 40;

}  // namespace

DelayedTable::DelayedTable(const LogStore& store, const Clock& clock, uint64_t generation,
                           DelayedSchedule& schedule)
    : store_(store),
      clock_(clock),
      schedule_(schedule),
      // The start is not 0: another hub that continues with a copy of the store has the same
      // generation.
      next_sequence_(generation << kSequenceBits |
                     (store.runs().current(TopicId(0)) >> (65 - kSequenceBits))) {}

void DelayedTable::Accept(const std::shared_ptr<Topic>& topic,
                          const std::vector<DelayedEvent>& events, CommitBuilder& commit,
                          v1::PublishResult* result) {
  int64_t earliest = events.front().due_micros;
  for (const DelayedEvent& event : events) {
    const DelayedKey key{topic->id(), event.due_micros, next_sequence_++};
    commit.Put(Column::kDelayed, key.Encode(), event.record);
    v1::DelayedPlacement& placement = *result->add_delayed();
    placement.set_event_index(event.index);
    placement.set_delay_id(DelayIdOf(key));
    *placement.mutable_due_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(event.due_micros);
    earliest = std::min(earliest, event.due_micros);
  }
  topic->set_pending_delayed(topic->pending_delayed() + events.size());
  changed_.insert(topic.get());
  commit.AddHook(shared_from_this());
  // This commit may not be done by then; the reader waits for it (BeginReading).
  schedule_.Add(topic, earliest);
}

absl::StatusOr<uint32_t> DelayedTable::Cancel(Topic& topic, const std::vector<std::string>& keys,
                                              CommitBuilder& commit) {
  std::vector<bool> present(keys.size());
  RETURN_IF_ERROR(store_.GetAll(
      Column::kDelayed, keys,
      [&](size_t i, std::optional<absl::string_view> value) { present[i] = value.has_value(); }));
  uint32_t cancelled = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!present[i] || taken_.contains(keys[i])) continue;
    Take(topic, keys[i], commit);
    if (reading_) cancelled_.insert(keys[i]);
    ++cancelled;
  }
  return cancelled;
}

void DelayedTable::BeginReading() {
  cancelled_.clear();
  reading_ = true;
}

void DelayedTable::EndReading() {
  cancelled_.clear();
  reading_ = false;
}

void DelayedTable::Release(Topic& topic, const std::vector<std::string>& keys,
                           CommitBuilder& commit) {
  for (const std::string& key : keys) Take(topic, key, commit);
}

void DelayedTable::Take(Topic& topic, const std::string& key, CommitBuilder& commit) {
  commit.Delete(Column::kDelayed, key);
  taken_.insert(key);
  topic.set_pending_delayed(topic.pending_delayed() - 1);
  changed_.insert(&topic);
  commit.AddHook(shared_from_this());
}

void DelayedTable::BeforeWrite(CommitBuilder& commit) {
  Counts counts;
  for (Topic* const topic : changed_) {
    const uint64_t count = topic->pending_delayed();
    counts.emplace_back(topic, count);
    const std::string key = TopicPrefix(topic->id());
    if (count == 0) {
      commit.Delete(Column::kDelayed, key);
    } else {
      commit.Put(Column::kDelayed, key, EncodeDelayedCount(count));
    }
  }
  changed_.clear();
  taken_.clear();
  MutexLock lock(mutex_);
  written_.push_back(std::move(counts));
}

void DelayedTable::Stage(int64_t number) {
  Counts counts;
  {
    MutexLock lock(mutex_);
    counts = std::move(written_.front());
    written_.pop_front();
  }
  for (const auto& [topic, count] : counts) {
    topic->delayed_events().Stage(static_cast<int64_t>(count), number);
  }
}

}  // namespace eventhub
