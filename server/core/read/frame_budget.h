// A limit on the frames that readers and consumers were sent and have not taken.
#pragma once

#include <atomic>
#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Counts what readers and consumers were sent until it was taken. While there is plenty, a frame
// gets what it asks for; as it gets scarce, frames get smaller, down to kMinFrame. What is read
// from the disk takes memory of its own: whoever does so asks for it before, and in the end waits
// for it, first come, first served. What comes from memory is there already: a frame of it never
// waits.
//
// While somebody waits, or more is held than the limit, those are ended whose frame was not taken
// for long. So readers that do not read cost others a moment at most, and nothing unless memory is
// short.
//
// Thread-safe.
class FrameBudget {
 public:
  static constexpr size_t kMinFrame = size_t{16} << 10;

  // Somebody that has frames, one at a time. It outlives its use of the budget.
  class Holder {
   public:
    Holder() = default;
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

    // What it waited for is granted: `bytes`. On any thread, without a lock held; must not block.
    virtual void Granted(size_t bytes) = 0;
    // What ends it, for its frame was not taken for too long. Called with the budget's lock held,
    // while it has not returned that; what is returned is called without.
    virtual absl::AnyInvocable<void() &&> Eviction() = 0;

   protected:
    ~Holder() = default;

   private:
    friend class FrameBudget;
    enum class State { kIdle, kWaiting, kHolding };
    State state_ = State::kIdle;  // Changed by others only from kWaiting.
    size_t bytes_ = 0;            // Asked for, or held.
    bool sent_ = false;
    absl::Duration since_;
    Holder* prev_ = nullptr;
    Holder* next_ = nullptr;
  };

  FrameBudget(size_t limit, const Clock& clock) : limit_(limit), clock_(clock) {}

  // How large a frame from memory should be at most that is wanted with `bytes`. Takes no lock.
  size_t Suggest(size_t bytes) const;

  // Returns how large a frame from the disk may be that is wanted with `bytes`; 0 if it has to wait
  // for that: then Granted() says it. The holder must neither hold nor wait.
  size_t Take(Holder& holder, size_t bytes);

  // A frame is being sent, and holds this, which may be more than was granted: an event is sent as
  // a whole. A small one for which nothing was taken is not counted. The holder must not wait.
  void Send(Holder& holder, size_t bytes);

  // The frame was taken, or there was none; nothing if it holds none.
  void Return(Holder& holder);

  // Does not wait any more; false if it did not: then Granted() was or will be called.
  bool Cancel(Holder& holder);

  // Ends those whose frame was not taken since so long, if memory is short. To be called now and
  // then. Returns how many.
  size_t EvictStalled(absl::Duration since);

  size_t limit() const { return limit_; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  // Holders in the order in which they came.
  struct List {
    Holder* first = nullptr;
    Holder* last = nullptr;
    void Append(Holder& holder);
    void Remove(Holder& holder);
  };

  // Of what is left, 0 if that is too little.
  size_t Grantable(size_t wanted) const;
  void Hold(Holder& holder, size_t bytes, bool sent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LetGo(Holder& holder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Grants what there is to those that wait.
  void Serve();

  const size_t limit_;
  const Clock& clock_;
  std::atomic<size_t> used_{0};  // Changed with the lock held.
  Mutex mutex_;
  List holding_ ABSL_GUARDED_BY(mutex_);
  List waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
