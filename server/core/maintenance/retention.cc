#include "server/core/maintenance/retention.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/core/base/errors.h"
#include "server/core/maintenance/trim_task.h"
#include "server/core/transaction/transaction.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// The work of one commit: at most this many partitions, producers or records.
constexpr size_t kPartitionsPerCommit = 256;
constexpr size_t kProducersPerCommit = 64;
constexpr size_t kRecordsPerCommit = 256;

// Up to this many batches are deleted one by one, because a range delete slows down later reads.
constexpr size_t kFewBatches = 16;

absl::Status Cancelled() { return absl::CancelledError("retention is cancelled"); }

// Writes changed marks. If a power loss undoes it, a later pass repeats it.
class NoteAgesTask final : public TopicChange {
 public:
  NoteAgesTask(std::shared_ptr<Topic> topic, std::vector<AgeMarks::Change> changes, StatusDone done)
      : topic_(std::move(topic)), changes_(std::move(changes)), done_(std::move(done)) {}

  void Prepare(CommitBuilder& commit) override {
    if (topic_->closing()) return;  // The marks would outlive the topic.
    for (const auto& [log, marks] : changes_) {
      const std::string key = AgeMarksKey(log->topic(), log->id());
      if (marks.empty()) {
        commit.Delete(Column::kMeta, key);
      } else {
        commit.Put(Column::kMeta, key, EncodeAgeMarks(marks));
      }
    }
  }
  void Done(const absl::Status& status) override { std::move(done_)(OutcomeOf({}, status)); }
  bool synced() const override { return false; }

 private:
  const std::shared_ptr<Topic> topic_;
  const std::vector<AgeMarks::Change> changes_;
  StatusDone done_;
};

}  // namespace

Retention::Retention(const RetentionOptions& options, const TopicCatalog& catalog,
                     const Subscriptions& subscriptions, LogStore& store, LogWriter& writer,
                     const Clock& clock, absl::AnyInvocable<void(TopicId)> on_garbage)
    : options_(options),
      catalog_(catalog),
      subscriptions_(subscriptions),
      planner_(subscriptions, store, marks_, options.archive_lag),
      store_(store),
      writer_(writer),
      clock_(clock),
      on_garbage_(std::move(on_garbage)) {}

absl::Status Retention::TrimTopics(const Cancellation& cancellation) {
  if (!marks_loaded_) RETURN_IF_ERROR(marks_.Load(store_));
  marks_loaded_ = true;
  // All topics are trimmed for the same time, however long the pass takes.
  now_ = clock_.DeletionTime();
  marks_.KeepOnly(catalog_);
  return ForEachTopic(cancellation, [this](const std::shared_ptr<Topic>& topic) {
    absl::Status status = TrimTopic(topic);
    if (!absl::IsNotFound(status)) return status;
    // The topic was deleted or emptied during planning. This is visible after the next commit. An
    // emptied topic is planned again, with its new settings.
    RETURN_IF_ERROR(Commit([&](StatusDone done) {
      return std::make_unique<TrimTask>(subscriptions_.catalog(), topic, TrimPlan(),
                                        std::move(done));
    }));
    return topic->deleted() ? absl::OkStatus() : TrimTopic(topic);
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
  // A topic that keeps nothing needs no trim: each commit moves its start.
  if (topic->view()->settings->retention().none()) return absl::OkStatus();
  RETURN_IF_ERROR(NoteAges(topic));
  ASSIGN_OR_RETURN(const TrimPlan plan, planner_.Plan(*topic, now_));
  return Trim(topic, plan);
}

absl::Status Retention::NoteAges(const std::shared_ptr<Topic>& topic) {
  if (now_ == absl::InfinitePast()) return absl::OkStatus();  // Nothing expires by age.
  const std::vector<AgeMarks::Change> changes = marks_.Due(*topic->view(), now_);
  for (size_t first = 0; first < changes.size(); first += kPartitionsPerCommit) {
    const size_t last = std::min(changes.size(), first + kPartitionsPerCommit);
    const std::vector<AgeMarks::Change> piece(changes.begin() + first, changes.begin() + last);
    RETURN_IF_ERROR(Commit([&](StatusDone done) {
      return std::make_unique<NoteAgesTask>(topic, piece, std::move(done));
    }));
    for (const AgeMarks::Change& change : piece) marks_.Apply(change);
  }
  return absl::OkStatus();
}

absl::Status Retention::Commit(absl::FunctionRef<std::unique_ptr<CommitTask>(StatusDone)> make) {
  return AwaitOutcome([&](StatusDone done) { writer_.Submit(make(std::move(done))); });
}

absl::Status Retention::Trim(const std::shared_ptr<Topic>& topic, const TrimPlan& plan) {
  const auto begun = [&plan] {
    uint64_t bytes = 0;
    for (const TrimPlan::Cut& cut : plan.cuts) bytes += cut.log->start_bytes();
    return bytes;
  };
  const uint64_t before = begun();
  for (size_t first = 0; first < plan.cuts.size(); first += kPartitionsPerCommit) {
    const size_t last = std::min(plan.cuts.size(), first + kPartitionsPerCommit);
    TrimPlan piece{plan.settings, {}};
    for (size_t i = first; i < last; ++i) {
      TrimPlan::Cut& cut = piece.cuts.emplace_back(plan.cuts[i]);
      const PartitionLog& log = *cut.log;
      ASSIGN_OR_RETURN(cut.batches, store_.FindBatchBases(log.topic(), log.id(), log.start(),
                                                          cut.start.offset, kFewBatches));
    }
    RETURN_IF_ERROR(Commit([&](StatusDone done) {
      return std::make_unique<TrimTask>(subscriptions_.catalog(), topic, std::move(piece),
                                        std::move(done));
    }));
  }
  uint64_t& trimmed = trimmed_bytes_[topic->id()];
  trimmed += begun() - before;
  if (trimmed < options_.reclaim_bytes) return absl::OkStatus();
  trimmed = 0;
  on_garbage_(topic->id());
  return absl::OkStatus();
}

namespace {

// Collects, from the records of a topic's producers in key order, the producers that were inactive
// since a given time, up to the work of one commit.
class IdleProducers {
 public:
  explicit IdleProducers(absl::Time since) : since_(since) {}

  // Takes the next record; returns false if the commit is full without it.
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

  // Concludes the last producer.
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
  std::string producer_;  // The producer of the current records; its name is never empty.
  absl::Time last_active_ = absl::InfinitePast();
  size_t records_of_producer_ = 0;
  std::vector<std::string> idle_;
  size_t records_ = 0;  // Records of `idle_`.
};

// Removes transactions. They are long past, so no check is needed at the commit; if a power loss
// undoes it, a later pass repeats it.
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
    RETURN_IF_ERROR(Commit([&](StatusDone done) {
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
    RETURN_IF_ERROR(Commit([&](StatusDone done) {
      return std::make_unique<ForgetTransactionsTask>(std::move(old), std::move(done));
    }));
  }
  return absl::OkStatus();
}

}  // namespace eventhub
