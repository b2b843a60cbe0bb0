#include "server/core/subscription/dead_letter/dead_letter_office.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/base/errors.h"
#include "server/core/base/stored_time.h"
#include "server/core/base/timestamps.h"
#include "server/core/erasure/open_events.h"
#include "server/core/subscription/cursor/cursor_records.h"
#include "server/core/subscription/dead_letter/dead_letter.h"
#include "server/core/subscription/dead_letter/fault_records.h"
#include "server/core/subscription/dead_letter/place_reader.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr int64_t kLastOffset = std::numeric_limits<int64_t>::max();

// One page examines at most this many letters, matching or not; fewer if it must read events. It
// ends with the letter that exceeds this size.
constexpr size_t kMaxLookedAt = 10'000;
constexpr size_t kMaxRead = 1'000;
constexpr size_t kMaxPageBytes = size_t{1} << 20;

v1::DeadLetter Describe(const TopicCatalog& topics, const Subscription& subscription,
                        const OpenDeadLetter& letter, std::optional<v1::Event> event,
                        bool with_data) {
  using google::protobuf::util::TimeUtil;
  v1::DeadLetter described;
  described.set_subscription(subscription.name());
  described.set_state(letter.state);
  if (letter.record.has_detail() && letter.record.detail().ByteSizeLong() > 0) {
    *described.mutable_fault() = letter.record.detail();
  }
  described.set_fault_id(absl::BytesToHexString(letter.record.fault_id()));
  described.set_failures(std::max(letter.record.failures(), 1U));
  const int64_t first = letter.record.first_time_micros();
  *described.mutable_first_time() =
      TimeUtil::MicrosecondsToTimestamp(first != 0 ? first : letter.record.time_micros());
  if (letter.close_micros != 0) {
    *described.mutable_close_time() = TimeUtil::MicrosecondsToTimestamp(letter.close_micros);
  }
  if (const std::shared_ptr<Topic> topic = topics.Find(letter.place.topic)) {
    described.set_topic(topic->name());
  }
  described.set_partition(letter.place.partition.value());
  described.set_offset(letter.place.offset.value());
  described.set_source_partition(letter.record.source_partition());
  described.set_source_offset(letter.record.source_offset());
  described.set_attempts(letter.record.attempts());
  described.set_reason(letter.record.reason());
  *described.mutable_time() = TimeUtil::MicrosecondsToTimestamp(letter.record.time_micros());
  described.set_event_trimmed(!event.has_value());
  if (!event.has_value()) return described;
  if (!with_data) event->clear_data();
  *described.mutable_event() = *std::move(event);
  return described;
}

DeadLetterPlace SourceOf(const Subscription& subscription, const OpenDeadLetter& letter) {
  return {subscription.topic()->id(), PartitionId(letter.record.source_partition()),
          Offset(letter.record.source_offset())};
}

// The event of a dead letter, wherever it still exists.
struct FoundEvent {
  std::optional<LoggedEvent> letter;  // Unless only the original exists.
  std::optional<v1::Event> event;     // Unless it is gone.
};

// Reads the events of dead letters, in the order of the letters.
class LetterReader {
 public:
  LetterReader(const SubscriptionContext& context, const Subscription& subscription)
      : subscription_(subscription),
        letters_(context.topics, context.store),
        sources_(context.topics, context.store) {}

  absl::StatusOr<FoundEvent> Read(const OpenDeadLetter& letter) {
    FoundEvent found;
    absl::StatusOr<LoggedEvent> logged = letters_.Read(letter.place);
    if (logged.ok()) {
      ASSIGN_OR_RETURN(found.event, EventOfDeadLetter(*logged));
      found.letter = *std::move(logged);
      return found;
    }
    if (!absl::IsNotFound(logged.status())) return logged.status();
    logged = sources_.Read(SourceOf(subscription_, letter));
    if (absl::IsNotFound(logged.status())) return found;
    RETURN_IF_ERROR(logged.status());
    ASSIGN_OR_RETURN(found.event, ParseLogged(*logged));
    return found;
  }

 private:
  const Subscription& subscription_;
  PlaceReader letters_;
  PlaceReader sources_;
};

// The pipelines to which an action redrives a letter.
PipelineList PipelinesFor(const LetterAction& action, const OpenDeadLetter& letter) {
  const std::string& pipeline = letter.record.detail().pipeline();
  if (action.all_pipelines || pipeline.empty()) return nullptr;
  return std::make_shared<const std::vector<std::string>>(1, pipeline);
}

