// The open streams, so that a shutdown can end them, and whether a shutdown is in progress, for all
// other calls.
#pragma once

#include <atomic>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "storage/base/mutex.h"

namespace eventhub {

// A stream that can be asked to end.
class DrainableStream {
 public:
  // Finishes accepted work, then ends the call with UNAVAILABLE. Called on any thread, without
  // locks held.
  virtual void Drain() = 0;

 protected:
  ~DrainableStream() = default;
};

// Thread-safe.
class StreamRegistry {
 public:
  // If the registry is draining, the stream is drained at once.
  void Add(const std::shared_ptr<DrainableStream>& stream);
  void Remove(DrainableStream& stream);

  // Asks all streams to end, including those added later.
  void Drain();

  // Whether Drain() was called.
  bool draining() const { return draining_.load(std::memory_order_relaxed); }

  // Waits until no stream is open, but at most `timeout`.
  void AwaitEmpty(absl::Duration timeout);

 private:
  Mutex mutex_;
  CondVar emptied_;
  std::atomic<bool> draining_{false};  // Set with the mutex held.
  absl::flat_hash_map<DrainableStream*, std::weak_ptr<DrainableStream>> streams_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
