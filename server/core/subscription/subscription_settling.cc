// Acks, nacks and extensions, in their place among the commits.
#include <algorithm>
#include <type_traits>

#include "absl/random/distributions.h"
#include "absl/strings/str_cat.h"
#include "server/core/errors.h"
#include "server/core/subscription/cursor_tasks.h"
#include "server/core/subscription/settlement.h"
#include "server/core/subscription/subscription.h"
#include "server/core/utf8.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr size_t kMaxReasonBytes = 512;
constexpr int64_t kMinExtension = 100'000;                         // 100 ms.
constexpr int64_t kMaxExtension = int64_t{12} * 3600 * 1'000'000;  // 12 h.
constexpr int64_t kMaxRetryDelay = int64_t{7} * 24 * 3600 * 1'000'000;
constexpr int kMaxDoublings = 40;

// Of what a consumer asks, so of any value at all.
int64_t ClampedMicros(const google::protobuf::Duration& duration) {
  constexpr int64_t kLimit = int64_t{1} << 40;
  return std::clamp<int64_t>(duration.seconds(), -kLimit, kLimit) * 1'000'000 +
         duration.nanos() / 1000;
}

v1::OffsetRange AllBefore(Offset end) {
  v1::OffsetRange range;
  range.set_end(end.value());
  return range;
}

bool IsRange(const v1::OffsetRange& range) {
  return range.start() >= 0 && range.start() < range.end();
}

}  // namespace

// The cursor that a part of a request is about; null, with all its ranges refused, if the consumer
// does not have what it says.
template <typename Part>
PartitionCursor* Subscription::FindLeased(const Consumer& consumer, const Part& part,
                                          Refusals& refusals) {
  absl::Status refusal;
  PartitionCursor* cursor = nullptr;
  if (part.partition() >= cursors_.size()) {
    refusal = PartitionNotFound(topic_->name(), part.partition(), cursors_.size());
  } else {
    cursor = cursors_[part.partition()].get();
    const bool owned = rules_.queue || cursor->owner == consumer.id;
    if (!owned || !cursor->Holds(part.lease_epoch()) || consumer.closed) {
      refusal = LeaseLost(name_, consumer.options.name);
    }
  }
  if (refusal.ok()) return cursor;
  for (const v1::OffsetRange& range : part.ranges()) {
    refusals.Add(part.partition(), range.start(), range.end(), refusal);
  }
  if constexpr (std::is_same_v<Part, v1::LeaseExtension>) {
    // Without ranges it is of all that is out.
    const int64_t end = cursor == nullptr ? 0 : cursor->next().value();
    if (part.ranges().empty()) refusals.Add(part.partition(), 0, end, refusal);
  }
  return nullptr;
}

std::vector<Parked> Subscription::SettleIn(CommitBuilder& commit, Consumer& consumer,
                                           const v1::ConsumeRequest& request,
                                           v1::Settlement* settlement) {
  Aftermath after(commit);
  {
    MutexLock lock(mutex_);
    Refusals refusals(settlement);
    Trust(consumer, &after);
    for (const v1::Ack& ack : request.acks()) AckIn(consumer, ack, refusals, &after);
    for (const v1::Nack& nack : request.nacks()) NackIn(consumer, nack, refusals, &after);
    for (const v1::LeaseExtension& e : request.extensions()) {
      ExtendIn(consumer, e, refusals, &after);
    }
  }
  std::vector<Parked> parked = std::move(after.park);
  after.park.clear();
  CarryOutIn(commit, std::move(after));
  return parked;
}

void Subscription::AckIn(Consumer& consumer, const v1::Ack& ack, Refusals& refusals,
                         Aftermath* after) {
  PartitionCursor* const cursor = FindLeased(consumer, ack, refusals);
  if (cursor == nullptr) return;
  Effects effects;
  for (const v1::OffsetRange& range : ack.ranges()) {
    if (!IsRange(range)) {
      refusals.AddInvalid(ack.partition(), range);
      continue;
    }
    if (refusals.TooMuch(ack.partition(), range)) continue;
    const size_t before = effects.looked_at;
    cursor->Ack(rules_.queue || ack.exact(), consumer.id, Offset(range.start()),
                Offset(range.end()),
                refusals.Of(ack.partition(), LeaseLost(name_, consumer.options.name)), &effects);
    refusals.Spend(effects.looked_at - before);
  }
  if (effects.acked > 0) {
    consumer.acked += static_cast<uint64_t>(effects.acked);
    consumer.last_ack = counters_.last_ack = context_.clock.Now();
    cursor->lease_due = Now() + rules_.ack_deadline;
    // A STREAM goes on after its last attempt.
    effects.more_to_deliver |= rules_.max_attempts > 0 && !rules_.queue;
  }
  Conclude(*cursor, effects, after);
}