// Whether the letter's commit is not visible yet: until then the letter does not exist for
// observers.
bool IsNotVisibleYet(const SubscriptionContext& context, const DeadLetterPlace& place) {
  const std::shared_ptr<Topic> topic = context.topics.Find(place.topic);
  if (topic == nullptr) return false;
  const std::shared_ptr<const TopicView> view = topic->view();
  if (place.partition.value() >= view->partitions.size()) return false;
  return place.offset >= view->partitions[place.partition.value()]->end();
}

bool IsKept(const Topic& topic, PartitionId partition, Offset offset) {
  const std::shared_ptr<const TopicView> view = topic.view();
  if (partition.value() >= view->partitions.size()) return false;
  return offset >= view->partitions[partition.value()]->next_start().offset;
}

// Whether the event cannot be redriven: no copy is left, or compaction removed it.
bool IsGone(const SubscriptionContext& context, const Subscription& subscription,
            const OpenDeadLetter& letter) {
  if (letter.removed) return true;
  const DeadLetterPlace source = SourceOf(subscription, letter);
  if (IsKept(*subscription.topic(), source.partition, source.offset)) return false;
  const std::shared_ptr<Topic> topic = context.topics.Find(letter.place.topic);
  return topic == nullptr || topic->closing() ||
         !IsKept(*topic, letter.place.partition, letter.place.offset);
}

}  // namespace

absl::StatusOr<std::optional<Offset>> FirstOpenLetter(const LogStore& store,
                                                      SubscriptionId subscription, TopicId topic,
                                                      PartitionId partition) {
  std::optional<Offset> first;
  const std::string from = DeadLetterKey(subscription, topic, partition, Offset(0));
  RETURN_IF_ERROR(store.ScanFrom(Column::kCursors, DeadLetterPrefix(subscription), from,
                                 [&](absl::string_view encoded, absl::string_view) {
                                   const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
                                   if (key.has_value() && key->topic == topic &&
                                       key->partition == partition) {
                                     first = key->offset;
                                   }
                                   return false;
                                 }));
  return first;
}

absl::StatusOr<bool> HasOpenLetters(const LogStore& store, SubscriptionId subscription,
                                    TopicId topic) {
  bool has = false;
  RETURN_IF_ERROR(store.Scan(Column::kCursors, DeadLetterPrefix(subscription, topic),
                             [&has](absl::string_view, absl::string_view) {
                               has = true;
                               return false;
                             }));
  return has;
}

absl::StatusOr<std::vector<TopicId>> TopicsOfOpenLetters(const LogStore& store,
                                                         SubscriptionId subscription) {
  std::vector<TopicId> topics;
  std::string from = DeadLetterPrefix(subscription);
  for (bool found = true; found;) {
    found = false;
    RETURN_IF_ERROR(store.ScanFrom(Column::kCursors, DeadLetterPrefix(subscription), from,
                                   [&](absl::string_view encoded, absl::string_view) {
                                     const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
                                     found = key.has_value() &&
                                             (topics.empty() || key->topic != topics.back());
                                     if (found) topics.push_back(key->topic);
                                     return false;
                                   }));
    if (found) {
      const PartitionId last(std::numeric_limits<uint32_t>::max());
      from = DeadLetterKey(subscription, topics.back(), last, Offset(kLastOffset));
    }
  }
  return topics;
}

void NoteRemoved(const SubscriptionContext& context, const Subscription& subscription,
                 std::vector<OpenDeadLetter>& letters) {
  const Topic& topic = *subscription.topic();
  if (!topic.view()->settings->retention().has_latest_per_key()) return;
  PlaceReader events(context.topics, context.store);
  for (OpenDeadLetter& letter : letters) {
    const DeadLetterPlace source = SourceOf(subscription, letter);
    // If it cannot be read for another reason, its delivery reports that.
    letter.removed = IsKept(topic, source.partition, source.offset) &&
                     absl::IsNotFound(events.Read(source).status());
  }
}

