// The unary calls of a connection that are in progress. A thread blocked in such a call can be
// released before the call's timeout only by cancelling the call.
#pragma once

#include <grpcpp/client_context.h>

#include "absl/container/flat_hash_set.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Thread-safe.
class PendingCalls {
 public:
  void Add(grpc::ClientContext& context) {
    MutexLock lock(mutex_);
    contexts_.insert(&context);
    // The call has not started yet, and now fails at once.
    if (cancelled_) context.TryCancel();
  }
  void Remove(grpc::ClientContext& context) {
    MutexLock lock(mutex_);
    contexts_.erase(&context);
  }
  // Cancels the calls in progress and all later ones.
  void Cancel() {
    MutexLock lock(mutex_);
    cancelled_ = true;
    for (grpc::ClientContext* context : contexts_) context->TryCancel();
  }
  bool cancelled() const {
    MutexLock lock(mutex_);
    return cancelled_;
  }

 private:
  mutable Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mutex_);
};

// Registers a call from before it starts until it has ended.
class PendingCall {
 public:
  PendingCall(PendingCalls& calls, grpc::ClientContext& context)
      : calls_(calls), context_(context) {
    calls_.Add(context_);
  }
  ~PendingCall() { calls_.Remove(context_); }

  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;

 private:
  PendingCalls& calls_;
  grpc::ClientContext& context_;
};

}  // namespace eventhub::client
