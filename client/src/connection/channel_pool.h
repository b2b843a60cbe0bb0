// The channels of a connection, as many as its streams need.
//
// A hub accepts 100 concurrent calls on each TCP connection. gRPC silently queues further calls,
// which may make a stream wait forever.
#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "storage/base/mutex.h"

namespace eventhub::client {

// Thread-safe. Channels are kept after their streams have ended: an idle channel costs little, gRPC
// closes its TCP connection after half an hour, and it must not be dropped on a thread of gRPC's.
class ChannelPool : public std::enable_shared_from_this<ChannelPool> {
 public:
  // The maximum number of streams on a channel; its other calls are left to unary calls.
  static constexpr size_t kMaxStreams = 80;

  // One stream's place in a channel, held from before the stream starts until it has ended.
  class Place {
   public:
    Place(std::shared_ptr<ChannelPool> pool, size_t index, std::shared_ptr<grpc::Channel> channel)
        : pool_(std::move(pool)), index_(index), channel_(std::move(channel)) {}
    Place(Place&&) = default;
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (pool_ != nullptr) pool_->Release(index_);
    }

    const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

   private:
    std::shared_ptr<ChannelPool> pool_;
    size_t index_;
    std::shared_ptr<grpc::Channel> channel_;
  };

  // `open` creates a channel with its own TCP connection.
  explicit ChannelPool(std::function<std::shared_ptr<grpc::Channel>()> open);

  // Returns a place for a stream. Opens a channel if all open ones are full.
  Place TakePlace();

  // The channel for unary calls.
  const std::shared_ptr<grpc::Channel>& first() const { return first_; }

 private:
  struct Entry {
    std::shared_ptr<grpc::Channel> channel;
    size_t streams = 0;
  };

  void Release(size_t index);

  const std::function<std::shared_ptr<grpc::Channel>()> open_;
  const std::shared_ptr<grpc::Channel> first_;
  Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::client
