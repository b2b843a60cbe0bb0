#include "server/core/subscription/dead_letter_office.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/errors.h"
#include "server/core/start_position.h"
#include "server/core/subscription/dead_letter.h"
#include "server/core/subscription/stored_time.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr int64_t kLastOffset = std::numeric_limits<int64_t>::max();

// One page looks at no more than this, whatever it finds.
constexpr size_t kMaxLookedAt = 10'000;

// What can be told without the event.
bool PicksRecord(const v1::DeadLetterSelector& selector, const OpenDeadLetter& letter) {
  const absl::Time time = absl::FromUnixMicros(letter.record.time_micros());
  if (selector.has_start_time() && time < ToTime(selector.start_time())) return false;
  if (selector.has_end_time() && time >= ToTime(selector.end_time())) return false;
  if (!absl::StrContains(letter.record.reason(), selector.reason_contains())) return false;
  return selector.ranges().empty() ||
         std::any_of(selector.ranges().begin(), selector.ranges().end(), [&](const auto& range) {
           const int64_t offset = letter.place.offset.value();
           return range.partition() == letter.place.partition.value() &&
                  range.range().start() <= offset && offset < range.range().end();
         });
}

bool PicksType(const v1::DeadLetterSelector& selector, const std::string& type) {
  return selector.types().empty() || std::find(selector.types().begin(), selector.types().end(),
                                               type) != selector.types().end();
}

v1::DeadLetter Describe(const OpenDeadLetter& letter, v1::Event event, bool with_data) {
  v1::DeadLetter described;
  described.set_partition(letter.place.partition.value());
  described.set_offset(letter.place.offset.value());
  described.set_source_partition(letter.record.source_partition());
  described.set_source_offset(letter.record.source_offset());
  described.set_attempts(letter.record.attempts());
  described.set_reason(letter.record.reason());
  *described.mutable_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(letter.record.time_micros());
  if (!with_data) event.clear_data();
  *described.mutable_event() = std::move(event);
  return described;
}

// The event of a dead letter; empty if retention removed it.
absl::StatusOr<v1::Event> ReadLetter(const SubscriptionContext& context,
                                     const DeadLetterPlace& place) {
  const absl::StatusOr<LoggedEvent> logged = ReadPlace(context.topics, context.store, place);
  if (absl::IsNotFound(logged.status())) return v1::Event();
  RETURN_IF_ERROR(logged.status());
  return EventOfDeadLetter(*logged);
}

// Whether its commit is written and not visible yet: there is no such letter so far.
bool IsToCome(const SubscriptionContext& context, const DeadLetterPlace& place) {
  const std::shared_ptr<Topic> topic = context.topics.Find(place.topic);
  if (topic == nullptr) return false;
  const std::shared_ptr<const TopicView> view = topic->view();
  if (place.partition.value() >= view->partitions.size()) return false;
  return place.offset >= view->partitions[place.partition.value()]->end();
}

bool IsKept(const TopicView& view, PartitionId partition, Offset offset) {
  if (partition.value() >= view.partitions.size()) return false;
  return offset >= view.partitions[partition.value()]->next_start().offset;
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
  const std::string from = DeadLetterKey(subscription, topic, PartitionId(0), Offset(0));
  RETURN_IF_ERROR(store.ScanFrom(Column::kCursors, DeadLetterPrefix(subscription), from,
                                 [&](absl::string_view encoded, absl::string_view) {
                                   const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
                                   has = key.has_value() && key->topic == topic;
                                   return false;
                                 }));
  return has;
}

LetterBounds::LetterBounds(const TopicCatalog& topics, const std::string& dead_letter_topic)
    : topics_(topics) {
  if (const std::shared_ptr<Topic> topic = topics.Find(dead_letter_topic)) Note(*topic);
}

void LetterBounds::Note(const Topic& topic) {
  std::vector<Offset>& ends = ends_[topic.id()];
  for (const PartitionLog* log : topic.view()->partitions) ends.push_back(log->end());
}

bool LetterBounds::Beyond(const DeadLetterPlace& place) {
  if (!ends_.contains(place.topic)) {
    const std::shared_ptr<Topic> topic = topics_.Find(place.topic);
    if (topic == nullptr) return false;  // Nothing comes into it.
    Note(*topic);
  }
  const std::vector<Offset>& ends = ends_.at(place.topic);
  const uint32_t partition = place.partition.value();
  return partition >= ends.size() || place.offset >= ends[partition];
}

