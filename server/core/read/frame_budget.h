// A limit on the frames sent to readers and consumers and not yet taken by them.
#pragma once

#include <atomic>
#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Counts the bytes sent to readers and consumers until they are taken. While memory is plentiful, a
// frame gets the size it asks for; as memory gets scarce, frames get smaller, down to kMinFrame.
// Reading from disk allocates memory: a holder that does so asks first and, if necessary, waits,
// first come, first served. Events from memory are allocated already: a frame of them never waits.
//
// A holder that does not take its frames must not make the frames of others smaller. So a holder
// begins with frames of kFirstFrame. Later frames have up to an eighth of the bytes that it has
// taken, so that bytes in the buffers of the network and of the client count for little. After a
// frame that was not taken for kSlow, it begins again. Stalled frames hold at most half of the
// limit: beyond that, the holders that are stalled for longest are ended. All stalled holders are
// ended while another one waits, or while more than the limit is held.
//
// Thread-safe.
class FrameBudget {
 public:
  static constexpr size_t kMinFrame = size_t{16} << 10;
  static constexpr size_t kFirstFrame = size_t{32} << 10;
  static constexpr absl::Duration kSlow = absl::Seconds(1);

  // A user of the budget, with at most one frame at a time. Outlives its use of the budget.
  class Holder {
   public:
    Holder() = default;
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

    // Called when a wait ends, with the granted bytes. On any thread, without locks held; must not
    // block.
    virtual void Granted(size_t bytes) = 0;
    // Returns the action that ends this holder, whose frame was not taken for too long. Called with
    // the budget's lock held, while the holder still holds the frame; the action itself runs
    // without the lock.
    virtual absl::AnyInvocable<void() &&> Eviction() = 0;

   protected:
    ~Holder() = default;

   private:
    friend class FrameBudget;
    enum class State { kIdle, kWaiting, kHolding };
    State state_ = State::kIdle;  // Other threads change it only from kWaiting.
    size_t bytes_ = 0;            // Requested, or held.
    bool sent_ = false;
    absl::Duration since_;
    // Used by the holder's thread, and while it waits.
    size_t sending_ = 0;  // The frame in progress.
    size_t taken_ = 0;    // Since it was last slow.
    Holder* prev_ = nullptr;
    Holder* next_ = nullptr;
  };

  FrameBudget(size_t limit, const Clock& clock) : limit_(limit), clock_(clock) {}

  // Returns the maximum size for a frame from memory that asks for `bytes`. Takes no lock.
  size_t Suggest(const Holder& holder, size_t bytes) const;

  // Returns the size granted to a frame from disk that asks for `bytes`. Returns 0 if it has to
  // wait; then Granted() follows. Until the frame is sent, more is held than the holder has earned:
  // a batch or an event is read whole. The holder must neither hold nor wait.
  size_t Take(Holder& holder, size_t bytes);

  // Records that a frame is being sent and holds `bytes`, which may exceed the grant, since an
  // event is sent whole. A frame of at most kMinFrame without a grant is not counted. The holder
  // must not wait.
  void Send(Holder& holder, size_t bytes);

  // The frame was taken, or none was made.
  void Return(Holder& holder);

  // Stops waiting; false if the holder was not waiting: then Granted() was or will be called.
  bool Cancel(Holder& holder);

  // Ends holders whose frame was not taken for at least `since`, if they hold more than they may,
  // as above. Call it periodically. Returns the number of holders ended.
  size_t EvictStalled(absl::Duration since);

  size_t limit() const { return limit_; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  // Holders, in order of arrival.
  struct List {
    Holder* first = nullptr;
    Holder* last = nullptr;
    void Append(Holder& holder);
    void Remove(Holder& holder);
  };

  // The largest frame that a holder may have, regardless of the remaining budget.
  static size_t Earned(const Holder& holder, size_t wanted);
  // The part of the remaining budget that may be granted; 0 if it is too small.
  size_t Grantable(size_t wanted) const;
  void Hold(Holder& holder, size_t bytes, bool sent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseHold(Holder& holder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Grants the remaining budget to waiting holders.
  void Serve();

  const size_t limit_;
  const Clock& clock_;
  std::atomic<size_t> used_{0};  // Changed only with the lock held.
  Mutex mutex_;
  List holding_ ABSL_GUARDED_BY(mutex_);
  List waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
