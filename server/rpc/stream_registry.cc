#include "server/rpc/stream_registry.h"

#include <vector>

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

}  // namespace eventhub
