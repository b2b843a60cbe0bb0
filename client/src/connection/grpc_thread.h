// Keeps the last reference to a channel from being dropped on a thread of gRPC's.
//
// gRPC 1.51 ends its callback threads with the last channel that uses them. If that channel is
// dropped on one of these threads, the thread waits for itself, which aborts the process.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/base/macros.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Marks the current thread as one of gRPC's while code that gRPC calls is running.
class GrpcThreadScope {
 public:
  GrpcThreadScope() { ++depth_; }
  ~GrpcThreadScope() { --depth_; }

  GrpcThreadScope(const GrpcThreadScope&) = delete;
  GrpcThreadScope& operator=(const GrpcThreadScope&) = delete;

  // Whether this thread is one of gRPC's.
  static bool Active() { return depth_ > 0; }

 private:
  static inline thread_local int depth_ = 0;
};

// Counts the objects that use a channel, so that the channel's owner can wait for them. Shared with
// these objects, because the owner does not wait forever. Thread-safe.
class ChannelUsers {
 public:
  void Add() {
    MutexLock lock(mutex_);
    ++count_;
  }
  void Remove() {
    MutexLock lock(mutex_);
    ABSL_ASSERT(count_ > 0);
    if (--count_ == 0) none_.NotifyAll();
  }
  // Waits until there are none, at most `timeout`. Returns whether there are none.
  bool AwaitNone(absl::Duration timeout) {
    const absl::Duration until = Clock::System().Monotonic() + timeout;
    MutexLock lock(mutex_);
    while (count_ > 0) {
      const absl::Duration left = until - Clock::System().Monotonic();
      if (left <= absl::ZeroDuration()) return false;
      none_.WaitFor(mutex_, left);
    }
    return true;
  }

 private:
  Mutex mutex_;
  CondVar none_;
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// One use of a channel. Make it the first member of an object, so that it is destroyed last.
class ChannelUse {
 public:
  explicit ChannelUse(std::shared_ptr<ChannelUsers> users) : users_(std::move(users)) {
    users_->Add();
  }
  ~ChannelUse() { users_->Remove(); }

  ChannelUse(const ChannelUse&) = delete;
  ChannelUse& operator=(const ChannelUse&) = delete;

 private:
  const std::shared_ptr<ChannelUsers> users_;
};

}  // namespace eventhub::client
