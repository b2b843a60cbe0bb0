// A monotonically increasing number that can be waited for without a thread; caught-up readers wait
// on it.
#pragma once

#include <atomic>
#include <cstdint>

#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. A waiter registers for one wake-up at a time, without allocation.
class Watermark {
 public:
  // Must stay alive while registered, and until Wake() has returned.
  class Waiter {
   public:
    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    // Called once per registration, when the mark was passed or by WakeAll(), on the thread of that
    // call, with no lock held; must not block. The waiter may register again, or be destroyed, from
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

  // Raises the value and wakes all waiters. `value` must not be less than before; calls must not
  // overlap.
  void Advance(int64_t value);

  // Registers `waiter` to be woken once the value is greater than `mark`. Returns false, without
  // registering it, if the value already is, so no wake-up can be lost.
  bool NotifyPast(int64_t mark, Waiter& waiter);

  // Unregisters a waiter. Returns false if it was not registered (anymore): then its Wake() was or
  // will be called.
  bool Cancel(Waiter& waiter);

  // Wakes all waiters without changing the value, for example when the awaited object goes away.
  void WakeAll();

 private:
  std::atomic<int64_t> value_;
  // Written under the mutex. Advance reads it without, to skip the mutex if nobody waits.
  std::atomic<bool> has_waiters_{false};
  Mutex mutex_;
  Waiter* head_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace eventhub