absl::StatusOr<DeadLetterPage> FindDeadLetters(const SubscriptionContext& context,
                                               const Subscription& subscription,
                                               const DeadLetterQuery& query,
                                               const std::string& after) {
  const std::string prefix = DeadLetterPrefix(subscription.id());
  std::string from = prefix;
  if (!after.empty()) {
    from = absl::HexStringToBytes(after);
    if (!absl::StartsWith(from, prefix)) {
      return InvalidField("page_token", "is not one of ListDeadLetters");
    }
  }
  DeadLetterPage page;
  size_t looked_at = 0;
  absl::Status status;
  const auto look = [&](absl::string_view encoded, absl::string_view value) -> absl::Status {
    const std::optional<CursorsKey> key = ParseCursorsKey(encoded);
    OpenDeadLetter letter;
    if (!key.has_value() ||
        !letter.record.ParseFromArray(value.data(), static_cast<int>(value.size())) ||
        !IsStoredTime(letter.record.time_micros())) {
      return absl::DataLossError(
          absl::StrCat("a dead letter of ", subscription.name(), " is damaged"));
    }
    letter.key = std::string(encoded);
    letter.place = {key->topic, key->partition, key->offset};
    if (!PicksRecord(query.selector, letter)) return absl::OkStatus();
    if (IsToCome(context, letter.place)) return absl::OkStatus();
    if (query.with_events || !query.selector.types().empty()) {
      ASSIGN_OR_RETURN(v1::Event event, ReadLetter(context, letter.place));
      if (!PicksType(query.selector, event.type())) return absl::OkStatus();
      if (query.with_events) {
        page.letters.push_back(Describe(letter, std::move(event), query.with_data));
      }
    }
    page.found.push_back(std::move(letter));
    return absl::OkStatus();
  };
  std::string last = from;
  RETURN_IF_ERROR(context.store.ScanFrom(
      Column::kCursors, prefix, from, [&](absl::string_view key, absl::string_view value) {
        if (!after.empty() && key == from) return true;  // The last one of the page before.
        if (page.found.size() == query.limit || ++looked_at > kMaxLookedAt) {
          page.next = absl::BytesToHexString(last);
          return false;
        }
        if (query.bounds != nullptr) {
          const std::optional<CursorsKey> at = ParseCursorsKey(key);
          if (at.has_value() && query.bounds->Beyond({at->topic, at->partition, at->offset})) {
            // So is all behind it in the partition.
            page.next = absl::BytesToHexString(
                DeadLetterKey(subscription.id(), at->topic, at->partition, Offset(kLastOffset)));
            return false;
          }
        }
        last = std::string(key);
        status = look(key, value);
        return status.ok();
      }));
  RETURN_IF_ERROR(status);
  return page;
}

CloseLettersTask::CloseLettersTask(const SubscriptionContext& context,
                                   std::shared_ptr<Subscription> subscription,
                                   std::vector<OpenDeadLetter> letters, bool redrive,
                                   absl::AnyInvocable<void(absl::StatusOr<int64_t>) &&> done)
    : context_(context),
      subscription_(std::move(subscription)),
      letters_(std::move(letters)),
      redrive_(redrive),
      done_(std::move(done)) {}

void CloseLettersTask::Prepare(CommitBuilder& commit) { refused_ = Close(commit); }

absl::Status CloseLettersTask::Close(CommitBuilder& commit) {
  if (subscription_->closing()) return SubscriptionNotFound(subscription_->name());
  std::vector<const OpenDeadLetter*> open;
  for (const OpenDeadLetter& letter : letters_) {
    ASSIGN_OR_RETURN(const std::optional<std::string> record,
                     context_.store.Get(Column::kCursors, letter.key));
    // An earlier task of the same commit may have closed it.
    if (record.has_value() && !subscription_->closing_dead_letters().contains(letter.key)) {
      open.push_back(&letter);
    }
  }
  for (const OpenDeadLetter* letter : open) {
    const stored::DeadLetter& record = letter->record;
    if (redrive_ && IsGone(*letter)) continue;
    if (redrive_ && !subscription_->Redrive(commit, PartitionId(record.source_partition()),
                                            Offset(record.source_offset()), letter->place)) {
      continue;
    }
    subscription_->closing_dead_letters().insert(letter->key);
    commit.Delete(Column::kCursors, letter->key);
    ++closed_;
  }
  // Their keys are needed until the commit is written; the next one looks into the store.
  subscription_->NoteClosed(commit, closed_);
  return absl::OkStatus();
}

bool CloseLettersTask::IsGone(const OpenDeadLetter& letter) const {
  const std::shared_ptr<const TopicView> source = subscription_->topic()->view();
  if (IsKept(*source, PartitionId(letter.record.source_partition()),
             Offset(letter.record.source_offset()))) {
    return false;
  }
  const std::shared_ptr<Topic> topic = context_.topics.Find(letter.place.topic);
  return topic == nullptr || topic->closing() ||
         !IsKept(*topic->view(), letter.place.partition, letter.place.offset);
}

void CloseLettersTask::Done(const absl::Status& status) {
  if (const absl::Status outcome = OutcomeOf(refused_, status); !outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  std::move(done_)(closed_);
}

}  // namespace eventhub
