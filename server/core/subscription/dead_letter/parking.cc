#include "server/core/subscription/dead_letter/parking.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/wire/event_rules.h"
#include "server/core/base/caller.h"
#include "server/core/base/errors.h"
#include "server/core/base/memory_meter.h"
#include "server/core/event/event_head.h"
#include "server/core/event/event_slice.h"
#include "server/core/publish/topic_append.h"
#include "server/core/read/topic_history.h"
#include "server/core/subscription/dead_letter/dead_letter.h"
#include "server/core/subscription/dead_letter/fault_records.h"
#include "server/core/subscription/dead_letter/place_reader.h"
#include "server/core/subscription/dispatch/history_reads.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// The limits for the events of one commit; the first includes copies by routes.
constexpr size_t kMaxTaskBytes = size_t{1} << 20;
// The number of dead letters that one commit adds: each costs the commit thread a lookup.
constexpr size_t kMaxTaskLetters = 256;

// Separates why an event was given up from why it is not a dead letter yet.
constexpr char kNotYet[] = " (not a dead letter: ";

// Why the event was given up, without the reason for which parking it failed.
std::string OwnReason(const std::string& reason) { return reason.substr(0, reason.find(kNotYet)); }

// The failures of each event of the range, one at least. An event that was redriven to some
// pipelines, and of which nothing was reported, failed in all of them.
FaultDetails DetailsOf(const Parked& range) {
  if (range.faults != nullptr) return range.faults;
  auto details = std::make_shared<std::vector<v1::FaultDetail>>();
  if (range.pipelines == nullptr) {
    details->emplace_back();
  } else {
    for (const std::string& pipeline : *range.pipelines) {
      details->emplace_back().set_pipeline(pipeline);
    }
  }
  return details;
}

// One dead letter of an event: there is one for each of its failures.
struct ParkedEvent {
  PartitionId partition;
  Offset offset;
  uint32_t attempts;
  std::string reason;
  FaultDetails details;  // `detail` is one of these.
  size_t detail = 0;
  absl::Status unreadable;
  DeadLetterCopy letter;
  bool keyed = false;
  uint64_t key_hash = 0;

  bool is_last() const { return detail + 1 == details->size(); }
};

// The commit that parks some events. An event with many large letters may take several commits, and
// is settled by the last one: if the hub stops before that, it is delivered again, and where it
// fails again, it replaces its letter.
class ParkTask final : public CommitTask {
 public:
  ParkTask(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
           std::vector<ParkedEvent> events, size_t bytes, ParkingDone done)
      : context_(context),
        subscription_(std::move(subscription)),
        events_(std::move(events)),
        bytes_(bytes),
        done_(std::move(done)) {}

  Readiness readiness() override {
    if (subscription_->submitted().closing) return Readiness::kReady;
    std::shared_ptr<Topic> topic =
        context_.topics.Find(subscription_->submitted().settings().dead_letter_topic());
    if (topic != nullptr && topic->closing()) topic = nullptr;
    if (topic != topic_) {
      eventhub::EndRenewal(absl::MakeSpan(appends_));
      SetTopic(std::move(topic));
    }
    return PlansAreCurrent(absl::MakeConstSpan(appends_)) ? Readiness::kReady
                                                          : Readiness::kOutdated;
  }

  void Renew() override {
    for (TopicAppend& append : appends_) RenewPlan(append);
  }

  void BeginRenewal() override { eventhub::BeginRenewal(absl::MakeSpan(appends_)); }
  void EndRenewal() override { eventhub::EndRenewal(absl::MakeSpan(appends_)); }

  // The events stay to be parked, by the next start of the hub.
  void Refuse() override { refused_ = ShuttingDown(kShutdownRetry); }

  uint64_t renewal_lane() const override { return topic_->id().value(); }

  void Prepare(CommitBuilder& commit) override {
    if (subscription_->submitted().closing) return;
    for (size_t i = 0; i < events_.size(); ++i) {
      Park(commit, events_[i], topic_ == nullptr ? nullptr : &appends_[i]);
    }
  }

  void Done(const absl::Status& status) override {
    if (status.ok()) {
      for (const TopicAppend& append : appended_) CountAppend(append);
    }
    done_(OutcomeOf(refused_, status));
  }

  size_t bytes() const override { return bytes_; }
  bool synced() const override { return true; }

