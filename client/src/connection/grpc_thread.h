// Keeps the last reference to a channel off gRPC's own threads.
//
// gRPC 1.51 ends its callback threads with the last channel that used them. Dropped on one of these
// threads, that channel would have the thread wait for itself, which aborts the process.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Held by code that gRPC calls, to know which thread it is on.
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

// Counts the objects that use a channel, so that its owner can outlive them; they share it, for it
// need not wait for ever. Thread-safe.
class ChannelUsers {
 public:
  void Add() {
    MutexLock lock(mutex_);
    ++count_;
  }
  void Remove() {
    MutexLock lock(mutex_);
    if (--count_ == 0) none_.NotifyAll();
  }
  // Returns when there are none, or after `timeout`; whether there are none.
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

// The use of a channel: the first member of an object, so that it ends with the last of it.
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
