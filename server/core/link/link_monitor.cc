#include "server/core/link/link_monitor.h"

#include <algorithm>

#include "google/protobuf/util/time_util.h"
#include "server/core/base/timestamps.h"

namespace eventhub {
namespace {

using google::protobuf::util::TimeUtil;

}  // namespace

LinkMonitor::LinkMonitor(absl::Time now) { SetState(v1::LinkStatus::STATE_CONNECTING, "", now); }

void LinkMonitor::SetState(v1::LinkStatus::State state, const std::string& error, absl::Time now) {
  MutexLock lock(mutex_);
  if (status_.state() != state) {
    status_.set_state(state);
    *status_.mutable_state_time() = TimestampOf(now);
  }
  status_.set_error(error);
  if (state == v1::LinkStatus::STATE_CAUGHT_UP) status_.set_lag_events(0);
}

void LinkMonitor::SetRemoteHub(const std::string& id) {
  MutexLock lock(mutex_);
  status_.set_remote_hub_id(id);
}

void LinkMonitor::SetLag(uint64_t events) {
  MutexLock lock(mutex_);
  // The answer to an earlier question may arrive late; a link that has caught up has no lag.
  if (status_.state() != v1::LinkStatus::STATE_CAUGHT_UP) status_.set_lag_events(events);
}

void LinkMonitor::AddProgress(const LinkProgress& progress) {
  MutexLock lock(mutex_);
  status_.set_appended_events(status_.appended_events() + progress.appended_events);
  status_.set_appended_bytes(status_.appended_bytes() + progress.appended_bytes);
  status_.set_looped_events(status_.looped_events() + progress.looped_events);
  append_time_ = std::max(append_time_, progress.append_time);
}

void LinkMonitor::AddFailure() {
  MutexLock lock(mutex_);
  status_.set_failures(status_.failures() + 1);
}

v1::LinkStatus LinkMonitor::Describe(absl::Time now) const {
  MutexLock lock(mutex_);
  v1::LinkStatus status = status_;
  if (status.state() != v1::LinkStatus::STATE_CAUGHT_UP && append_time_ != absl::InfinitePast()) {
    // The clocks of the two hubs differ; an event from the future counts as current.
    const absl::Duration age = std::max(now - append_time_, absl::ZeroDuration());
    *status.mutable_lag_time() = TimeUtil::MicrosecondsToDuration(absl::ToInt64Microseconds(age));
  }
  return status;
}

}  // namespace eventhub
