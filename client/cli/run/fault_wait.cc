#include "client/cli/run/fault_wait.h"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/run/progress.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

using client::DeadLetterState;

constexpr absl::Duration kAskAgainAfter = absl::Milliseconds(250);
// Of the time, asking takes at most this part.
constexpr int kAskingShare = 10;

// A letter that an older hub made has no fault.
std::string NameOf(const client::DeadLetter& letter) {
  return letter.fault_id.empty()
             ? absl::StrCat(letter.topic, "/", letter.partition, "/", letter.offset)
             : letter.fault_id;
}

bool Unreachable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

void Pause(absl::Duration duration) {
  poll(nullptr, 0, static_cast<int>(std::max<int64_t>(absl::ToInt64Milliseconds(duration), 0)));
}

}  // namespace

absl::Status FaultWait::Remember(const std::string& subscription,
                                 const client::DeadLetterSelector& selector) {
  return client_.List(subscription, selector, /*with_data=*/false, [&](client::DeadLetter letter) {
    faults_[letter.subscription][NameOf(letter)] = letter.failures;
    return true;
  });
}

absl::StatusOr<SettledFaults> FaultWait::Await(absl::Duration timeout) {
  const Clock& clock = Clock::System();
  const absl::Duration end = clock.Monotonic() + timeout;
  absl::StatusOr<uint64_t> unsettled = CountUnsettled();
  if (!unsettled.ok() && !Unreachable(unsettled.status())) return unsettled.status();
  const uint64_t total = unsettled.value_or(0);
  std::atomic<uint64_t> done{0};
  const CallProgress progress("waiting until they are settled", total,
                              [&done]() -> absl::StatusOr<uint64_t> { return done.load(); });
  while (!unsettled.ok() || *unsettled > 0) {
    const absl::Duration asked = clock.Monotonic();
    if (asked >= end) break;
    Pause(std::min(kAskAgainAfter, end - asked));
    const absl::Duration start = clock.Monotonic();
    unsettled = CountUnsettled();
    if (unsettled.ok()) {
      done = total - std::min(*unsettled, total);
      const absl::Duration took = clock.Monotonic() - start;
      if (*unsettled > 0) Pause(std::min(took * kAskingShare, end - clock.Monotonic()));
    } else if (!Unreachable(unsettled.status())) {
      return unsettled.status();
    }
  }
  RETURN_IF_ERROR(unsettled.status());
  return Classify();
}

absl::StatusOr<uint64_t> FaultWait::CountUnsettled() {
  uint64_t count = 0;
  for (const auto& [subscription, failures] : faults_) {
    RETURN_IF_ERROR(client_.List(subscription, {.states = {DeadLetterState::kResubmitted}},
                                 /*with_data=*/false,
                                 [&, &known = failures](const client::DeadLetter& letter) {
                                   count += known.count(NameOf(letter));
                                   return true;
                                 }));
  }
  return count;
}

absl::StatusOr<SettledFaults> FaultWait::Classify() {
  SettledFaults settled;
  for (auto& [subscription, failures] : faults_) {
    RETURN_IF_ERROR(
        client_.List(subscription,
                     {.states = {DeadLetterState::kOpen, DeadLetterState::kFailedAgain,
                                 DeadLetterState::kResubmitted, DeadLetterState::kResolved,
                                 DeadLetterState::kDiscarded}},
                     /*with_data=*/false, [&, &known = failures](const client::DeadLetter& letter) {
                       const auto it = known.find(NameOf(letter));
                       if (it == known.end()) return true;
                       const uint32_t failed_before = it->second;
                       known.erase(it);  // It may come twice, if it changes meanwhile.
                       switch (letter.state) {
                         case DeadLetterState::kResolved:
                           ++settled.resolved;
                           break;
                         case DeadLetterState::kDiscarded:
                           ++settled.discarded;
                           break;
                         case DeadLetterState::kResubmitted:
                           ++settled.unsettled;
                           break;
                         default:  // Otherwise it was not resubmitted.
                           if (letter.failures > failed_before) ++settled.failed_again;
                       }
                       return true;
                     }));
    settled.gone += failures.size();
  }
  faults_.clear();
  return settled;
}

}  // namespace eventhub::cli
