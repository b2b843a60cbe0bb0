#include "server/core/delayed/delayed_events.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/stored_time.h"
#include "server/core/erasure/open_events.h"
#include "server/core/event/event_slice.h"
#include "server/core/publish/delayed_record.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kMaxPageBytes = size_t{1} << 20;
constexpr int kMaxCancels = 10'000;
// The limit per commit: the values, of up to 16 MiB each, are read on the commit thread.
constexpr size_t kCancelsPerCommit = 16;

// The delay after the store failed. After a topic refused, it doubles with each attempt, up to
// kLastReleaseRetry.
constexpr absl::Duration kReleaseRetry = absl::Seconds(1);
constexpr absl::Duration kLastReleaseRetry = absl::Seconds(10);

// Rounds a time up to whole microseconds; `otherwise` if it is absent.
absl::StatusOr<int64_t> MicrosOf(const char* field, bool present,
                                 const google::protobuf::Timestamp& time, int64_t otherwise) {
  if (!present) return otherwise;
  if (time.seconds() < TimeUtil::kTimestampMinSeconds ||
      time.seconds() > TimeUtil::kTimestampMaxSeconds || time.nanos() < 0 ||
      time.nanos() > 999'999'999) {
    return InvalidField(field, "is not a valid timestamp");
  }
  const int64_t micros = time.seconds() * 1'000'000 + (int64_t{time.nanos()} + 999) / 1000;
  return std::max(micros, int64_t{0});
}

absl::Status Describe(const DelayedKey& key, absl::string_view value, KeyRing* keys,
                      v1::DelayedEvent* event) {
  ASSIGN_OR_RETURN(const DelayedRecord record, DelayedRecord::Decode(value));
  SlicedEvent sliced;
  const SharedBytes region = SharedBytes::Copy(record.event);
  EventWalker walker(region);
  if (!IsStoredTime(key.due_micros) || !walker.Next(&sliced) ||
      !event->mutable_event()->ParseFromArray(sliced.message.data(),
                                              static_cast<int>(sliced.message.size()))) {
    return absl::DataLossError("a delayed event is damaged");
  }
  RETURN_IF_ERROR(OpenSealed(keys, event->mutable_event()));
  event->set_delay_id(DelayIdOf(key));
  *event->mutable_due_time() = TimeUtil::MicrosecondsToTimestamp(key.due_micros);
  *event->mutable_accept_time() = TimeUtil::MicrosecondsToTimestamp(record.accept_micros);
  if (record.partition.has_value()) event->set_partition(record.partition->value());
  return absl::OkStatus();
}

// A request to cancel events.
struct TakeBack {
  DelayedTable& table;
  LogWriter& writer;
  const std::shared_ptr<Topic> topic;
  const std::vector<std::string> keys;
  CancelDelayedDone done;
  size_t next = 0;
  v1::CancelDelayedEventsResponse response{};
};

// Cancels the next events of a request, and submits the task for the rest.
class CancelDelayedTask final : public CommitTask {
 public:
  explicit CancelDelayedTask(std::unique_ptr<TakeBack> request) : request_(std::move(request)) {}

  void Prepare(CommitBuilder& commit) override { refused_ = Cancel(commit); }

  void Done(const absl::Status& status) override {
    const absl::Status outcome = OutcomeOf(refused_, status);
    if (!outcome.ok()) {
      std::move(request_->done)(outcome);
    } else if (request_->next == request_->keys.size()) {
      std::move(request_->done)(std::move(request_->response));
    } else {
      LogWriter& writer = request_->writer;
      writer.Submit(std::make_unique<CancelDelayedTask>(std::move(request_)));
    }
  }

  size_t bytes() const override { return 0; }
  bool synced() const override { return true; }

 private:
  absl::Status Cancel(CommitBuilder& commit) {
    if (request_->topic->closing()) return TopicNotFound(request_->topic->name());
    const size_t end = std::min(request_->keys.size(), request_->next + kCancelsPerCommit);
    const std::vector<std::string> keys(
        request_->keys.begin() + static_cast<std::ptrdiff_t>(request_->next),
        request_->keys.begin() + static_cast<std::ptrdiff_t>(end));
    ASSIGN_OR_RETURN(const uint32_t cancelled,
                     request_->table.Cancel(*request_->topic, keys, commit));
    request_->response.set_cancelled(request_->response.cancelled() + cancelled);
    request_->next = end;
    return absl::OkStatus();
  }

  std::unique_ptr<TakeBack> request_;
  absl::Status refused_;
};

}  // namespace

