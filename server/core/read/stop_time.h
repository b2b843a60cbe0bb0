// When a read that follows a log up to a time has seen all there is.
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

// Becomes over when nothing more that was appended before a time can become visible, and wakes the
// topic's readers then. A commit takes its time when it begins: so the clock has to have passed the
// time, and the commits that began before that have to be done. A clock that is set back afterwards
// does not count.
//
// Thread-safe. What is given outlives it but the topic, which it holds.
class StopTime final : public AlarmTarget, public std::enable_shared_from_this<StopTime> {
 public:
  static std::shared_ptr<StopTime> Start(absl::Time time, std::shared_ptr<Topic> topic,
                                         const Clock& clock, Alarm& alarm, LogWriter& writer);

  bool over() const { return over_.load(std::memory_order_seq_cst); }
  // Once it is over: OK, or why it is not known whether an event from before the time is still to
  // come: the store failed, and what it did not confirm may be there after a restart.
  const absl::Status& outcome() const { return outcome_; }

  void OnAlarm() override;

  // For Start.
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
