#include "server/core/read/stop_time.h"

#include <algorithm>
#include <utility>

namespace eventhub {
namespace {

// The clock may be set while waiting, so it is checked at this interval.
constexpr absl::Duration kLongestWait = absl::Seconds(1);

}  // namespace

// Done when all commits that were in progress are done.
class StopTime::Barrier final : public CommitTask {
 public:
  explicit Barrier(std::weak_ptr<StopTime> stop) : stop_(std::move(stop)) {}

  void Prepare(CommitBuilder&) override {}
  void Done(const absl::Status& status) override {
    if (const std::shared_ptr<StopTime> stop = stop_.lock()) stop->OnCommitted(status);
  }
  size_t bytes() const override { return 0; }
  bool synced() const override { return false; }

 private:
  const std::weak_ptr<StopTime> stop_;
};

StopTime::StopTime(absl::Time time, std::shared_ptr<Topic> topic, const Clock& clock, Alarm& alarm,
                   LogWriter& writer)
    : time_(time), topic_(std::move(topic)), clock_(clock), alarm_(alarm), writer_(writer) {}

std::shared_ptr<StopTime> StopTime::Start(absl::Time time, std::shared_ptr<Topic> topic,
                                          const Clock& clock, Alarm& alarm, LogWriter& writer) {
  auto stop = std::make_shared<StopTime>(time, std::move(topic), clock, alarm, writer);
  stop->OnAlarm();
  return stop;
}

void StopTime::OnAlarm() {
  const absl::Duration left = time_ - clock_.Now();
  if (left <= absl::ZeroDuration()) {
    writer_.Submit(std::make_unique<Barrier>(weak_from_this()));
    return;
  }
  const absl::Duration due = clock_.Monotonic() + std::min(left, kLongestWait);
  alarm_.Schedule(absl::ToInt64Microseconds(due), weak_from_this());
}

void StopTime::OnCommitted(const absl::Status& status) {
  outcome_ = status;
  over_.store(true, std::memory_order_seq_cst);
  topic_->WakeReaders();
}

}  // namespace eventhub
