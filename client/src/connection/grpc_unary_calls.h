// The unary calls of a connection that are under way, so that they can be cancelled: a thread that
// is in one cannot be stopped else before the call's timeout.
#pragma once

#include <grpcpp/client_context.h>

#include "absl/container/flat_hash_set.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Thread-safe.
class UnaryCalls {
 public:
  void Add(grpc::ClientContext& context) {
    MutexLock lock(mutex_);
    contexts_.insert(&context);
    // A call that is not started yet is not, then.
    if (cancelled_) context.TryCancel();
  }
  void Remove(grpc::ClientContext& context) {
    MutexLock lock(mutex_);
    contexts_.erase(&context);
  }
  // Those that are under way, and all that come.
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

// A call, from before it starts until it has ended.
class CancellableCall {
 public:
  CancellableCall(UnaryCalls& calls, grpc::ClientContext& context)
      : calls_(calls), context_(context) {
    calls_.Add(context_);
  }
  ~CancellableCall() { calls_.Remove(context_); }

  CancellableCall(const CancellableCall&) = delete;
  CancellableCall& operator=(const CancellableCall&) = delete;

 private:
  UnaryCalls& calls_;
  grpc::ClientContext& context_;
};

}  // namespace eventhub::client