LetterCounts CountLetters(const SubscriptionContext& context, const Subscription& subscription,
                          const std::vector<OpenDeadLetter>& letters, const LetterAction& action) {
  LetterCounts counts;
  for (const OpenDeadLetter& letter : letters) {
    const DeadLetterPlace source = SourceOf(subscription, letter);
    if (action.redrive && IsGone(context, subscription, letter)) {
      ++counts.trimmed;
    } else if (action.redrive && subscription.WillBeDelivered(source.partition, source.offset)) {
      ++counts.to_come;
    } else if (action.redrive && subscription.IsOutToOthers(source.partition, source.offset,
                                                            PipelinesFor(action, letter))) {
      ++counts.in_flight;
    } else {
      ++counts.closed;
    }
  }
  return counts;
}

absl::Status CheckPartitions(const TopicCatalog& topics, const Subscription& subscription,
                             const v1::DeadLetterSelector& selector) {
  const std::string name =
      selector.topic().empty() ? subscription.settings().dead_letter_topic() : selector.topic();
  const std::shared_ptr<Topic> topic = topics.Find(name);
  if (topic == nullptr) return absl::OkStatus();
  const size_t partitions = topic->view()->partitions.size();
  for (const auto& range : selector.ranges()) {
    if (range.partition() >= partitions) {
      return PartitionNotFound(name, range.partition(), partitions);
    }
  }
  return absl::OkStatus();
}

LetterBounds::LetterBounds(const TopicCatalog& topics, const std::string& dead_letter_topic,
                           absl::Time until)
    : topics_(topics), until_(until) {
  if (const std::shared_ptr<Topic> topic = topics.Find(dead_letter_topic)) Note(*topic);
}

void LetterBounds::Note(const Topic& topic) {
  std::vector<Offset>& ends = ends_[topic.id()];
  const std::shared_ptr<const TopicView> view = topic.view();
  for (const PartitionLog* log : view->partitions) ends.push_back(log->end());
}

bool LetterBounds::Beyond(const DeadLetterPlace& place) {
  if (!ends_.contains(place.topic)) {
    const std::shared_ptr<Topic> topic = topics_.Find(place.topic);
    if (topic == nullptr) return false;  // No letter can be added to it.
    Note(*topic);
  }
  const std::vector<Offset>& ends = ends_.at(place.topic);
  const uint32_t partition = place.partition.value();
  return partition >= ends.size() || place.offset >= ends[partition];
}

namespace {

// Where a page begins, or ends: after a key of the open letters, or of the closed ones.
constexpr char kOpenPhase = 'o';
constexpr char kClosedPhase = 'c';

// One page of a search.
class LetterSearch {
 public:
  LetterSearch(const SubscriptionContext& context, const Subscription& subscription,
               const DeadLetterQuery& query)
      : context_(context),
        subscription_(subscription),
        query_(query),
        reads_(query.with_events || query.filter.needs_event()),
        own_budget_(PageBudget(query.filter, query.with_events)),
        budget_(query.budget != nullptr ? *query.budget : own_budget_),
        reader_(context, subscription) {}

  absl::StatusOr<DeadLetterPage> Run(const std::string& after) {
    std::string prefix = DeadLetterPrefix(subscription_.id());
    if (!query_.filter.topic().empty()) {
      const std::shared_ptr<Topic> topic = context_.topics.Find(query_.filter.topic());
      if (topic == nullptr) return TopicNotFound(query_.filter.topic());
      prefix = DeadLetterPrefix(subscription_.id(), topic->id());
      topic_ = topic->id();
    }
    const std::string closed_prefix = FaultPrefix(subscription_.id());
    const char phase = after.empty() ? kOpenPhase : after.front();
    const std::string from = after.empty() ? "" : absl::HexStringToBytes(after.substr(1));
    const bool valid = after.empty() || (phase == kOpenPhase && absl::StartsWith(from, prefix)) ||
                       (phase == kClosedPhase && absl::StartsWith(from, closed_prefix));
    if (!valid) return InvalidField("page_token", "was not returned by this call");
    if (phase == kOpenPhase && query_.filter.takes_open()) {
      RETURN_IF_ERROR(Scan(Column::kCursors, kOpenPhase, prefix, from));
    }
    if (page_.next.empty() && query_.filter.takes_closed()) {
      RETURN_IF_ERROR(Scan(Column::kMeta, kClosedPhase, closed_prefix,
                           phase == kClosedPhase ? from : std::string()));
    }
    return std::move(page_);
  }