DelayedEvents::DelayedEvents(const LogStore& store, LogWriter& writer, const Clock& clock,
                             const TopicCatalog& topics, const AdminLog& admin_log,
                             uint64_t generation, DelayedEventsOptions options)
    : store_(store),
      writer_(writer),
      clock_(clock),
      topics_(topics),
      admin_log_(admin_log),
      options_(std::move(options)),
      schedule_(clock),
      table_(std::make_shared<DelayedTable>(store, clock, generation, schedule_)) {}

DelayedEvents::~DelayedEvents() { Stop(); }

absl::Status DelayedEvents::Load() {
  absl::flat_hash_map<TopicId, std::shared_ptr<Topic>> topics;
  for (std::shared_ptr<Topic>& topic : topics_.List("", SIZE_MAX)) {
    const TopicId id = topic->id();
    topics.emplace(id, std::move(topic));
  }
  // Jumps from the count of each topic with delayed events to its first event, then to the next
  // topic.
  absl::Status damage;
  std::string from;
  for (bool more = true; more && damage.ok();) {
    more = false;
    Topic* counted = nullptr;
    RETURN_IF_ERROR(store_.ScanFrom(
        Column::kDelayed, "", from, [&](absl::string_view key, absl::string_view value) {
          more = true;
          const TopicId id = key.size() < sizeof(uint32_t) ? TopicId(0) : TopicIdOfPrefix(key);
          const auto topic = topics.find(id);
          if (topic == topics.end()) {
            damage = absl::DataLossError(absl::StrCat("delayed events exist for topic ", id.value(),
                                                      ", which does not exist"));
            return false;
          }
          from = PrefixEnd(TopicPrefix(id));
          if (key.size() == sizeof(uint32_t)) {
            const absl::StatusOr<uint64_t> count = DecodeDelayedCount(value);
            damage = count.status();
            if (!damage.ok()) return false;
            counted = topic->second.get();
            counted->set_pending_delayed(*count);
            counted->delayed_events().Load(static_cast<int64_t>(*count));
            return true;
          }
          const std::optional<DelayedKey> parsed = ParseDelayedKey(key);
          if (!parsed.has_value() || counted != topic->second.get()) {
            damage = absl::DataLossError(
                absl::StrCat("the delayed events of topic ", id.value(), " are damaged"));
            return false;
          }
          schedule_.Add(topic->second, parsed->due_micros);
          return false;
        }));
  }
  RETURN_IF_ERROR(damage);
  if (options_.run) {
    thread_ = std::thread([this] {
      while (schedule_.Wait()) RunDue();
    });
  }
  return absl::OkStatus();
}

void DelayedEvents::Stop() {
  schedule_.Stop();
  if (thread_.joinable()) thread_.join();
}

void DelayedEvents::RunDue() {
  while (!schedule_.stopped()) {
    const std::optional<DelayedSchedule::Entry> entry = schedule_.TakeDue();
    if (!entry.has_value()) return;
    RunPiece(*entry);
  }
}

void DelayedEvents::RunPiece(const DelayedSchedule::Entry& entry) {
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  absl::StatusOr<DuePiece> piece = ReadPiece(entry, now);
  if (!piece.ok()) {
    Postpone(entry, piece.status(), /*by_topic=*/false);
    if (absl::IsDataLoss(piece.status())) options_.on_error(piece.status());
    return;
  }
  const std::optional<int64_t> next_due = piece->next_due;
  const absl::Status released = Commit([&](StatusDone done) {
    return std::make_unique<ReleaseTask>(*table_, entry.topic, *std::move(piece), std::move(done));
  });
  if (!released.ok()) {
    Postpone(entry, released, /*by_topic=*/true);
    return;
  }
  {
    MutexLock lock(mutex_);
    refusals_.erase(entry.topic->id());
  }
  // Behind the topics that are waiting.
  if (next_due.has_value()) schedule_.Add(entry.topic, *next_due, now);
}

void DelayedEvents::Postpone(const DelayedSchedule::Entry& entry, const absl::Status& why,
                             bool by_topic) {
  absl::Duration delay = kReleaseRetry;
  {
    MutexLock lock(mutex_);
    // Drop topics that were deleted meanwhile.
    absl::erase_if(refusals_, [](const auto& known) { return known.second.topic.expired(); });
    Refusal& refusal = refusals_[entry.topic->id()];
    refusal.topic = entry.topic;
    refusal.why = std::string(why.message());
    if (by_topic) delay = std::min(kLastReleaseRetry, delay * (1 << std::min(refusal.attempts, 8)));
    refusal.attempts = by_topic ? refusal.attempts + 1 : 0;
  }
  schedule_.Add(entry.topic, entry.due, absl::ToUnixMicros(clock_.Now() + delay));
}

