#include "server/core/retention.h"

#include <algorithm>
#include <future>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "server/core/topic_settings.h"
#include "server/core/transaction.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// The work of one commit: so many partitions are cut, or producers looked at, or as many records.
constexpr size_t kPartitionsPerCommit = 256;
constexpr size_t kProducersPerCommit = 64;
constexpr size_t kRecordsPerCommit = 256;

// Up to so many batches are deleted one by one: range deletes are paid for by later reads.
constexpr size_t kFewBatches = 16;

absl::Status Cancelled() { return absl::CancelledError("retention is cancelled"); }

}  // namespace

Retention::Retention(const RetentionOptions& options, const TopicCatalog& catalog,
                     const Subscriptions& subscriptions, LogStore& store, LogWriter& writer,
                     const Clock& clock, absl::AnyInvocable<void(TopicId)> on_garbage)
    : options_(options),
      catalog_(catalog),
      subscriptions_(subscriptions),
      store_(store),
      writer_(writer),
      clock_(clock),
      on_garbage_(std::move(on_garbage)) {}

absl::Status Retention::TrimTopics(const Cancellation& cancellation) {
  // All topics are trimmed for the same time, however long the pass takes.
  now_ = clock_.DeletionTime();
  return ForEachTopic(cancellation, [this](const std::shared_ptr<Topic>& topic) {
    absl::Status status = TrimTopic(topic);
    if (!absl::IsNotFound(status)) return status;
    // Of a topic that is being deleted, which is known for sure once another commit has passed.
    RETURN_IF_ERROR(Await([&](StatusDone done) {
      return std::make_unique<TrimTask>(topic, TrimTask::Cuts(), std::move(done));
    }));
    return topic->deleted() ? absl::OkStatus() : status;
  });
}

absl::Status Retention::ExpireProducers(const Cancellation& cancellation) {
  return ForEachTopic(cancellation, [&](const std::shared_ptr<Topic>& topic) {
    return ExpireProducersOf(topic, cancellation);
  });
}

absl::Status Retention::ForEachTopic(
    const Cancellation& cancellation,
    absl::FunctionRef<absl::Status(const std::shared_ptr<Topic>&)> visit) {
  absl::Status first;
  constexpr size_t kPage = 100;
  std::string after;
  for (;;) {
    const std::vector<std::shared_ptr<Topic>> topics = catalog_.List(after, kPage);
    for (const std::shared_ptr<Topic>& topic : topics) {
      if (cancellation.cancelled()) return Cancelled();
      first.Update(visit(topic));
    }
    if (topics.size() < kPage) return first;
    after = topics.back()->name();
  }
}

