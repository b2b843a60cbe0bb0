#include "client/cli/run/hub_watch.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/frame/hub_address.h"
#include "client/cli/output/terminal.h"
#include "storage/base/clock.h"

namespace eventhub::cli {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(1);
constexpr absl::Duration kProbeTimeout = absl::Seconds(1);
// The interval of probes while there is trouble.
constexpr absl::Duration kProbeAgain = absl::Milliseconds(200);

void PrintNotice(const std::string& text) {
  // Overwrites the line of progress, if there is one.
  const char* const wipe = isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "";
  std::fprintf(stderr, "%seventhub: %s\n", wipe, Printable(text).c_str());
}

}  // namespace

struct HubWatch::Trouble {
  const char* begins;
  const char* ends;
};
const HubWatch::Trouble HubWatch::kSilent{"does not respond", "connected"};
const HubWatch::Trouble HubWatch::kFull{"is refusing requests", "accepting requests again"};

const HubWatch::Trouble* HubWatch::TroubleOf(const absl::Status& status) {
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) return &kSilent;
  return absl::IsResourceExhausted(status) ? &kFull : nullptr;
}

HubWatch::HubWatch(std::string address, Probe probe)
    : address_(std::move(address)),
      probe_(std::move(probe)),
      ticker_(kPatience, [this] { return Look(); }) {}

absl::Duration HubWatch::Look() {
  const absl::Duration asked = Clock::System().Monotonic();
  const absl::Status status = probe_();
  if (absl::IsCancelled(status)) return kPatience;
  const Trouble* const trouble = TroubleOf(status);
  if (trouble == nullptr) {
    if (told_ != nullptr) PrintNotice(absl::StrCat("hub at ", address_, ": ", told_->ends));
    told_ = nullptr;
    since_.reset();
    return kPatience;
  }
  if (!since_.has_value()) since_ = asked;
  if (told_ != trouble && Clock::System().Monotonic() - *since_ >= kPatience) {
    told_ = trouble;
    PrintNotice(absl::StrCat("hub at ", address_, " ", trouble->begins,
                             ", still trying: ", ExplainConnectionError(status.message())));
  }
  return kProbeAgain;
}

HubWatch::Probe HealthProbe(std::shared_ptr<client::Connection> hub,
                            std::function<uint64_t()> progress) {
  return [hub = std::move(hub), progress = std::move(progress), last = uint64_t{0}]() mutable {
    const uint64_t now = progress();
    if (std::exchange(last, now) != now) return absl::OkStatus();
    return hub->health().CheckHealth("", kProbeTimeout).status();
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
