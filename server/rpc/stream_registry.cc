#include "server/rpc/stream_registry.h"

#include <algorithm>
#include <vector>

#include "absl/time/clock.h"

namespace eventhub {

void StreamRegistry::Add(const std::shared_ptr<DrainableStream>& stream) {
  {
    MutexLock lock(mutex_);
    if (!draining_) {
      streams_.emplace(stream.get(), stream);
      return;
    }
  }
  stream->Drain();
}

void StreamRegistry::Remove(DrainableStream& stream) {
  MutexLock lock(mutex_);
  streams_.erase(&stream);
  if (streams_.empty()) emptied_.NotifyAll();
}

void StreamRegistry::Drain() {
  std::vector<std::shared_ptr<DrainableStream>> streams;
  {
    MutexLock lock(mutex_);
    draining_ = true;
    for (const auto& [raw, stream] : streams_) {
      if (auto alive = stream.lock()) streams.push_back(std::move(alive));
    }
  }
  for (const std::shared_ptr<DrainableStream>& stream : streams) stream->Drain();
}

void StreamRegistry::AwaitEmpty(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  MutexLock lock(mutex_);
  while (!streams_.empty()) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return;
    emptied_.WaitFor(mutex_, std::min(left, absl::Hours(1)));  // `left` may be infinite.
  }
}

}  // namespace eventhub