 private:
  // Examines the letters after `after`; from the first on if that is empty.
  absl::Status Scan(Column column, char phase, const std::string& prefix,
                    const std::string& after) {
    std::string last = after.empty() ? prefix : after;
    absl::Status status;
    const auto look = [&](absl::string_view key, absl::string_view value) {
      if (!after.empty() && key == after) return true;  // The last letter of the page before.
      if (page_.found.size() == query_.limit || budget_.spent()) {
        EndAt(phase, last);
        return false;
      }
      --budget_.letters;
      if (phase == kOpenPhase && IsBeyond(key)) return false;
      last = std::string(key);
      status = phase == kOpenPhase ? LookAtOpen(key, value) : LookAtClosed(key, value);
      return status.ok() && page_.next.empty();
    };
    RETURN_IF_ERROR(context_.store.ScanFrom(column, prefix, last, look));
    return status;
  }

  void EndAt(char phase, absl::string_view key) {
    page_.next = absl::StrCat(std::string(1, phase), absl::BytesToHexString(key));
  }
  // Later letters of the partition are not of interest either.
  void SkipPartition(const DeadLetterPlace& at) {
    EndAt(kOpenPhase,
          DeadLetterKey(subscription_.id(), at.topic, at.partition, Offset(kLastOffset)));
  }
  bool IsBeyond(absl::string_view encoded) {
    const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
    if (query_.bounds == nullptr || !key.has_value()) return false;
    const DeadLetterPlace at{key->topic, key->partition, key->offset};
    if (!query_.bounds->Beyond(at)) return false;
    SkipPartition(at);
    return true;
  }

  absl::Status LookAtOpen(absl::string_view encoded, absl::string_view value) {
    const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
    OpenDeadLetter letter;
    if (!key.has_value() ||
        !letter.record.ParseFromArray(value.data(), static_cast<int>(value.size())) ||
        !IsStoredTime(letter.record.time_micros()) ||
        !IsStoredTime(letter.record.first_time_micros())) {
      return absl::DataLossError(
          absl::StrCat("a dead letter of ", subscription_.name(), " is damaged"));
    }
    letter.key = std::string(encoded);
    letter.place = {key->topic, key->partition, key->offset};
    if (letter.record.failures() > 1) letter.state = v1::DeadLetter::STATE_FAILED_AGAIN;
    if (query_.bounds != nullptr && query_.bounds->BeyondTime(letter.record)) {
      SkipPartition(letter.place);
      return absl::OkStatus();
    }
    return Look(std::move(letter));
  }

  absl::Status LookAtClosed(absl::string_view key, absl::string_view value) {
    ASSIGN_OR_RETURN(stored::Fault fault, ParseFault(subscription_, value));
    if (fault.state() == stored::Fault::OPEN) return absl::OkStatus();
    OpenDeadLetter letter;
    letter.key = std::string(key);
    letter.place = DecodePlace(fault.place());
    letter.state = StateOf(subscription_, fault);
    if (letter.state == v1::DeadLetter::STATE_RESOLVED) {
      // Or else it was settled because it failed again, which this scan is too old to show.
      ASSIGN_OR_RETURN(const bool still_closed, IsUnchanged(key, value));
      if (!still_closed) return absl::OkStatus();
    }
    letter.close_micros = fault.close_time_micros();
    letter.record = std::move(*fault.mutable_letter());
    if (topic_.has_value() && letter.place.topic != *topic_) return absl::OkStatus();
    return Look(std::move(letter));
  }

  absl::StatusOr<bool> IsUnchanged(absl::string_view key, absl::string_view value) const {
    ASSIGN_OR_RETURN(const std::optional<std::string> now, context_.store.Get(Column::kMeta, key));
    return now.has_value() && *now == value;
  }

  absl::Status Look(OpenDeadLetter letter) {
    if (!query_.filter.TakesState(letter.state)) return absl::OkStatus();
    if (!query_.filter.TakesRecord(letter.place, letter.record)) return absl::OkStatus();
    if (IsNotVisibleYet(context_, letter.place)) return absl::OkStatus();
    if (reads_) {
      ASSIGN_OR_RETURN(FoundEvent found, reader_.Read(letter));
      if (!query_.filter.TakesType(found.event.has_value() ? found.event->type() : "")) {
        return absl::OkStatus();
      }
      if (query_.filter.needs_letter() &&
          !(found.letter.has_value() && query_.filter.TakesLetter(*found.letter))) {
        return absl::OkStatus();
      }
      if (query_.with_events) {
        if (query_.with_data && found.event.has_value()) {
          RETURN_IF_ERROR(OpenSealed(subscription_.topic()->keys(), &*found.event));
        }
        page_.letters.push_back(Describe(context_.topics, subscription_, letter,
                                         std::move(found.event), query_.with_data));
        budget_.Take(page_.letters.back().ByteSizeLong());
      }
    }
    budget_.Take(letter.record.ByteSizeLong());
    page_.found.push_back(std::move(letter));
    return absl::OkStatus();
  }

