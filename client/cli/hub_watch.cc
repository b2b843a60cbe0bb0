#include "client/cli/hub_watch.h"

#include <unistd.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/terminal.h"
#include "storage/base/clock.h"

namespace eventhub::cli {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(1);
constexpr absl::Duration kProbeTimeout = absl::Seconds(1);
// While the hub does not answer.
constexpr absl::Duration kProbeAgain = absl::Milliseconds(200);

// What the status means, if it is not well; see HubWatch::Probe.
struct Trouble {
  const char* begins;
  const char* ends;
};
constexpr Trouble kSilent{"does not answer", "connected"};
constexpr Trouble kFull{"takes nothing now", "goes on"};

const Trouble* TroubleOf(const absl::Status& status) {
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) return &kSilent;
  return absl::IsResourceExhausted(status) ? &kFull : nullptr;
}

void PrintNotice(const std::string& text) {
  // Over the line of progress, if there is one.
  const char* const wipe = isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "";
  std::fprintf(stderr, "%seventhub: %s\n", wipe, Printable(text).c_str());
}

}  // namespace

HubWatch::HubWatch(std::string address, Probe probe)
    : address_(std::move(address)), probe_(std::move(probe)), thread_([this] { Run(); }) {}

HubWatch::~HubWatch() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stopped_.NotifyAll();
  }
  thread_.join();
}

bool HubWatch::WaitForNext(absl::Duration delay) {
  const absl::Duration until = Clock::System().Monotonic() + delay;
  MutexLock lock(mutex_);
  while (!stopping_) {
    const absl::Duration left = until - Clock::System().Monotonic();
    if (left <= absl::ZeroDuration()) break;
    stopped_.WaitFor(mutex_, left);
  }
  return !stopping_;
}

void HubWatch::Run() {
  std::optional<absl::Duration> since;
  const Trouble* told = nullptr;
  while (WaitForNext(since.has_value() ? kProbeAgain : kPatience)) {
    const absl::Duration asked = Clock::System().Monotonic();
    const absl::Status status = probe_();
    const Trouble* const trouble = TroubleOf(status);
    if (trouble == nullptr) {
      if (told != nullptr) PrintNotice(absl::StrCat("hub at ", address_, ": ", told->ends));
      told = nullptr;
      since.reset();
      continue;
    }
    if (!since.has_value()) since = asked;
    if (told == trouble || Clock::System().Monotonic() - *since < kPatience) continue;
    told = trouble;
    PrintNotice(absl::StrCat("hub at ", address_, " ", trouble->begins,
                             ", still trying: ", status.message()));
  }
}

HubWatch::Probe HealthProbe(std::shared_ptr<client::Connection> hub,
                            std::function<uint64_t()> progress) {
  return [hub = std::move(hub), progress = std::move(progress), last = uint64_t{0}]() mutable {
    const uint64_t now = progress();
    if (std::exchange(last, now) != now) return absl::OkStatus();
    return hub->CheckHealth("", kProbeTimeout).status();
  };
}

HubWatch::Probe PublishProbe(std::shared_ptr<client::Connection> hub,
                             const client::Publisher& publisher,
                             std::function<uint64_t()> progress) {
  return [health = HealthProbe(std::move(hub), std::move(progress)), &publisher] {
    absl::Status status = health();
    if (status.ok()) status = publisher.last_failure();
    return status;
  };
}

}  // namespace eventhub::cli
