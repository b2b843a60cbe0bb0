// The connections of the hub: their number, their hosts, and which of them take memory without
// sending requests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/core/base/peer_address.h"
#include "server/rpc/publish_limits.h"
#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/mutex.h"

namespace eventhub {

struct ConnectionLimits {
  size_t total = 10'000;
  // Per host; all connections over unix sockets, or through one proxy, count as one host.
  size_t per_peer = 2'000;
  // New connections per second and host; as many may arrive at once. Those beyond it are closed
  // immediately: setting up a connection costs the hub more than the client.
  double new_per_second = 300;
};

// gRPC owns the sockets and does not report when it closes one. So the table holds its own
// descriptor for each: the kernel reports a hang-up when either side has closed. The same
// descriptor serves to measure the received bytes and to cut off the connection.
//
// Thread-safe.
class ConnectionTable {
 public:
  static constexpr size_t kAlways = 16;
  static constexpr absl::Duration kTrickle = absl::Milliseconds(500);

  // The outcomes of connection attempts since the hub started.
  struct Counters {
    explicit Counters(Metrics& metrics)
        : accepted(metrics.AddCounter("eventhub_connections_accepted_total",
                                      "Connections that were accepted.")),
          refused(metrics.AddCounter("eventhub_connections_refused_total",
                                     "Connections that were refused because of a limit.")),
          shed(metrics.AddCounter("eventhub_connections_shed_total",
                                  "Connections closed to free memory.")) {}

    Counter& accepted;
    Counter& refused;
    Counter& shed;
  };

  ConnectionTable(const ConnectionLimits& limits, PublishLimits& publish_limits, const Clock& clock,
                  Metrics& metrics)
      : limits_(limits), publish_limits_(publish_limits), clock_(clock), counters_(metrics) {}
  ~ConnectionTable();

  // Decides whether to admit a connection. If so, counts it and takes ownership of `watched`, a
  // descriptor of its socket. Otherwise changes nothing.
  bool Admit(const PeerAddress& peer, int watched);

  // Removes a connection that has ended, by its descriptor, and closes the descriptor.
  void Remove(int watched);

  size_t size() const;
  const Counters& counters() const { return counters_; }

  // Measures the bytes received since the last call. Call it periodically, more often when memory
  // gets short.
  void Sample();

  // Cuts off the connections that recently sent the most bytes without completing requests: these
  // take memory that is counted nowhere. Refuses their hosts for a while. Returns the number of
  // connections cut off.
  size_t Shed();

  // The last resort: cuts off all connections of the host with the most, if they are many. The
  // memory that a call takes before its request is complete does not show in bytes. Returns the
  // number of connections cut off.
  size_t ShedHost();

  // Sets whether new connections are refused, except for a few: up to kAlways in all, and beyond
  // these one every kTrickle, so that an operator can still connect. Existing ones stay.
  void SetClosed(bool closed);

  // MarkReceived records the bytes received so far; CloseSilent then cuts off the connections that
  // received nothing since. Connections over unix sockets stay: the kernel does not count their
  // bytes.
  void MarkReceived();
  void CloseSilent();

 private:
  struct Connection {
    std::string host;
    // Keeps alive the connection's share, which counts the bytes of requests.
    std::shared_ptr<PublishLimits::Connection> share;
    uint64_t wasted_before = 0;  // Bytes outside of requests, at the last sample.
    uint64_t taken_before = 0;   // Bytes of requests, at the last sample.
    double wasted = 0;           // Recent bytes outside of requests: halves every second.
    double taken = 0;
    uint64_t marked = 0;  // Bytes received, at the last mark.
    bool shed = false;
  };
  struct Host {
    size_t connections = 0;
    double tokens = 0;
    absl::Duration filled;  // When `tokens` was up to date.
  };

  static double WasteOf(const Connection& connection);
  void Shed(int fd, Connection& connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a connection is admitted while new ones are refused.
  bool AdmitWhileClosed(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetIdleHosts(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fill(Host& host, absl::Duration now) const;

  const ConnectionLimits limits_;
  PublishLimits& publish_limits_;
  const Clock& clock_;
  const Counters counters_;

  mutable Mutex mutex_;
  absl::flat_hash_map<int, Connection> connections_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Host> hosts_ ABSL_GUARDED_BY(mutex_);
  // At this number of hosts, idle ones are removed.
  size_t sweep_at_ ABSL_GUARDED_BY(mutex_) = 1024;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  // When the last connection beyond kAlways was admitted while new ones are refused.
  absl::Duration trickled_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  absl::Duration sampled_ ABSL_GUARDED_BY(mutex_);  // When the last sample was taken.
};

}  // namespace eventhub
