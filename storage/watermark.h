// A number that only grows, and that can be waited for without a thread: what a caught-up reader
// sleeps on.
#pragma once

#include <atomic>
#include <cstdint>

#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. A waiter is registered for one wake-up at a time and costs no allocation.
class Watermark {
 public:
  // Something that waits. It must stay alive while registered, and until Wake() has returned.
  class Waiter {
   public:
    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    // The mark was passed. Called once per registration, on the thread that advanced the mark,
    // without a lock held; must not block. The waiter may register again, or be destroyed, from
    // here.
    virtual void Wake() = 0;

   protected:
    ~Waiter() = default;

   private:
    friend class Watermark;
    Waiter* prev_ = nullptr;
    Waiter* next_ = nullptr;
    bool registered_ = false;
  };

  explicit Watermark(int64_t value = 0) : value_(value) {}

  int64_t value() const { return value_.load(std::memory_order_acquire); }

  // Raises the value and wakes everyone who waits. `value` must not be less than before; calls must
  // not overlap.
  void Advance(int64_t value);

  // Arranges for waiter.Wake() once the value is greater than `mark`. Returns false, with nothing
  // registered, if it already is: no wake-up can be lost in between.
  bool NotifyPast(int64_t mark, Waiter& waiter);

  // Takes a waiter back. Returns false if it was not registered (any more): then its Wake() was or
  // will be called.
  bool Cancel(Waiter& waiter);

  // Wakes everyone although the value stays: for the end of what is waited for.
  void WakeAll();

 private:
  std::atomic<int64_t> value_;
  // Written under the mutex; read without it by Advance, to skip the mutex when nobody waits.
  std::atomic<bool> has_waiters_{false};
  Mutex mutex_;
  Waiter* head_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace eventhub
