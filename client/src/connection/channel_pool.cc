#include "client/src/connection/channel_pool.h"

#include <algorithm>

#include "absl/base/macros.h"

namespace eventhub::client {

ChannelPool::ChannelPool(std::function<std::shared_ptr<grpc::Channel>()> open)
    : open_(std::move(open)), first_(open_()), entries_{{first_}} {}

ChannelPool::Place ChannelPool::TakePlace() {
  MutexLock lock(mutex_);
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [](const Entry& e) { return e.streams < kMaxStreams; });
  if (entry == entries_.end()) entry = entries_.insert(entry, Entry{open_()});
  ++entry->streams;
  return Place(shared_from_this(), static_cast<size_t>(entry - entries_.begin()), entry->channel);
}

void ChannelPool::Release(size_t index) {
  MutexLock lock(mutex_);
  ABSL_ASSERT(entries_[index].streams > 0);
  --entries_[index].streams;
}

}  // namespace eventhub::client
