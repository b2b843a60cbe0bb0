// A limit on the frames that readers were sent and have not taken.
#pragma once

#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Who wants to make a frame asks for its memory first, and gives it back when the frame was sent.
// While there is plenty, a frame gets what it asks for; as it gets scarce, frames get smaller, down
// to kMinFrame; then whoever asks waits, first come, first served. While somebody waits, those are
// ended whose frame was not taken for long: so readers that do not read cost others some seconds at
// most, and nothing unless memory is short.
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
    State state_ = State::kIdle;
    size_t bytes_ = 0;  // Asked for, or held.
    bool sent_ = false;
    absl::Duration since_;
    Holder* prev_ = nullptr;
    Holder* next_ = nullptr;
  };

  FrameBudget(size_t limit, const Clock& clock) : limit_(limit), clock_(clock) {}

  // Returns how large a frame may be that is wanted with `bytes`; 0 if it has to wait for that:
  // then Granted() says it. The holder must neither hold nor wait.
  size_t Take(Holder& holder, size_t bytes);

  // The frame is being sent, and came to this, which may be more: an event is sent as a whole.
  void Resize(Holder& holder, size_t bytes);

  // The frame is sent, or there was none; nothing if it holds none.
  void Return(Holder& holder);

  // Does not wait any more; false if it did not: then Granted() was or will be called.
  bool Cancel(Holder& holder);

  // Ends those whose frame was not taken since so long, if anybody waits. To be called now and
  // then. Returns how many.
  size_t EvictStalled(absl::Duration since);

  size_t limit() const { return limit_; }
  size_t used() const;

 private:
  // Holders in the order in which they came.
  struct List {
    Holder* first = nullptr;
    Holder* last = nullptr;
    void Append(Holder& holder);
    void Remove(Holder& holder);
  };

  size_t Grantable(size_t wanted) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Hold(Holder& holder, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Grants what there is to those that wait.
  void Serve();

  const size_t limit_;
  const Clock& clock_;
  mutable Mutex mutex_;
  size_t used_ ABSL_GUARDED_BY(mutex_) = 0;
  List holding_ ABSL_GUARDED_BY(mutex_);
  List waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
