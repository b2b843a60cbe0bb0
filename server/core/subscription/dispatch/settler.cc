#include "server/core/subscription/dispatch/settler.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/random/distributions.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "proto/wire/utf8.h"
#include "server/core/base/errors.h"
#include "server/core/subscription/dead_letter/fault_detail.h"
#include "server/core/subscription/dispatch/notices.h"
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

Settler::Settler(const DispatchContext& shared, Scheduler& scheduler,
                 const std::string& subscription, const std::string& topic)
    : shared_(shared),
      scheduler_(scheduler),
      subscription_(subscription),
      topic_(topic),
      random_(absl::Uniform<uint32_t>(absl::BitGen())) {}

absl::Status Settler::Refusal(const Consumer& consumer) const {
  return LeaseLost(subscription_, consumer.options.name);
}

void Settler::RefuseOutside(const PartitionCursor::Part& part, const PartitionCursor& cursor,
                            Offset from, Offset to, SettleWork& work) const {
  if (part == PartitionCursor::Part(from, to)) return;
  const uint32_t partition = cursor.id().value();
  auto refused = work.refusals.Of(partition, TooManyPendingRanges(subscription_, partition));
  if (from < part.first) refused(from, part.first);
  if (part.second < to) refused(part.second, to);
}

template <typename Part>
PartitionCursor* Settler::FindLeased(const Consumer& consumer, const Part& part, SettleWork& work) {
  const SettlePlace& place = work.place;
  Refusals& refusals = work.refusals;
  CursorSet& cursors = shared_.cursors;
  absl::Status refusal;
  PartitionCursor* cursor = nullptr;
  if (part.partition() >= cursors.size()) {
    refusal = PartitionNotFound(topic_, part.partition(), cursors.size());
  } else {
    cursor = cursors[part.partition()];
    if (!scheduler_.Serves(*cursor, consumer) || !cursor->Holds(part.lease_epoch()) ||
        consumer.closed) {
      refusal = Refusal(consumer);
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

bool Settler::Settle(Settling& settling, size_t* left, Aftermath* after) {
  Consumer& consumer = *settling.consumer;
  const v1::ConsumeRequest& request = settling.request;
  SettlePlace& place = settling.next;
  const int acks = request.acks_size();
  const int nacks = request.nacks_size();
  const int parts = acks + nacks + request.extensions_size();
  Refusals refusals(&settling.refused, place.looked_at);
  SettleWork work{refusals, place, *left};
  scheduler_.MarkResponsive(consumer, after);
  while (place.part < parts && work.left > 0) {
    const bool done =
        place.part < acks ? Ack(consumer, request.acks(place.part), work, after)
        : place.part < acks + nacks
            ? Nack(consumer, request.nacks(place.part - acks), work, after)
            : Extend(consumer, request.extensions(place.part - acks - nacks), work, after);
    if (!done) break;
    ++place.part;
    place.range = 0;
    place.from = 0;
  }
  place.looked_at = refusals.looked_at();
  return place.part == parts;
}

bool Settler::Ack(Consumer& consumer, const v1::Ack& ack, SettleWork& work, Aftermath* after) {
  PartitionCursor* const cursor = FindLeased(consumer, ack, work);
  if (cursor == nullptr) return true;
  const bool exact = IsExact(ack);
  auto refused = work.refusals.Of(ack.partition(), Refusal(consumer));
  Effects effects(after->commit);
  // A cumulative ack begins with the first event of the partition.
  const auto first = [exact](const v1::OffsetRange& range) { return exact ? range.start() : 0; };
  const bool done =
      InPieces(ack, cursor->pending(), /*whole=*/false, work, first,
               [&](Offset all_from, Offset from, Offset to) {
                 const size_t before = effects.looked_at;
                 if (!work.checked) {
                   const auto part = cursor->MaySettle(exact, consumer.id, from, to);
                   RefuseOutside(part, *cursor, from, to, work);
                   std::tie(from, to) = part;
                 }
                 cursor->Ack(exact, consumer.id, from, to, refused, &effects, all_from);
                 return effects.looked_at - before;
               });
  Count(consumer, effects, after->commit);
  if (effects.acked > 0) scheduler_.NoteAcked(*cursor, shared_.Now(), &effects);
  scheduler_.Conclude(*cursor, effects, after);
  return done;
}

void Settler::Count(const Consumer& consumer, const Effects& effects, int64_t commit) {
  if (effects.acked == 0 && effects.nacked == 0) return;
  CommitChanges::Entry& entry = shared_.cursors.InCommit(commit);
  entry.nacked += static_cast<uint64_t>(effects.nacked);
  if (entry.settled.empty() || entry.settled.back().consumer != consumer.id) {
    entry.settled.emplace_back().consumer = consumer.id;
  }
  CommitChanges::Settled& settled = entry.settled.back();
  settled.acked += static_cast<uint64_t>(effects.acked);
  settled.nacked += static_cast<uint64_t>(effects.nacked);
  settled.time = shared_.clock.Now();
}

absl::Status Settler::AckAll(const v1::TransactAcks& acks, Aftermath* after) {
  Consumer* const consumer = shared_.consumers.FindSession(acks.session());
  if (consumer == nullptr) {
    return LeaseLost(subscription_, absl::StrCat("of session ", acks.session()));
  }
  size_t left = kMaxTransactWork;
  for (const v1::Ack& ack : acks.acks()) RETURN_IF_ERROR(CheckAck(*consumer, ack, &left));
  scheduler_.MarkResponsive(*consumer, after);
  RefusedRanges refused;  // After the checks above, only duplicates are refused.
  Refusals refusals(&refused);
  size_t all = SIZE_MAX;
  for (const v1::Ack& ack : acks.acks()) {
    SettlePlace place;
    SettleWork whole{refusals, place, all, /*checked=*/true};
    Ack(*consumer, ack, whole, after);
  }
  return absl::OkStatus();
}

absl::Status Settler::CheckAck(const Consumer& consumer, const v1::Ack& ack, size_t* left) const {
  CursorSet& cursors = shared_.cursors;
  if (ack.partition() >= cursors.size()) {
    return PartitionNotFound(topic_, ack.partition(), cursors.size());
  }
  const PartitionCursor& cursor = *cursors[ack.partition()];
  bool leased = cursor.Holds(ack.lease_epoch());
  for (const v1::OffsetRange& range : ack.ranges()) {
    if (!IsRange(range)) {
      return InvalidField("acks.acks.ranges", "an offset range must be 0 <= start < end");
    }
    // If not exact, it includes all events before it.
    const Offset first(IsExact(ack) ? range.start() : 0);
    const size_t examined = cursor.pending().CountIn(first, Offset(range.end()), *left + 1);
    if (examined > *left) return TooMuchWork("acks.acks.ranges");
    *left -= examined;
    // Each range of events that is acked may have added one.
    const auto part = cursor.MaySettle(IsExact(ack), consumer.id, Offset(range.start()),
                                       Offset(range.end()), kMaxTransactWork - *left);
    if (part.first.value() != range.start()) {
      return TooManyPendingRanges(subscription_, ack.partition());
    }
    leased = leased && cursor.IsLeased(shared_.rules, ack.exact(), consumer.id,
                                       Offset(range.start()), Offset(range.end()));
  }
  return leased ? absl::OkStatus() : Refusal(consumer);
}

int64_t Settler::Backoff(uint32_t attempts) {
  const auto max_backoff = static_cast<double>(shared_.rules.max_backoff);
  const int doublings = static_cast<int>(std::min<uint32_t>(attempts, kMaxDoublings)) - 1;
  auto delay = static_cast<double>(shared_.rules.min_backoff);
  for (int i = 0; i < doublings && delay < max_backoff; ++i) delay *= 2;
  return static_cast<int64_t>(std::min(delay, max_backoff) * absl::Uniform(random_, 0.8, 1.0));
}

bool Settler::Nack(Consumer& consumer, const v1::Nack& nack, SettleWork& work, Aftermath* after) {
  Refusals& refusals = work.refusals;
  PartitionCursor* const cursor = FindLeased(consumer, nack, work);
  if (cursor == nullptr) return true;
  const int64_t now = shared_.Now();
  const int64_t asked = ClampedMicros(nack.retry_after());
  if (nack.has_retry_after() && (asked < 0 || asked > kMaxRetryDelay)) {
    work.Spend(static_cast<size_t>(nack.ranges_size()));
    for (const v1::OffsetRange& range : nack.ranges()) {
      refusals.Add(nack.partition(), range.start(), range.end(),
                   InvalidField("nacks.retry_after", "must be 0 to 7 days"));
    }
    return true;
  }
  if (const absl::Status valid = CheckFaults(nack); !valid.ok()) {
    work.Spend(static_cast<size_t>(nack.ranges_size()));
    for (const v1::OffsetRange& range : nack.ranges()) {
      refusals.Add(nack.partition(), range.start(), range.end(), valid);
    }
    return true;
  }
  const auto retry_at = [&](uint32_t attempts) {
    return now + (nack.has_retry_after() ? asked : Backoff(attempts));
  };
  const NackReason reason(wire::Shorten(nack.reason(), kMaxReasonBytes),
                          FaultsOf(nack, *consumer.requests));
  auto refused = refusals.Of(nack.partition(), Refusal(consumer));
  Effects effects(after->commit);
  const bool retries =
      nack.action() != v1::Nack::ACTION_PARK && nack.action() != v1::Nack::ACTION_SKIP;
  // A STREAM goes back to the first event of a range; a sweep takes back all later events.
  const bool whole = retries && !shared_.rules.queue;
  const auto carry = [&](Offset, Offset from, Offset to) {
    const size_t before = effects.looked_at;
    size_t left = work.left;
    if (whole) to = std::min(to, from + 1);
    const bool settles = nack.action() == v1::Nack::ACTION_SKIP;
    const auto part = settles ? cursor->MaySettle(/*exact=*/true, consumer.id, from, to)
                              : cursor->MayChange(consumer.id, from, to);
    RefuseOutside(part, *cursor, from, to, work);
    std::tie(from, to) = part;
    if (from == to) return size_t{0};
    if (nack.action() == v1::Nack::ACTION_PARK) {
      cursor->Park(consumer.id, from, to, reason, refused, &effects);
    } else if (nack.action() == v1::Nack::ACTION_SKIP) {
      cursor->Skip(consumer.id, from, to, refused, &effects);
    } else {
      effects.rewound = false;
      cursor->Retry(shared_.rules, consumer.id, nack.lease_epoch(), from, to, retry_at, now, reason,
                    refused, &effects, &left);
      // The consumer is woken when its credit is released.
      if (effects.rewound) NoteRewound(*cursor, from, consumer);
    }
    return effects.looked_at - before + (work.left - left);
  };
  const bool done = InPieces(nack, cursor->pending(), whole, work, StartOf, carry);
  Count(consumer, effects, after->commit);
  effects.more_to_deliver |= effects.nacked > 0;
  scheduler_.Conclude(*cursor, effects, after);
  return done;
}

bool Settler::Extend(Consumer& consumer, const v1::LeaseExtension& extension, SettleWork& work,
                     Aftermath* after) {
  PartitionCursor* const cursor = FindLeased(consumer, extension, work);
  if (cursor == nullptr) return true;
  int64_t time = shared_.rules.ack_deadline;
  if (extension.has_extension()) time = ClampedMicros(extension.extension());
  if (time < kMinExtension || time > kMaxExtension) {
    if (shared_.rules.ack_deadline == 0) return true;  // The lease has no deadline.
    work.refusals.Add(extension.partition(), 0, cursor->next().value(),
                      InvalidField("extensions.extension", "must be 100 ms to 12 h"));
    return true;
  }
  const int64_t due = shared_.Now() + time;
  after->SetAlarm(due);
  return scheduler_.ExtendLease(*cursor, due) ||
         ExtendEvents(*cursor, consumer, extension, due, work);
}

bool Settler::ExtendEvents(PartitionCursor& cursor, Consumer& consumer,
                           const v1::LeaseExtension& extension, int64_t due, SettleWork& work) {
  // Without ranges it applies to all leases, and nothing is refused.
  const bool named = !extension.ranges().empty();
  if (!named && cursor.next() == Offset(0)) return true;
  v1::LeaseExtension all;
  if (!named) {
    all.set_partition(extension.partition());
    all.add_ranges()->set_end(cursor.next().value());
  }
  auto refused = work.refusals.Of(extension.partition(), Refusal(consumer));
  const auto refuse = [&](Offset from, Offset to) {
    if (named) refused(from, to);
  };
  Effects effects;
  const auto carry = [&](Offset, Offset from, Offset to) {
    const size_t before = effects.looked_at;
    const auto part = cursor.MayChange(consumer.id, from, to);
    RefuseOutside(part, cursor, from, to, work);
    std::tie(from, to) = part;
    cursor.Extend(consumer.id, from, to, due, refuse, &effects);
    return effects.looked_at - before;
  };
  return InPieces(named ? extension : all, cursor.pending(), /*whole=*/false, work, StartOf, carry);
}

}  // namespace eventhub
