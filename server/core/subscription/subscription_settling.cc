// Acks, nacks and extensions, each at its place among the commits.
#include <algorithm>
#include <iterator>
#include <type_traits>

#include "absl/random/distributions.h"
#include "absl/strings/str_cat.h"
#include "proto/wire/utf8.h"
#include "server/core/base/errors.h"
#include "server/core/subscription/cursor_tasks.h"
#include "server/core/subscription/dispatch/settlement.h"
#include "server/core/subscription/subscription.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr size_t kMaxReasonBytes = 512;
constexpr int64_t kMinExtension = 100'000;                         // 100 ms.
constexpr int64_t kMaxExtension = int64_t{12} * 3600 * 1'000'000;  // 12 h.
constexpr int64_t kMaxRetryDelay = int64_t{7} * 24 * 3600 * 1'000'000;
constexpr int kMaxDoublings = 40;

// The number of pending ranges that a transaction may examine: it is done in one commit, so this
// bounds how long it delays other tasks.
constexpr size_t kMaxTransactWork = 5'000;

// Clamps a client's value, which may be anything.
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

// Calls `carry` for the ranges of a part of a request, continuing at `work.place`, in pieces: no
// call examines more pending ranges than `work.left`; `carry` returns the number examined. `first`
// returns where the first piece of a range starts. If `whole` is set, ranges are not split. Returns
// false if `work.left` is used up before the end.
template <typename Part, typename First>
bool InPieces(const Part& part, const PendingRanges& pending, bool whole, SettleWork& work,
              First first, absl::FunctionRef<size_t(Offset, Offset, Offset)> carry) {
  SettlePlace& place = work.place;
  for (; place.range < part.ranges_size(); ++place.range, place.from = 0) {
    const v1::OffsetRange& range = part.ranges(place.range);
    if (!IsRange(range)) {
      if (work.left == 0) return false;
      work.Spend(0);
      work.refusals.AddInvalid(part.partition(), range);
      continue;
    }
    int64_t from = std::max(place.from, first(range));
    while (from < range.end()) {
      if (work.left == 0) {
        place.from = from;
        return false;
      }
      v1::OffsetRange rest = range;
      rest.set_start(std::max(from, range.start()));
      if (work.refusals.TooMuch(part.partition(), rest)) break;
      const Offset end =
          whole ? Offset(range.end()) : pending.EndOf(work.left, Offset(from), Offset(range.end()));
      work.Spend(carry(Offset(from), Offset(std::max(from, range.start())), end));
      from = end.value();
    }
  }
  return true;
}

int64_t StartOf(const v1::OffsetRange& range) { return range.start(); }

}  // namespace

// Returns the cursor that a part of a request refers to; null, with all its ranges refused, if the
// consumer does not hold the lease epoch and partition that it names.
template <typename Part>
PartitionCursor* Subscription::FindLeased(const Consumer& consumer, const Part& part,
                                          SettleWork& work) {
  const SettlePlace& place = work.place;
  Refusals& refusals = work.refusals;
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
  work.Spend(static_cast<size_t>(part.ranges_size() - place.range));
  for (int i = place.range; i < part.ranges_size(); ++i) {
    const v1::OffsetRange& range = part.ranges(i);
    const int64_t from = i == place.range ? place.from : 0;
    refusals.Add(part.partition(), std::max(range.start(), from), range.end(), refusal);
  }
  if constexpr (std::is_same_v<Part, v1::LeaseExtension>) {
    // Without ranges it applies to all leases.
    const int64_t end = cursor == nullptr ? 0 : cursor->next().value();
    if (part.ranges().empty()) refusals.Add(part.partition(), 0, end, refusal);
  }
  return nullptr;
}

bool Subscription::SettleIn(CommitBuilder& commit, Settling& settling, size_t* left) {
  Aftermath after(commit);
  Consumer& consumer = *settling.consumer;
  const v1::ConsumeRequest& request = settling.request;
  SettlePlace& place = settling.next;
  const int acks = request.acks_size();
  const int nacks = request.nacks_size();
  const int parts = acks + nacks + request.extensions_size();
  {
    MutexLock lock(mutex_);
    Refusals refusals(&settling.settlement, place.looked_at);
    SettleWork work{refusals, place, *left};
    MarkResponsive(consumer, &after);
    while (place.part < parts && work.left > 0) {
      const bool done =
          place.part < acks ? AckIn(consumer, request.acks(place.part), work, &after)
          : place.part < acks + nacks
              ? NackIn(consumer, request.nacks(place.part - acks), work, &after)
              : ExtendIn(consumer, request.extensions(place.part - acks - nacks), work, &after);
      if (!done) break;
      ++place.part;
      place.range = 0;
      place.from = 0;
    }
    place.looked_at = refusals.looked_at();
  }
  std::move(after.park.begin(), after.park.end(), std::back_inserter(settling.parked));
  after.park.clear();
  CarryOutIn(commit, std::move(after));
  return place.part == parts;
}