std::string DelayedEvents::RefusalOf(TopicId topic) const {
  MutexLock lock(mutex_);
  const auto it = refusals_.find(topic);
  return it == refusals_.end() ? "" : it->second.why;
}

absl::StatusOr<DuePiece> DelayedEvents::ReadPiece(const DelayedSchedule::Entry& entry,
                                                  int64_t now) {
  RETURN_IF_ERROR(options_.writable());
  RETURN_IF_ERROR(Commit([this](StatusDone done) {
    return std::make_unique<BeginReadingTask>(*table_, std::move(done));
  }));
  return ReadDue(store_, *entry.topic, entry.due, now);
}

absl::Status DelayedEvents::Commit(
    absl::FunctionRef<std::unique_ptr<CommitTask>(StatusDone)> make) {
  return AwaitOutcome([&](StatusDone done) { writer_.Submit(make(std::move(done)), flow_); });
}

absl::StatusOr<v1::ListDelayedEventsResponse> DelayedEvents::List(
    const Caller& /*caller*/, const v1::ListDelayedEventsRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic, topics_.Require("topic", request.topic()));
  ASSIGN_OR_RETURN(const int64_t due_from,
                   MicrosOf("due_from", request.has_due_from(), request.due_from(), 0));
  ASSIGN_OR_RETURN(const int64_t due_before, MicrosOf("due_before", request.has_due_before(),
                                                      request.due_before(), INT64_MAX));
  std::string from = DelayedKey{topic->id(), due_from, 0}.Encode();
  if (!request.page_token().empty()) {
    const std::optional<DelayedKey> next = ParseDelayId(topic->id(), request.page_token());
    if (!next.has_value())
      return InvalidField("page_token", "was not returned by ListDelayedEvents");
    from = std::max(from, next->Encode());
  }
  const size_t size = PageSize(request.page_size());
  const std::string refusal = RefusalOf(topic->id());
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  v1::ListDelayedEventsResponse response;
  size_t bytes = 0;
  absl::Status damage;
  RETURN_IF_ERROR(
      store_.ScanFrom(Column::kDelayed, TopicPrefix(topic->id()), from,
                      [&](absl::string_view encoded, absl::string_view value) {
                        const std::optional<DelayedKey> key = ParseDelayedKey(encoded);
                        if (!key.has_value()) {
                          damage = absl::DataLossError("the key of a delayed event is damaged");
                          return false;
                        }
                        if (key->due_micros >= due_before) return false;
                        const auto count = static_cast<size_t>(response.events_size());
                        if (count == size || (count > 0 && bytes + value.size() > kMaxPageBytes)) {
                          response.set_next_page_token(DelayIdOf(*key));
                          return false;
                        }
                        bytes += value.size();
                        v1::DelayedEvent& event = *response.add_events();
                        if (key->due_micros <= now) event.set_refusal(refusal);
                        damage = Describe(*key, value, topic->keys(), &event);
                        return damage.ok();
                      }));
  RETURN_IF_ERROR(damage);
  // An event that is no longer listed must be visible in the log to readers.
  RETURN_IF_ERROR(OutcomeOf({}, writer_.AwaitVisible()));
  return response;
}

void DelayedEvents::Cancel(const Caller& caller, const v1::CancelDelayedEventsRequest& request,
                           CancelDelayedDone done) {
  const absl::StatusOr<std::shared_ptr<Topic>> topic = topics_.Require("topic", request.topic());
  if (!topic.ok()) {
    std::move(done)(topic.status());
    return;
  }
  if (request.delay_ids().empty() || request.delay_ids_size() > kMaxCancels) {
    std::move(done)(InvalidField("delay_ids", "must be 1 to 10,000"));
    return;
  }
  std::vector<std::string> keys;
  for (int i = 0; i < request.delay_ids_size(); ++i) {
    const std::optional<DelayedKey> key = ParseDelayId((*topic)->id(), request.delay_ids(i));
    if (!key.has_value()) {
      std::move(done)(InvalidField(absl::StrCat("delay_ids[", i, "]"), "is not a delay_id"));
      return;
    }
    keys.push_back(key->Encode());
  }
  done = admin_log_.NotingParts(
      caller,
      absl::StrCat("cancelled ", keys.size(), " delayed events of topic ", (*topic)->name()),
      std::move(done));
  writer_.Submit(std::make_unique<CancelDelayedTask>(std::make_unique<TakeBack>(
      TakeBack{*table_, writer_, *topic, std::move(keys), std::move(done)})));
}

}  // namespace eventhub
