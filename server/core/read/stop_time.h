// Determines when a read that follows a log up to a time has seen all events.
#pragma once

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/base/alarm.h"
#include "server/core/topic/topic.h"
#include "storage/base/clock.h"
#include "storage/log_writer.h"

namespace eventhub {

// Ends when no event appended before a time can become visible any more, and then wakes the topic's
// readers. A commit takes its time when it begins: so the clock must have passed the time, and the
// commits that began before must be done. Setting the clock back afterwards has no effect.
//
// Thread-safe. The arguments outlive this object, except the topic, which it co-owns.
class StopTime final : public AlarmTarget, public std::enable_shared_from_this<StopTime> {
 public:
  static std::shared_ptr<StopTime> Start(absl::Time time, std::shared_ptr<Topic> topic,
                                         const Clock& clock, Alarm& alarm, LogWriter& writer);

  bool over() const { return over_.load(std::memory_order_seq_cst); }
  // Valid once over() is true: OK, or why it is unknown whether an event from before the time may
  // still appear: the store failed, and unconfirmed events may be there after a restart.
  const absl::Status& outcome() const { return outcome_; }

  void OnAlarm() override;

  // Used by Start.
  StopTime(absl::Time time, std::shared_ptr<Topic> topic, const Clock& clock, Alarm& alarm,
           LogWriter& writer);

 private:
  class Barrier;

  void OnCommitted(const absl::Status& status);

  const absl::Time time_;
  const std::shared_ptr<Topic> topic_;
  const Clock& clock_;
  Alarm& alarm_;
  LogWriter& writer_;
  absl::Status outcome_;  // Written before `over_`.
  std::atomic<bool> over_{false};
};

}  // namespace eventhub