bool Subscription::AckIn(Consumer& consumer, const v1::Ack& ack, SettleWork& work,
                         Aftermath* after) {
  PartitionCursor* const cursor = FindLeased(consumer, ack, work);
  if (cursor == nullptr) return true;
  const bool exact = rules_.queue || ack.exact();
  auto refused = work.refusals.Of(ack.partition(), LeaseLost(name_, consumer.options.name));
  Effects effects(after->commit);
  // A cumulative ack begins with the first event of the partition.
  const auto first = [exact](const v1::OffsetRange& range) { return exact ? range.start() : 0; };
  const bool done =
      InPieces(ack, cursor->pending(), /*whole=*/false, work, first,
               [&](Offset all_from, Offset from, Offset to) {
                 const size_t before = effects.looked_at;
                 cursor->Ack(exact, consumer.id, from, to, refused, &effects, all_from);
                 return effects.looked_at - before;
               });
  NoteSettled(consumer, effects, after->commit);
  if (effects.acked > 0) {
    cursor->lease_due = Now() + rules_.ack_deadline;
    // A STREAM goes on after its last attempt.
    effects.more_to_deliver |= rules_.max_attempts > 0 && !rules_.queue;
  }
  Conclude(*cursor, effects, after);
  return done;
}

void Subscription::NoteSettled(const Consumer& consumer, const Effects& effects, int64_t commit) {
  if (effects.acked == 0 && effects.nacked == 0) return;
  CommitChanges::Entry& entry = in_commit_.Of(commit);
  entry.nacked += static_cast<uint64_t>(effects.nacked);
  if (entry.settled.empty() || entry.settled.back().consumer != consumer.id) {
    entry.settled.emplace_back().consumer = consumer.id;
  }
  CommitChanges::Settled& settled = entry.settled.back();
  settled.acked += static_cast<uint64_t>(effects.acked);
  settled.nacked += static_cast<uint64_t>(effects.nacked);
  settled.time = context_.clock.Now();
}

absl::Status Subscription::CheckAck(const Consumer& consumer, const v1::Ack& ack,
                                    size_t* left) const {
  if (ack.partition() >= cursors_.size()) {
    return PartitionNotFound(topic_->name(), ack.partition(), cursors_.size());
  }
  const PartitionCursor& cursor = *cursors_[ack.partition()];
  bool leased = cursor.Holds(ack.lease_epoch());
  for (const v1::OffsetRange& range : ack.ranges()) {
    if (!IsRange(range)) {
      return InvalidField("acks.acks.ranges", "an offset range has to be 0 <= start < end");
    }
    const bool exact = rules_.queue || ack.exact();
    // If not exact, it includes all events before it.
    const Offset first(exact ? range.start() : 0);
    const size_t looks_at = cursor.pending().CountIn(first, Offset(range.end()), *left + 1);
    if (looks_at > *left) return TooMuchWork("acks.acks.ranges");
    *left -= looks_at;
    leased = leased && cursor.IsLeased(rules_, ack.exact(), consumer.id, Offset(range.start()),
                                       Offset(range.end()));
  }
  return leased ? absl::OkStatus() : LeaseLost(name_, consumer.options.name);
}

