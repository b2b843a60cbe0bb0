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
#include "server/core/subscription/dead_letter/dead_letter.h"
#include "server/core/subscription/dead_letter/place_reader.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr int64_t kLastOffset = std::numeric_limits<int64_t>::max();

// One page examines at most this many letters, matching or not; fewer if it must read events.
constexpr size_t kMaxLookedAt = 10'000;
constexpr size_t kMaxRead = 1'000;

// The conditions that do not need the event.
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

v1::DeadLetter Describe(const TopicCatalog& topics, const OpenDeadLetter& letter,
                        std::optional<v1::Event> event, bool with_data) {
  v1::DeadLetter described;
  if (const std::shared_ptr<Topic> topic = topics.Find(letter.place.topic)) {
    described.set_topic(topic->name());
  }
  described.set_partition(letter.place.partition.value());
  described.set_offset(letter.place.offset.value());
  described.set_source_partition(letter.record.source_partition());
  described.set_source_offset(letter.record.source_offset());
  described.set_attempts(letter.record.attempts());
  described.set_reason(letter.record.reason());
  *described.mutable_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(letter.record.time_micros());
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

// Reads the events of dead letters, in the order of the letters.
class LetterReader {
 public:
  LetterReader(const SubscriptionContext& context, const Subscription& subscription)
      : subscription_(subscription),
        letters_(context.topics, context.store),
        sources_(context.topics, context.store) {}

  // Returns the event of a letter, wherever it still exists; nullopt if it is gone.
  absl::StatusOr<std::optional<v1::Event>> Read(const OpenDeadLetter& letter) {
    absl::StatusOr<LoggedEvent> logged = letters_.Read(letter.place);
    const bool is_letter = logged.ok();
    if (absl::IsNotFound(logged.status())) {
      logged = sources_.Read(SourceOf(subscription_, letter));
      if (absl::IsNotFound(logged.status())) return std::nullopt;
    }
    RETURN_IF_ERROR(logged.status());
    return is_letter ? EventOfDeadLetter(*logged) : ParseLogged(*logged);
  }

 private:
  const Subscription& subscription_;
  PlaceReader letters_;
  PlaceReader sources_;
};

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

// Whether no copy of the event is left to redrive.
bool IsGone(const SubscriptionContext& context, const Subscription& subscription,
            const OpenDeadLetter& letter) {
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

LetterCounts CountLetters(const SubscriptionContext& context, const Subscription& subscription,
                          const std::vector<OpenDeadLetter>& letters, bool redrive) {
  LetterCounts counts;
  for (const OpenDeadLetter& letter : letters) {
    const DeadLetterPlace source = SourceOf(subscription, letter);
    if (redrive && IsGone(context, subscription, letter)) {
      ++counts.trimmed;
    } else if (redrive && subscription.WillBeDelivered(source.partition, source.offset)) {
      ++counts.to_come;
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
    if (topic == nullptr) return false;  // No letter can be added to it.
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
  std::string prefix = DeadLetterPrefix(subscription.id());
  if (!query.selector.topic().empty()) {
    const std::shared_ptr<Topic> topic = context.topics.Find(query.selector.topic());
    if (topic == nullptr) return TopicNotFound(query.selector.topic());
    prefix = DeadLetterPrefix(subscription.id(), topic->id());
  }
  const bool reads = query.with_events || !query.selector.types().empty();
  std::string from = prefix;
  if (!after.empty()) {
    from = absl::HexStringToBytes(after);
    if (!absl::StartsWith(from, prefix)) {
      return InvalidField("page_token", "was not returned by ListDeadLetters");
    }
  }
  DeadLetterPage page;
  LetterReader reader(context, subscription);
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
    if (IsNotVisibleYet(context, letter.place)) return absl::OkStatus();
    if (reads) {
      ASSIGN_OR_RETURN(std::optional<v1::Event> event, reader.Read(letter));
      if (!PicksType(query.selector, event.has_value() ? event->type() : "")) {
        return absl::OkStatus();
      }
      if (query.with_events) {
        page.letters.push_back(Describe(context.topics, letter, std::move(event), query.with_data));
      }
    }
    page.found.push_back(std::move(letter));
    return absl::OkStatus();
  };
  std::string last = from;
  RETURN_IF_ERROR(context.store.ScanFrom(
      Column::kCursors, prefix, from, [&](absl::string_view key, absl::string_view value) {
        if (!after.empty() && key == from) return true;  // The last letter of the page before.
        if (page.found.size() == query.limit || ++looked_at > (reads ? kMaxRead : kMaxLookedAt)) {
          page.next = absl::BytesToHexString(last);
          return false;
        }
        if (query.bounds != nullptr) {
          const std::optional<CursorsKey> at = ParseCursorsKey(key);
          if (at.has_value() && query.bounds->Beyond({at->topic, at->partition, at->offset})) {
            // Later letters of the partition are beyond the bounds, too.
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
                                   absl::AnyInvocable<void(absl::StatusOr<LetterCounts>) &&> done)
    : context_(context),
      subscription_(std::move(subscription)),
      letters_(std::move(letters)),
      redrive_(redrive),
      done_(std::move(done)) {}

void CloseLettersTask::Prepare(CommitBuilder& commit) { refused_ = Close(commit); }

absl::Status CloseLettersTask::Close(CommitBuilder& commit) {
  if (subscription_->submitted().closing) return SubscriptionNotFound(subscription_->name());
  std::vector<const OpenDeadLetter*> open;
  for (const OpenDeadLetter& letter : letters_) {
    ASSIGN_OR_RETURN(const std::optional<std::string> record,
                     context_.store.Get(Column::kCursors, letter.key));
    // An earlier task of the same commit may have closed it.
    if (record.has_value() &&
        !subscription_->submitted().closing_dead_letters.contains(letter.key)) {
      open.push_back(&letter);
    }
  }
  if (redrive_) RETURN_IF_ERROR(CheckRoom(open));
  for (const OpenDeadLetter* letter : open) {
    const DeadLetterPlace source = SourceOf(*subscription_, *letter);
    if (redrive_ && IsGone(context_, *subscription_, *letter)) {
      ++counts_.trimmed;
      continue;
    }
    if (redrive_ &&
        !subscription_->Redrive(commit, source.partition, source.offset, letter->place)) {
      ++counts_.to_come;
      continue;
    }
    subscription_->submitted().closing_dead_letters.insert(letter->key);
    commit.Delete(Column::kCursors, letter->key);
    ++counts_.closed;
  }
  // The keys are needed until the commit is written; later commits find the change in the store.
  subscription_->NoteClosed(commit, static_cast<int64_t>(counts_.closed));
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

void CloseLettersTask::Done(const absl::Status& status) {
  if (const absl::Status outcome = OutcomeOf(refused_, status); !outcome.ok()) {
    std::move(done_)(outcome);
    return;
  }
  std::move(done_)(counts_);
}

}  // namespace eventhub