Consumer* Subscription::FindSession(uint64_t session) const {
  for (const auto& [id, consumer] : consumers_) {
    if (consumer->session == session) return consumer.get();
  }
  return nullptr;
}

absl::Status Subscription::CheckAck(const Consumer& consumer, const v1::Ack& ack,
                                    AckWork* work) const {
  if (ack.partition() >= cursors_.size()) {
    return PartitionNotFound(topic_->name(), ack.partition(), cursors_.size());
  }
  const PartitionCursor& cursor = *cursors_[ack.partition()];
  bool leased = cursor.Holds(ack.lease_epoch());
  for (const v1::OffsetRange& range : ack.ranges()) {
    if (!IsRange(range)) {
      return InvalidField("acks.acks.ranges", "an offset range has to be 0 <= start < end");
    }
    const size_t pending = cursor.pending().map().size();
    const size_t all = pending + 2 * work->ranges++;
    work->looked_at += std::min(all, static_cast<size_t>(range.end() - range.start()));
    if (!rules_.queue && !ack.exact()) work->looked_at += all;  // All before it, too.
    if (work->looked_at > Refusals::kMaxWork) return TooMuchWork("acks.acks.ranges");
    leased = leased && cursor.IsLeased(rules_, ack.exact(), consumer.id, Offset(range.start()),
                                       Offset(range.end()));
  }
  return leased ? absl::OkStatus() : LeaseLost(name_, consumer.options.name);
}

absl::Status Subscription::AckAll(CommitBuilder& commit, const v1::TransactAcks& acks) {
  Aftermath after(commit);
  {
    // Under one lock: a consumer may go away at any moment, and its leases with it.
    MutexLock lock(mutex_);
    Consumer* const consumer = FindSession(acks.session());
    if (consumer == nullptr) return LeaseLost(name_, absl::StrCat("of session ", acks.session()));
    AckWork work;
    for (const v1::Ack& ack : acks.acks()) RETURN_IF_ERROR(CheckAck(*consumer, ack, &work));
    Trust(*consumer, &after);
    v1::Settlement settlement;  // By the above it refuses only what is named twice.
    Refusals refusals(&settlement);
    for (const v1::Ack& ack : acks.acks()) AckIn(*consumer, ack, refusals, &after);
  }
  CarryOutIn(commit, std::move(after));
  return absl::OkStatus();
}

int64_t Subscription::Backoff(uint32_t attempts) {
  const int doublings = static_cast<int>(std::min<uint32_t>(attempts, kMaxDoublings)) - 1;
  double delay = static_cast<double>(rules_.min_backoff);
  for (int i = 0; i < doublings && delay < static_cast<double>(rules_.max_backoff); ++i) delay *= 2;
  delay = std::min(delay, static_cast<double>(rules_.max_backoff));
  return static_cast<int64_t>(delay * absl::Uniform(random_, 0.8, 1.0));
}