absl::Status Subscription::AckAll(CommitBuilder& commit, const v1::TransactAcks& acks) {
  Aftermath after(commit);
  {
    // Held throughout: a consumer may disconnect at any moment, which ends its leases.
    MutexLock lock(mutex_);
    Consumer* const consumer = consumers_.FindSession(acks.session());
    if (consumer == nullptr) return LeaseLost(name_, absl::StrCat("of session ", acks.session()));
    size_t left = kMaxTransactWork;
    for (const v1::Ack& ack : acks.acks()) RETURN_IF_ERROR(CheckAck(*consumer, ack, &left));
    MarkResponsive(*consumer, &after);
    v1::Settlement settlement;  // After the checks above, only duplicates are refused.
    Refusals refusals(&settlement);
    size_t all = SIZE_MAX;
    for (const v1::Ack& ack : acks.acks()) {
      SettlePlace place;
      SettleWork whole{refusals, place, all};
      AckIn(*consumer, ack, whole, &after);
    }
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

bool Subscription::NackIn(Consumer& consumer, const v1::Nack& nack, SettleWork& work,
                          Aftermath* after) {
  Refusals& refusals = work.refusals;
  PartitionCursor* const cursor = FindLeased(consumer, nack, work);
  if (cursor == nullptr) return true;
  const int64_t now = Now();
  const int64_t asked = ClampedMicros(nack.retry_after());
  if (nack.has_retry_after() && (asked < 0 || asked > kMaxRetryDelay)) {
    work.Spend(static_cast<size_t>(nack.ranges_size()));
    for (const v1::OffsetRange& range : nack.ranges()) {
      refusals.Add(nack.partition(), range.start(), range.end(),
                   InvalidField("nacks.retry_after", "has to be 0 to 7 days"));
    }
    return true;
  }
  const auto retry_at = [&](uint32_t attempts) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return now + (nack.has_retry_after() ? asked : Backoff(attempts));
  };
  const absl::string_view reason = wire::Shorten(nack.reason(), kMaxReasonBytes);
  auto refused = refusals.Of(nack.partition(), LeaseLost(name_, consumer.options.name));
  Effects effects(after->commit);
  // A STREAM goes back to the first event of a range; a sweep takes back all later events.
  const bool retries =
      nack.action() != v1::Nack::ACTION_PARK && nack.action() != v1::Nack::ACTION_SKIP;
  const auto carry = [&](Offset, Offset from, Offset to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const size_t before = effects.looked_at;
    size_t left = work.left;
    if (nack.action() == v1::Nack::ACTION_PARK) {
      cursor->Park(consumer.id, from, to, reason, refused, &effects);
    } else if (nack.action() == v1::Nack::ACTION_SKIP) {
      cursor->Skip(consumer.id, from, to, refused, &effects);
    } else {
      effects.rewound = false;
      cursor->Retry(rules_, consumer.id, nack.lease_epoch(), from, to, retry_at, now, reason,
                    refused, &effects, &left);
      if (effects.rewound) NoteRewound(consumer, *cursor, from);
    }
    return effects.looked_at - before + (work.left - left);
  };
  const bool done =
      InPieces(nack, cursor->pending(), retries && !rules_.queue, work, StartOf, carry);
  NoteSettled(consumer, effects, after->commit);
  effects.more_to_deliver |= effects.nacked > 0;
  Conclude(*cursor, effects, after);
  return done;
}

void Subscription::NoteRewound(Consumer& consumer, const PartitionCursor& cursor, Offset to) {
  v1::PartitionOffset& rewound = *consumer.notices.add_rewound();
  rewound.set_partition(cursor.id().value());
  rewound.set_offset(to.value());
  consumer.has_notices = true;  // It is woken when its credit is released.
}

bool Subscription::ExtendIn(Consumer& consumer, const v1::LeaseExtension& extension,
                            SettleWork& work, Aftermath* after) {
  Refusals& refusals = work.refusals;
  PartitionCursor* const cursor = FindLeased(consumer, extension, work);
  if (cursor == nullptr) return true;
  int64_t time = rules_.ack_deadline;
  if (extension.has_extension()) time = ClampedMicros(extension.extension());
  if (time < kMinExtension || time > kMaxExtension) {
    if (!rules_.queue && rules_.ack_deadline == 0) return true;  // The lease has no deadline.
    refusals.Add(extension.partition(), 0, cursor->next().value(),
                 InvalidField("extensions.extension", "has to be 100 ms to 12 h"));
    return true;
  }
  const int64_t due = Now() + time;
  Effects effects;
  bool done = true;
  if (!rules_.queue) {
    cursor->lease_due = due;
  } else {
    // Without ranges it applies to all leases, and nothing is refused.
    v1::LeaseExtension all;
    all.set_partition(extension.partition());
    *all.add_ranges() = AllBefore(cursor->next());
    const bool named = !extension.ranges().empty();
    auto refused = refusals.Of(extension.partition(), LeaseLost(name_, consumer.options.name));
    const auto refuse = [&](Offset from, Offset to) {
      if (named) refused(from, to);
    };
    const auto carry = [&](Offset, Offset from, Offset to) {
      const size_t before = effects.looked_at;
      cursor->Extend(consumer.id, from, to, due, refuse, &effects);
      return effects.looked_at - before;
    };
    if (named || cursor->next() > Offset(0)) {
      done = InPieces(named ? extension : all, cursor->pending(), /*whole=*/false, work, StartOf,
                      carry);
    }
  }
  SetAlarm(due, after);
  return done;
}

void Subscription::Settle(const std::shared_ptr<Consumer>& consumer, v1::ConsumeRequest request) {
  bool synced;
  {
    MutexLock lock(mutex_);
    ++consumer->unsettled;
    synced = visible_settings().ack_durability() == v1::DURABILITY_SYNCED;
  }
  context_.writer.Submit(std::make_unique<SettleTask>(
      context_, shared_from_this(),
      std::make_shared<Settling>(consumer, std::move(request), synced)));
}

void Subscription::Settled(const std::shared_ptr<Consumer>& consumer, v1::Settlement settlement) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer->closed) return;
    *consumer->notices.add_settlements() = std::move(settlement);
    consumer->has_notices = true;
    consumers_.Wake(*consumer, &after.wake);
  }
  CarryOut(std::move(after));
}

}  // namespace eventhub
