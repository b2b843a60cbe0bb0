// The channels of a connection: as many as its streams need.
//
// The hub takes 100 calls at a time from each TCP connection, and gRPC keeps further ones waiting
// without a word, which for a stream may be for ever.
#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/mutex.h"

namespace eventhub::client {

// Thread-safe. Channels are kept when their streams have ended: an idle one costs little, gRPC
// closes its TCP connection after half an hour, and it must not go on one of gRPC's own threads.
class ChannelPool : public std::enable_shared_from_this<ChannelPool> {
 public:
  // Of a channel's calls at a time; the rest is for unary calls.
  static constexpr size_t kMaxStreams = 80;

  // The place of one stream in a channel, from before it starts until it has ended.
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
    const std::string& target() const { return pool_->target(); }

   private:
    std::shared_ptr<ChannelPool> pool_;
    size_t index_;
    std::shared_ptr<grpc::Channel> channel_;
  };

  // `open` makes a channel to `target`, with a TCP connection of its own.
  ChannelPool(std::string target, std::function<std::shared_ptr<grpc::Channel>()> open);

  // For a stream. Opens a channel if those that are open are full.
  Place TakePlace();

  // For unary calls.
  const std::shared_ptr<grpc::Channel>& first() const { return first_; }
  const std::string& target() const { return target_; }

 private:
  struct Entry {
    std::shared_ptr<grpc::Channel> channel;
    size_t streams = 0;
  };

  void Release(size_t index);

  const std::string target_;
  const std::function<std::shared_ptr<grpc::Channel>()> open_;
  const std::shared_ptr<grpc::Channel> first_;
  Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::client