void Subscription::NackIn(Consumer& consumer, const v1::Nack& nack, Refusals& refusals,
                          Aftermath* after) {
  PartitionCursor* const cursor = FindLeased(consumer, nack, refusals);
  if (cursor == nullptr) return;
  const int64_t now = Now();
  const int64_t asked = ClampedMicros(nack.retry_after());
  if (nack.has_retry_after() && (asked < 0 || asked > kMaxRetryDelay)) {
    for (const v1::OffsetRange& range : nack.ranges()) {
      refusals.Add(nack.partition(), range.start(), range.end(),
                   InvalidField("nacks.retry_after", "has to be 0 to 7 days"));
    }
    return;
  }
  const auto retry_at = [&](uint32_t attempts) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return now + (nack.has_retry_after() ? asked : Backoff(attempts));
  };
  const absl::string_view reason = Shorten(nack.reason(), kMaxReasonBytes);
  auto refused = refusals.Of(nack.partition(), LeaseLost(name_, consumer.options.name));
  Effects effects;
  for (const v1::OffsetRange& range : nack.ranges()) {
    const Offset from(range.start());
    const Offset to(range.end());
    const size_t before = effects.looked_at;
    if (!IsRange(range)) {
      refusals.AddInvalid(nack.partition(), range);
    } else if (refusals.TooMuch(nack.partition(), range)) {
      continue;
    } else if (nack.action() == v1::Nack::ACTION_PARK) {
      cursor->Park(consumer.id, from, to, reason, refused, &effects);
    } else if (nack.action() == v1::Nack::ACTION_SKIP) {
      cursor->Skip(consumer.id, from, to, refused, &effects);
    } else {
      effects.rewound = false;
      cursor->Retry(rules_, consumer.id, nack.lease_epoch(), from, to, retry_at, now, reason,
                    refused, &effects);
      if (effects.rewound) NoteRewound(consumer, *cursor, from);
    }
    refusals.Spend(effects.looked_at - before);
  }
  consumer.nacked += static_cast<uint64_t>(effects.nacked);
  effects.more_to_deliver |= effects.nacked > 0;
  Conclude(*cursor, effects, after);
}

void Subscription::NoteRewound(Consumer& consumer, const PartitionCursor& cursor, Offset to) {
  v1::PartitionOffset& rewound = *consumer.notices.add_rewound();
  rewound.set_partition(cursor.id().value());
  rewound.set_offset(to.value());
  consumer.has_notices = true;  // It is woken by what is released.
}

void Subscription::ExtendIn(Consumer& consumer, const v1::LeaseExtension& extension,
                            Refusals& refusals, Aftermath* after) {
  PartitionCursor* const cursor = FindLeased(consumer, extension, refusals);
  if (cursor == nullptr) return;
  int64_t time = rules_.ack_deadline;
  if (extension.has_extension()) time = ClampedMicros(extension.extension());
  if (time < kMinExtension || time > kMaxExtension) {
    if (!rules_.queue && rules_.ack_deadline == 0) return;  // Such a lease has no end.
    refusals.Add(extension.partition(), 0, cursor->next().value(),
                 InvalidField("extensions.extension", "has to be 100 ms to 12 h"));
    return;
  }
  const int64_t due = Now() + time;
  Effects effects;
  if (!rules_.queue) {
    cursor->lease_due = due;
  } else if (extension.ranges().empty()) {
    if (refusals.TooMuch(extension.partition(), AllBefore(cursor->next()))) return;
    cursor->Extend(
        consumer.id, Offset(0), cursor->next(), due, [](Offset, Offset) {}, &effects);
    refusals.Spend(effects.looked_at);
  } else {
    auto refused = refusals.Of(extension.partition(), LeaseLost(name_, consumer.options.name));
    for (const v1::OffsetRange& range : extension.ranges()) {
      if (!IsRange(range)) {
        refusals.AddInvalid(extension.partition(), range);
        continue;
      }
      if (refusals.TooMuch(extension.partition(), range)) continue;
      const size_t before = effects.looked_at;
      cursor->Extend(consumer.id, Offset(range.start()), Offset(range.end()), due, refused,
                     &effects);
      refusals.Spend(effects.looked_at - before);
    }
  }
  SetAlarm(due, after);
}

void Subscription::Settle(const std::shared_ptr<Consumer>& consumer, v1::ConsumeRequest request) {
  bool synced;
  {
    MutexLock lock(mutex_);
    ++consumer->unsettled;
    synced = record_.settings().ack_durability() == v1::DURABILITY_SYNCED;
  }
  context_.writer.Submit(std::make_unique<SettleTask>(context_, shared_from_this(), consumer,
                                                      std::move(request), synced));
}

void Subscription::Settled(const std::shared_ptr<Consumer>& consumer, v1::Settlement settlement) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer->closed) return;
    *consumer->notices.add_settlements() = std::move(settlement);
    consumer->has_notices = true;
    WakeConsumer(*consumer, &after);
  }
  CarryOut(std::move(after));
}

}  // namespace eventhub