absl::Status Retention::TrimTopic(const std::shared_ptr<Topic>& topic) {
  const std::shared_ptr<const TopicView> view = topic->view();
  ASSIGN_OR_RETURN(const absl::Time cut, CutOf(*view));
  Cuts cuts;
  for (PartitionLog* log : view->partitions) {
    if (cut == absl::InfinitePast()) break;
    if (log->start() == log->end()) continue;
    ASSIGN_OR_RETURN(const LogPosition start, PositionAt(*log, cut));
    if (start.offset > log->start()) cuts.emplace_back(log, start);
  }
  if (cuts.empty()) {
    topic->SetHeldBack({});
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(WaitForSubscriptions(*topic, cut, &cuts));
  if (cuts.empty()) return absl::OkStatus();
  return Trim(topic, cuts);
}

absl::StatusOr<absl::Time> Retention::CutOf(const TopicView& view) const {
  const absl::Duration max_age = MaxAgeOf(*view.settings);
  const absl::Time by_age =
      max_age == absl::InfiniteDuration() ? absl::InfinitePast() : now_ - max_age;
  const v1::Retention& retention = view.settings->retention();
  if (retention.max_bytes() == 0 || retention.refuse_when_full()) return by_age;
  return CutBySize(view, by_age);
}

// The earliest time, not before `low` and not after `high`, that fits; `high` does. Microseconds,
// as in the store.
absl::StatusOr<absl::Time> FindCut(int64_t low, int64_t high,
                                   absl::FunctionRef<absl::StatusOr<bool>(absl::Time)> fits) {
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    ASSIGN_OR_RETURN(const bool middle_fits, fits(absl::FromUnixMicros(middle)));
    if (middle_fits) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return absl::FromUnixMicros(low);
}

absl::StatusOr<absl::Time> Retention::CutBySize(const TopicView& view, absl::Time at_least) const {
  const uint64_t limit = view.settings->retention().max_bytes();
  const auto fits = [&](absl::Time cut) -> absl::StatusOr<bool> {
    uint64_t bytes = 0;
    for (const PartitionLog* log : view.partitions) {
      if (log->start() == log->end()) continue;
      const uint64_t end_bytes = log->end_bytes();
      ASSIGN_OR_RETURN(const LogPosition start, PositionAt(*log, cut));
      bytes += end_bytes - std::min(end_bytes, start.bytes_before);
    }
    return bytes <= limit;
  };
  ASSIGN_OR_RETURN(const bool all_fits, fits(at_least));
  if (all_fits) return at_least;
  // The cut that empties the topic is one past the last append.
  int64_t high = 0;
  for (const PartitionLog* log : view.partitions) {
    high = std::max(high, absl::ToUnixMicros(log->last_append_time()));
  }
  return FindCut(std::max<int64_t>(0, absl::ToUnixMicros(at_least)), high + 1, fits);
}

absl::Status Retention::WaitForSubscriptions(Topic& topic, absl::Time cut, Cuts* cuts) const {
  const v1::Retention& retention = topic.view()->settings->retention();
  ASSIGN_OR_RETURN(const SubscriptionCatalog::Subscriptions holders,
                   subscriptions_.LetterHolders(topic));
  if (!retention.keep_until_acked() && holders.empty()) {
    topic.SetHeldBack({});
    return absl::OkStatus();
  }
  Cuts waiting;
  for (const auto& [log, start] : *cuts) {
    ASSIGN_OR_RETURN(std::optional<Offset> needed,
                     subscriptions_.FirstLetterOf(holders, topic, log->id()));
    if (retention.keep_until_acked()) {
      const std::optional<Offset> settled = subscriptions_.SettledBefore(topic, log->id());
      if (settled.has_value() && (!needed.has_value() || *settled < *needed)) needed = settled;
    }
    LogPosition position = start;
    if (needed.has_value() && *needed < start.offset) {
      const Offset first = std::max(*needed, log->start());
      ASSIGN_OR_RETURN(const BatchInfo batch, store_.FindBatch(log->topic(), log->id(), first));
      position = {batch.base, batch.header.bytes_before};
    }
    waiting.emplace_back(log, position);
  }
  // What waits for nothing else is bounded.
  const uint64_t limit = retention.keep_until_acked_max_bytes();
  absl::Time oldest = absl::UnixEpoch();
  if (limit > 0) {
    const auto fits = [&](absl::Time time) -> absl::StatusOr<bool> {
      uint64_t bytes = 0;
      for (size_t i = 0; i < cuts->size(); ++i) {
        ASSIGN_OR_RETURN(const LogPosition position, PositionAt(*(*cuts)[i].first, time));
        const uint64_t from = std::max(waiting[i].second.bytes_before, position.bytes_before);
        const uint64_t to = (*cuts)[i].second.bytes_before;
        if (from < to) bytes += to - from;
      }
      return bytes <= limit;
    };
    ASSIGN_OR_RETURN(oldest, FindCut(0, absl::ToUnixMicros(cut), fits));
  }
  Cuts kept;
  for (const auto& [log, start] : waiting) {
    ASSIGN_OR_RETURN(LogPosition position, PositionAt(*log, oldest));
    if (position.offset < start.offset) position = start;
    kept.emplace_back(log, position);
  }
  RETURN_IF_ERROR(NoteHeldBack(topic, *cuts, kept));
  cuts->clear();
  for (const auto& [log, position] : kept) {
    if (position.offset > log->start()) cuts->emplace_back(log, position);
  }
  return absl::OkStatus();
}

absl::Status Retention::NoteHeldBack(Topic& topic, const Cuts& cuts, const Cuts& kept) const {
  Topic::HeldBack held_back;
  for (size_t i = 0; i < cuts.size(); ++i) {
    held_back.bytes += cuts[i].second.bytes_before - kept[i].second.bytes_before;
  }
  if (held_back.bytes > 0) {
    std::vector<std::pair<PartitionId, Offset>> ends;
    for (const auto& [log, start] : cuts) ends.emplace_back(log->id(), start.offset);
    ASSIGN_OR_RETURN(const std::string holders, subscriptions_.WhoHolds(topic, ends));
    held_back.why =
        absl::StrCat("retention keeps ", held_back.bytes, " bytes beyond its limits, ", holders);
  }
  topic.SetHeldBack(std::move(held_back));
  return absl::OkStatus();
}

absl::StatusOr<LogPosition> Retention::PositionAt(const PartitionLog& log, absl::Time cut) const {
  LogBounds range;
  range.start = log.start();
  range.start_bytes = log.start_bytes();
  range.end_bytes =
      log.end_bytes();  // Before the end: a later pass finds what this one is short of.
  range.end = log.end();
  return store_.SeekTime(log.topic(), log.id(), range, cut);
}

absl::Status Retention::Await(absl::FunctionRef<std::unique_ptr<CommitTask>(StatusDone)> make) {
  std::promise<absl::Status> outcome;
  writer_.Submit(make([&outcome](absl::Status status) { outcome.set_value(std::move(status)); }));
  return outcome.get_future().get();
}

absl::Status Retention::Trim(const std::shared_ptr<Topic>& topic, const Cuts& cuts) {
  uint64_t bytes = 0;
  for (size_t first = 0; first < cuts.size(); first += kPartitionsPerCommit) {
    const size_t last = std::min(cuts.size(), first + kPartitionsPerCommit);
    TrimTask::Cuts piece;
    for (size_t i = first; i < last; ++i) {
      const auto& [log, start] = cuts[i];
      bytes += start.bytes_before - log->start_bytes();
      ASSIGN_OR_RETURN(
          std::vector<Offset> batches,
          store_.FewBatches(log->topic(), log->id(), log->start(), start.offset, kFewBatches));
      piece.push_back({log, start, std::move(batches)});
    }
    RETURN_IF_ERROR(Await([&](StatusDone done) {
      return std::make_unique<TrimTask>(topic, std::move(piece), std::move(done));
    }));
  }
  uint64_t& trimmed = trimmed_bytes_[topic->id()];
  trimmed += bytes;
  if (trimmed < options_.reclaim_bytes) return absl::OkStatus();
  trimmed = 0;
  on_garbage_(topic->id());
  return absl::OkStatus();
}

namespace {

// Gathers, from the records of a topic's producers in the order of their keys, those producers that
// were not active since a time, as far as one commit forgets them.
class IdleProducers {
 public:
  explicit IdleProducers(absl::Time since) : since_(since) {}

  // Takes the next record; false if it is not taken, because there are enough without it.
  bool Take(absl::string_view producer, absl::Time time) {
    if (producer != producer_) {
      Finish();
      if (idle_.size() >= kProducersPerCommit || records_ >= kRecordsPerCommit) return false;
      producer_ = std::string(producer);
    }
    last_active_ = std::max(last_active_, time);
    ++records_of_producer_;
    return true;
  }

  // No more of the last producer is to come.
  void Finish() {
    if (!producer_.empty() && last_active_ < since_) {
      idle_.push_back(std::exchange(producer_, {}));
      records_ += records_of_producer_;
    }
    producer_.clear();
    last_active_ = absl::InfinitePast();
    records_of_producer_ = 0;
  }

  std::vector<std::string>& idle() { return idle_; }

 private:
  const absl::Time since_;
  std::string producer_;  // Whose records come; its name is never empty.
  absl::Time last_active_ = absl::InfinitePast();
  size_t records_of_producer_ = 0;
  std::vector<std::string> idle_;
  size_t records_ = 0;  // Of those.
};

// Forgets transactions. What is forgotten is long past, so no check is needed at the commit; what a
// power loss undoes is done again.
class ForgetTransactionsTask final : public TopicChange {
 public:
  ForgetTransactionsTask(std::vector<std::string> keys, StatusDone done)
      : keys_(std::move(keys)), done_(std::move(done)) {}

  void Prepare(CommitBuilder& commit) override {
    for (const std::string& key : keys_) commit.Delete(Column::kProducers, key);
  }
  void Done(const absl::Status& status) override { std::move(done_)(status); }
  bool synced() const override { return false; }

 private:
  const std::vector<std::string> keys_;
  StatusDone done_;
};

}  // namespace

absl::Status Retention::ExpireProducersOf(const std::shared_ptr<Topic>& topic,
                                          const Cancellation& cancellation) {
  const absl::Time since = clock_.DeletionTime() - options_.producer_expiry;
  const std::string prefix = TopicPrefix(topic->id());
  std::string from = prefix;
  for (bool more = true; more;) {
    if (cancellation.cancelled()) return Cancelled();
    more = false;
    IdleProducers producers(since);
    absl::Status damage;
    RETURN_IF_ERROR(store_.ScanFrom(
        Column::kProducers, prefix, from, [&](absl::string_view key, absl::string_view value) {
          const absl::StatusOr<absl::Time> time = ProducerTable::TimeOfRecord(value);
          damage = time.status();
          if (!damage.ok()) return false;
          more = !producers.Take(ProducerNameOf(key), *time);
          if (more) from = std::string(key);
          return !more && !cancellation.cancelled();
        }));
    RETURN_IF_ERROR(damage);
    if (!more) producers.Finish();
    if (producers.idle().empty()) continue;
    RETURN_IF_ERROR(Await([&](StatusDone done) {
      return std::make_unique<ExpireProducersTask>(topic, std::move(producers.idle()), since,
                                                   std::move(done));
    }));
  }
  return absl::OkStatus();
}

absl::Status Retention::ExpireTransactions(const Cancellation& cancellation) {
  const absl::Time since = clock_.DeletionTime() - options_.producer_expiry;
  std::string from = TransactionPrefix();
  for (bool more = true; more;) {
    if (cancellation.cancelled()) return Cancelled();
    more = false;
    std::vector<std::string> old;
    absl::Status damage;
    RETURN_IF_ERROR(store_.ScanFrom(Column::kProducers, TransactionPrefix(), from,
                                    [&](absl::string_view key, absl::string_view value) {
                                      const absl::StatusOr<absl::Time> time =
                                          TransactionTable::TimeOfRecord(value);
                                      damage = time.status();
                                      if (!damage.ok()) return false;
                                      more = old.size() == kRecordsPerCommit;
                                      if (more) from = std::string(key);
                                      if (!more && *time < since) old.emplace_back(key);
                                      return !more && !cancellation.cancelled();
                                    }));
    RETURN_IF_ERROR(damage);
    if (old.empty()) continue;
    RETURN_IF_ERROR(Await([&](StatusDone done) {
      return std::make_unique<ForgetTransactionsTask>(std::move(old), std::move(done));
    }));
  }
  return absl::OkStatus();
}

}  // namespace eventhub