  const SubscriptionContext& context_;
  const Subscription& subscription_;
  const DeadLetterQuery& query_;
  const bool reads_;
  std::optional<TopicId> topic_;
  SearchBudget own_budget_;
  SearchBudget& budget_;
  LetterReader reader_;
  DeadLetterPage page_;
};

}  // namespace

SearchBudget PageBudget(const LetterFilter& filter, bool with_events) {
  return {with_events || filter.needs_event() ? kMaxRead : kMaxLookedAt, kMaxPageBytes};
}

absl::StatusOr<DeadLetterPage> FindDeadLetters(const SubscriptionContext& context,
                                               const Subscription& subscription,
                                               const DeadLetterQuery& query,
                                               const std::string& after) {
  return LetterSearch(context, subscription, query).Run(after);
}

CloseLettersTask::CloseLettersTask(const SubscriptionContext& context,
                                   std::shared_ptr<Subscription> subscription,
                                   std::vector<OpenDeadLetter> letters, LetterAction action,
                                   absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&> done)
    : context_(context),
      subscription_(std::move(subscription)),
      letters_(std::move(letters)),
      action_(std::move(action)),
      done_(std::move(done)) {}

void CloseLettersTask::Prepare(CommitBuilder& commit) { refused_ = Close(commit); }

absl::Status CloseLettersTask::Close(CommitBuilder& commit) {
  if (subscription_->submitted().closing) return SubscriptionNotFound(subscription_->name());
  std::vector<const OpenDeadLetter*> open;
  for (const OpenDeadLetter& letter : letters_) {
    ASSIGN_OR_RETURN(const std::optional<std::string> record,
                     context_.store.Get(Column::kCursors, letter.key));
    // An earlier task of the same commit may have closed it.
    if (record.has_value() && !subscription_->submitted().changed_letters.contains(letter.key)) {
      open.push_back(&letter);
    }
  }
  if (action_.redrive) RETURN_IF_ERROR(CheckRoom(open));
  if (action_.rate_limit.has_value()) subscription_->SetReplayRate(commit, *action_.rate_limit);
  for (const OpenDeadLetter* letter : open) CloseOne(commit, *letter);
  // The keys are needed until the commit is written; later commits find the change in the store.
  subscription_->NoteLetters(commit, -static_cast<int64_t>(counts_.closed));
  return absl::OkStatus();
}

// Each redriven event is a range of its own.
absl::Status CloseLettersTask::CheckRoom(const std::vector<const OpenDeadLetter*>& letters) const {
  absl::btree_map<PartitionId, size_t> ranges;
  for (const OpenDeadLetter* letter : letters) {
    ++ranges[SourceOf(*subscription_, *letter).partition];
  }
  for (const auto& [partition, count] : ranges) {
    RETURN_IF_ERROR(subscription_->CheckRoom(partition, count));
  }
  return absl::OkStatus();
}

void CloseLettersTask::CloseOne(CommitBuilder& commit, const OpenDeadLetter& letter) {
  if (action_.redrive) {
    const DeadLetterPlace source = SourceOf(*subscription_, letter);
    const PipelineList pipelines = PipelinesFor(action_, letter);
    if (IsGone(context_, *subscription_, letter)) {
      ++counts_.trimmed;
      return;
    }
    if (subscription_->IsOutToOthers(source.partition, source.offset, pipelines)) {
      ++counts_.in_flight;
      return;
    }
    if (!subscription_->Redrive(commit, source.partition, source.offset, letter.place, pipelines)) {
      ++counts_.to_come;
      return;
    }
  }
  subscription_->submitted().changed_letters.insert(letter.key);
  commit.Delete(Column::kCursors, letter.key);
  CloseFault(commit, *subscription_, letter.place, letter.record,
             action_.redrive ? stored::Fault::REDRIVEN : stored::Fault::DISCARDED);
  ++counts_.closed;
}

void CloseLettersTask::Done(const absl::Status& status) {
  if (const absl::Status outcome = OutcomeOf(refused_, status); !outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  std::move(done_)(counts_);
}

}  // namespace eventhub
