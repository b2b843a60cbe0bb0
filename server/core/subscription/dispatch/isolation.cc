#include "server/core/subscription/dispatch/isolation.h"

#include "absl/algorithm/container.h"

namespace eventhub {
namespace {

// The time for which events are isolated if there is no ack deadline. Microseconds.
constexpr int64_t kMaxTime = 30'000'000;

}  // namespace

void Isolation::Note(const PartitionCursor& cursor, Aftermath* after) {
  if (!active() && cursor.WaitingIsolated() == 0) return;
  const bool any = absl::c_any_of(shared_.cursors,
                                  [](const auto& other) { return other->WaitingIsolated() > 0; });
  if (any == active()) return;
  if (any) {
    const int64_t deadline = shared_.rules.ack_deadline;
    end_due_ = shared_.Now() + (deadline > 0 ? deadline : kMaxTime);
    after->SetAlarm(end_due_);
  } else {
    end_due_ = kNever;
    shared_.consumers.WakeAll(&after->wake);
  }
}

void Isolation::EndIfDue(int64_t now, size_t* left, Aftermath* after) {
  if (now < end_due_) return after->SetAlarm(end_due_);
  for (const auto& cursor : shared_.cursors) {
    if (cursor->WaitingIsolated() == 0) continue;
    cursor->EndIsolation(shared_.rules, left);
    if (cursor->sweeping()) after->SetAlarm(now);
  }
  end_due_ = kNever;
  shared_.consumers.WakeAll(&after->wake);
}

}  // namespace eventhub
