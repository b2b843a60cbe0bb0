#include "client/src/subscribe/turn.h"

#include <utility>

#include "absl/types/span.h"
#include "client/src/subscribe/subscriber_core.h"

namespace eventhub::client {
namespace {

constexpr size_t kMaxCollected = 256;

thread_local Turn* turn = nullptr;

// Whether `next` follows `last` and has an outcome that nothing tells apart from that of `last`.
bool Continues(const SettledEvents& last, const SettledEvents& next) {
  const Outcome::Kind kind = next.outcome.kind;
  return last.events == next.events && last.first + last.count == next.first &&
         last.outcome.kind == kind &&
         (kind == Outcome::Kind::kAck || kind == Outcome::Kind::kSettled);
}

bool SameSubscriber(const SettledEvents& a, const SettledEvents& b) {
  if (a.events == b.events) return true;
  const std::weak_ptr<SubscriberCore>& one = a.events->core();
  const std::weak_ptr<SubscriberCore>& other = b.events->core();
  return !one.owner_before(other) && !other.owner_before(one);
}

void SettleAll(absl::Span<SettledEvents> settled) {
  // A subscriber that is gone needs no outcomes.
  if (const auto core = settled[0].events->core().lock()) core->SettleHandedOut(settled);
}

}  // namespace

Turn::Turn() : outermost_(turn == nullptr) {
  if (outermost_) turn = this;
}

Turn::~Turn() {
  if (!outermost_) return;
  for (size_t i = 0; i < at_end_.size(); ++i) {
    // Taken out, since it may add further work.
    absl::AnyInvocable<void()&&> work = std::move(at_end_[i]);
    std::move(work)();
  }
  turn = nullptr;
  Flush();
}

Turn* Turn::current() { return turn; }

void Turn::SettleCollected() {
  if (turn != nullptr) turn->Flush();
}

void Turn::Settle(SettledEvents settled) {
  if (turn != nullptr) {
    turn->Add(std::move(settled));
  } else {
    SettleAll(absl::MakeSpan(&settled, 1));
  }
}

void Turn::AtEnd(absl::AnyInvocable<void() &&> work) { at_end_.push_back(std::move(work)); }

void Turn::Add(SettledEvents settled) {
  if (!settled_.empty() && Continues(settled_.back(), settled)) {
    settled_.back().count += settled.count;
    return;
  }
  if (settled_.size() == kMaxCollected) Flush();
  settled_.push_back(std::move(settled));
}

void Turn::Flush() {
  // Taken out, since what a subscriber calls may settle events, too.
  std::vector<SettledEvents> settled = std::exchange(settled_, {});
  for (size_t first = 0; first < settled.size();) {
    size_t end = first + 1;
    while (end < settled.size() && SameSubscriber(settled[first], settled[end])) ++end;
    SettleAll(absl::MakeSpan(settled).subspan(first, end - first));
    first = end;
  }
}

}  // namespace eventhub::client