 private:
  // Makes the appends, one for each event, without plans. Null: there is no topic.
  void SetTopic(std::shared_ptr<Topic> topic) {
    topic_ = std::move(topic);
    appends_.clear();
    if (topic_ == nullptr) return;
    const std::shared_ptr<const TopicView> view = topic_->view();
    const auto partitions = static_cast<uint32_t>(view->partitions.size());
    appends_.reserve(events_.size());
    for (const ParkedEvent& event : events_) {
      TopicAppend& append = appends_.emplace_back(TopicAppend{.topic = topic_});
      append.publish.accepted = true;
      append.publish.deferred = true;
      append.publish.result.set_partition_count(partitions);
      if (!event.unreadable.ok()) continue;
      const auto partition = event.keyed ? static_cast<uint32_t>(event.key_hash % partitions) : 0;
      append.publish.count = 1;
      append.publish.bytes = event.letter.bytes.size();
      append.publish.appends.push_back({view->partitions[partition], event.letter.bytes, 1});
    }
  }

  // `append`: null if there is no topic.
  void Park(CommitBuilder& commit, const ParkedEvent& event, TopicAppend* append) {
    // The subscription may have moved meanwhile.
    if (!subscription_->IsParking(event.partition, event.offset)) return;
    if (absl::IsNotFound(event.unreadable)) {
      subscription_->FinishParking(commit, event.partition, event.offset, false);
    } else if (!event.unreadable.ok()) {
      Abandon(event, event.unreadable.message());
    } else if (append == nullptr) {
      Abandon(event, "its dead-letter topic does not exist");
    } else if (topic_->keeps_nothing()) {
      Abandon(event, "its dead-letter topic keeps nothing");
    } else if (const absl::Status refused = Append(commit, event, *append); !refused.ok()) {
      Abandon(event, refused.message());
    } else if (event.is_last()) {
      subscription_->FinishParking(commit, event.partition, event.offset, true);
    }
  }

  // An error means that the topic cannot accept the event; nothing was done.
  absl::Status Append(CommitBuilder& commit, const ParkedEvent& event, TopicAppend& append) {
    const PartitionLog& log = *append.publish.appends.front().log;
    const std::string& id = event.letter.fault_id;
    ASSIGN_OR_RETURN(const std::optional<stored::Fault> before,
                     ReadFault(context_.store, *subscription_, id));
    RETURN_IF_ERROR(AdmitAppend(append, commit));
    RETURN_IF_ERROR(SettleAppend(append, commit));
    ApplyAppend(append, commit);
    const Offset offset(append.publish.result.placements(0).base_offset());
    stored::DeadLetter record;
    record.set_version(1);
    record.set_source_partition(event.partition.value());
    record.set_source_offset(event.offset.value());
    record.set_attempts(event.attempts);
    record.set_reason(event.reason);
    record.set_time_micros(absl::ToUnixMicros(commit.now()));
    *record.mutable_detail() = (*event.details)[event.detail];
    OpenFault(commit, *subscription_, id, before, {topic_->id(), log.id(), offset},
              std::move(record));
    subscription_->set_may_have_letters();
    subscription_->submitted().opened_letters_in.insert(topic_->id());
    appended_.push_back(std::move(append));
    return absl::OkStatus();
  }

  void Abandon(const ParkedEvent& event, absl::string_view why) {
    subscription_->AbandonParking(event.partition, event.offset,
                                  absl::StrCat(event.reason, kNotYet, why, ")"));
  }

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  std::vector<ParkedEvent> events_;
  const size_t bytes_;
  ParkingDone done_;
  std::shared_ptr<Topic> topic_;      // Null: there is none.
  std::vector<TopicAppend> appends_;  // To that topic, one for each event.
  std::vector<TopicAppend> appended_;
  absl::Status refused_;
};

// The memory of ranges that wait to be parked, except what was reported of their failures, which
// counts as part of the requests.
size_t MemoryOf(const std::vector<Parked>& parked) {
  size_t bytes = parked.capacity() * sizeof(Parked);
  const std::string* last = nullptr;
  for (const Parked& range : parked) {
    if (range.reason.get() == last) continue;
    last = range.reason.get();
    bytes += sizeof(std::string) + last->capacity();
  }
  return bytes;
}

