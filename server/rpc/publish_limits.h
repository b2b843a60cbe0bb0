// The limits on requests in flight: received and not yet answered. Those of consumers have limits
// of their own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "server/core/base/memory_budget.h"
#include "storage/base/mutex.h"

namespace eventhub {

struct PublishLimitOptions {
  size_t connection_bytes = size_t{32} << 20;
  size_t total_bytes = size_t{256} << 20;

  // The limit of all connections of one host: a quarter is left for the others, however many
  // connections the host opens.
  size_t host_bytes() const { return total_bytes / 4 * 3; }
};

// Thread-safe. Outlives the results of Connect().
class PublishLimits {
 public:
  // The share of one connection, owned by its streams and calls.
  class Connection {
   public:
    Connection(PublishLimits& limits, std::string peer, std::shared_ptr<MemoryBudget> host);
    ~Connection();

    // Counts a received request as in flight.
    void Add(size_t bytes) {
      NoteTaken(bytes);
      Hold(bytes);
    }
    // Counts what is made of a received request as in flight.
    void Hold(size_t bytes);
    // Likewise; false, with nothing counted, if a limit is spent.
    bool TryHold(size_t bytes);
    // Counts a request that is already done, or is held only briefly.
    void NoteTaken(size_t bytes) { taken_.fetch_add(bytes, std::memory_order_relaxed); }
    void Release(size_t bytes);
    // The bytes of all requests so far.
    uint64_t taken_bytes() const { return taken_.load(std::memory_order_relaxed); }
    bool spent() const { return own_.spent() || host_->spent() || limits_.total_.spent(); }
    // Which limit is spent.
    absl::string_view culprit() const {
      if (own_.spent()) return "this connection";
      return host_->spent() ? "the connections of this host" : "the hub";
    }

    // Arranges for waiter.Wake() when there may be room again. Returns the budget waited for, to
    // cancel the wait with; null, with nothing registered, if there is room.
    MemoryBudget* NotifyWhenFree(Watermark::Waiter& waiter);

   private:
    friend class PublishLimits;
    PublishLimits& limits_;
    const std::string peer_;
    std::atomic<uint64_t> taken_{0};
    std::shared_ptr<MemoryBudget> host_;
    MemoryBudget own_;
  };

  explicit PublishLimits(const PublishLimitOptions& options)
      : options_(options), total_(options.total_bytes) {}

  // `peer` names the connection: its remote address.
  std::shared_ptr<Connection> Connect(const std::string& peer);

  size_t total_bytes() const { return options_.total_bytes; }
  // The largest administrative request, as it is held.
  size_t most_of_request() const { return options_.total_bytes / 2; }
  size_t in_flight_bytes() const { return total_.used(); }

 private:
  const PublishLimitOptions options_;
  MemoryBudget total_;
  Mutex mutex_;
  absl::flat_hash_map<std::string, std::weak_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::weak_ptr<MemoryBudget>> hosts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