// Reads parked events and submits them in pieces; each piece waits for its turn after the commit of
// the one before.
class Parker {
 public:
  Parker(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
         std::vector<Parked> parked, ParkingDone done)
      : context_(context),
        subscription_(std::move(subscription)),
        parked_(std::move(parked)),
        memory_(context.pending_memory.ForceTake(MemoryOf(parked_))),
        done_(std::move(done)),
        log_(context.topics, context.store),
        letters_(context.topics, context.store) {}

  static void Enqueue(std::unique_ptr<Parker> parker) {
    const SubscriptionContext& context = parker->context_;
    if (parker->NextIsHistory()) {
      context.history.Add(
          [parker = std::move(parker)](History& history, HistoryReads::Place place) mutable {
            SubmitPiece(std::move(parker), &history, std::move(place));
          });
    } else {
      context.parking.Add(
          [parker = std::move(parker)]() mutable { SubmitPiece(std::move(parker), nullptr, {}); });
    }
  }

 private:
  // `history`: null unless the thread may wait for the lake; then the piece has a place.
  static void SubmitPiece(std::unique_ptr<Parker> parker, History* history,
                          HistoryReads::Place place) {
    const bool last = parker->ReadPiece(history);
    Parker& reader = *parker;
    reader.log_.Reset();  // Queued pieces hold no memory.
    reader.letters_.Reset();
    if (reader.events_.empty() && !last) {  // The next event is history.
      ParkingQueue& queue = reader.context_.parking;
      Enqueue(std::move(parker));
      return queue.Finish();
    }
    auto task = std::make_unique<ParkTask>(
        reader.context_, reader.subscription_, std::exchange(reader.events_, {}),
        std::exchange(reader.bytes_, 0),
        [parker = std::move(parker), last,
         place = std::move(place)](const absl::Status& status) mutable {
          ParkingQueue& queue = parker->context_.parking;
          if (last || !status.ok()) {
            parker->done_(status);
          } else {
            Enqueue(std::move(parker));
          }
          if (place == nullptr) queue.Finish();
        });
    reader.context_.writer.Submit(std::move(task), ParkingFlow());
  }

  // Whether the event must be read from the history.
  bool IsHistory(const Parked& range, Offset offset) const {
    if (range.redriven_from.has_value()) return false;
    const PartitionLog& log = LogOf(range.partition);
    return offset < log.start() && log.InHistory(offset);
  }
  bool NextIsHistory() const {
    return range_ < parked_.size() && IsHistory(parked_[range_], parked_[range_].start + event_);
  }
  const PartitionLog& LogOf(PartitionId partition) const {
    return *subscription_->topic()->view()->partitions[partition.value()];
  }

  // Returns whether this was the last piece. Without a history, a piece ends before events that
  // must be read from it.
  bool ReadPiece(History* history) {
    const std::shared_ptr<Topic> topic =
        context_.topics.Find(subscription_->settings().dead_letter_topic());
    const size_t max_bytes = topic == nullptr ? kMaxTaskBytes : PieceOf(kMaxTaskBytes, *topic);
    for (; range_ < parked_.size(); ++range_, event_ = 0) {
      const Parked& range = parked_[range_];
      if (details_ == nullptr) details_ = DetailsOf(range);
      for (; event_ < range.count; ++event_, detail_ = 0) {
        if (history == nullptr && IsHistory(range, range.start + event_)) return false;
        for (; detail_ < details_->size(); ++detail_) {
          if (!events_.empty() && (bytes_ >= max_bytes || events_.size() >= kMaxTaskLetters)) {
            return false;
          }
          Add(range, range.start + event_, history);
        }
      }
      details_ = nullptr;
    }
    return true;
  }

  void Add(const Parked& range, Offset offset, History* history) {
    // The reason may contain that of an earlier attempt, which ended in Abandon.
    ParkedEvent event{range.partition,
                      offset,
                      range.attempts,
                      OwnReason(*range.reason),
                      details_,
                      detail_,
                      {},
                      {}};
    event.unreadable = Read(event, range, history);
    bytes_ += event.letter.bytes.size();
    events_.push_back(std::move(event));
  }

  absl::Status Read(ParkedEvent& event, const Parked& range, History* history) {
    absl::StatusOr<LoggedEvent> logged = ReadLogged(event, range, history);
    if (absl::IsNotFound(logged.status()) && range.redriven_from.has_value()) {
      logged = ReadCopy(*range.redriven_from, event.offset);
    }
    if (!logged.ok()) return logged.status();
    const DeadLetterNote note{subscription_->name(), subscription_->topic()->name(),
                              event.partition,       event.offset,
                              event.attempts,        event.reason,
                              context_.clock.Now()};
    ASSIGN_OR_RETURN(event.letter, MakeDeadLetter(*logged, note, (*event.details)[event.detail]));
    // No limits apply: an accepted event can always be parked.
    EventWalker walker(event.letter.bytes);
    SlicedEvent sliced;
    walker.Next(&sliced);
    const absl::string_view key = ReadEventHead(sliced.message).key;
    event.keyed = !key.empty();
    event.key_hash = wire::HashOfKey(key);
    return absl::OkStatus();
  }

  absl::StatusOr<LoggedEvent> ReadLogged(const ParkedEvent& event, const Parked& range,
                                         History* history) {
    if (history == nullptr || !IsHistory(range, event.offset)) {
      absl::StatusOr<LoggedEvent> logged =
          log_.Read({subscription_->topic()->id(), event.partition, event.offset});
      if (absl::IsNotFound(logged.status()) && IsHistory(range, event.offset)) {
        return absl::UnavailableError("retention is removing the event from the log");
      }
      return logged;
    }
    const HistoryRange wanted{
        .partition = event.partition, .from = event.offset, .to = event.offset + 1};
    ASSIGN_OR_RETURN(const HistoryPart part,
                     ReadHistory(*history, *subscription_->topic(), LogOf(event.partition), wanted,
                                 /*max_bytes=*/1));
    for (const RecordBatchPtr& batch : part.batches) {
      if (batch->base > event.offset || batch->end() <= event.offset) continue;
      const Delivery found =
          SliceBatch(*batch, event.partition, event.offset, event.offset + 1, SIZE_MAX);
      return LoggedEvent{found.events.front(), found.append_micros};
    }
    return absl::NotFoundError(
        absl::StrCat("the lake has no event at offset ", event.offset.value()));
  }

  // The only copy of an event that was a dead letter before may be in its dead-letter topic.
  absl::StatusOr<LoggedEvent> ReadCopy(const DeadLetterPlace& place, Offset offset) {
    ASSIGN_OR_RETURN(const LoggedEvent letter, letters_.Read(place));
    ASSIGN_OR_RETURN(const RecordBatchPtr batch, BatchOfDeadLetter(letter, offset));
    return LoggedEvent{batch->chunks.front(), letter.append_micros};
  }

  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const std::vector<Parked> parked_;
  const MemoryMeter::Lease memory_;
  size_t range_ = 0;      // The next range of `parked_`.
  uint32_t event_ = 0;    // The next event of that range.
  FaultDetails details_;  // Of that range; null: not determined yet.
  size_t detail_ = 0;     // The next letter of that event.
  ParkingDone done_;
  std::vector<ParkedEvent> events_;
  size_t bytes_ = 0;
  PlaceReader log_;
  PlaceReader letters_;
};

}  // namespace

CommitFlow ParkingFlow() {
  static const CommitFlow flow = Caller::Internal("parking").flow();
  return flow;
}

void ParkingQueue::Add(absl::AnyInvocable<void() &&> begin) {
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    waiting_.push_back(std::move(begin));
  }
  BeginNext();
}

void ParkingQueue::Finish() {
  {
    MutexLock lock(mutex_);
    --under_way_;
  }
  BeginNext();
}

void ParkingQueue::BeginNext() {
  MutexLock lock(mutex_);
  if (stopped_ || waiting_.empty() || under_way_ == kPieces) return;
  ++under_way_;
  pool_.Post(std::move(waiting_.front()));
  waiting_.pop_front();
}

void ParkingQueue::Stop() {
  std::deque<absl::AnyInvocable<void() &&>> dropped;
  MutexLock lock(mutex_);
  stopped_ = true;
  dropped.swap(waiting_);
}

void StartParking(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                  std::vector<Parked> parked, ParkingDone done) {
  Parker::Enqueue(std::make_unique<Parker>(context, std::move(subscription), std::move(parked),
                                           std::move(done)));
}

}  // namespace eventhub
