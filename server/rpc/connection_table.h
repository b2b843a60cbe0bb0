// The connections that the hub serves: how many there may be, from where, and which of them take
// memory without making any use of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/rpc/listen_address.h"
#include "server/rpc/publish_limits.h"
#include "storage/base/clock.h"
#include "storage/base/metrics.h"
#include "storage/base/mutex.h"

namespace eventhub {

struct ConnectionLimits {
  size_t total = 10'000;
  // Of one host; connections over unix sockets, and through a proxy, count as one host's.
  size_t per_peer = 2'000;
  // New ones of a host, a second; so many may come at once. Beyond that they are closed at once:
  // setting connections up costs the hub more than it costs clients.
  double new_per_second = 300;
};

// gRPC owns the sockets and does not tell when it closes one. So the table has a descriptor of its
// own of each: the kernel reports it as hung up when either side has closed. The same descriptor
// serves to look at what came in, and to cut the connection off.
//
// Thread-safe.
class ConnectionTable {
 public:
  // What became of those that asked, since the hub started.
  struct Counters {
    explicit Counters(Metrics& metrics)
        : accepted(metrics.AddCounter("eventhub_connections_accepted_total",
                                      "Connections that were accepted.")),
          refused(metrics.AddCounter("eventhub_connections_refused_total",
                                     "Connections that were refused because of a limit.")),
          shed(metrics.AddCounter("eventhub_connections_shed_total",
                                  "Connections that were cut off for want of memory.")) {}

    Counter& accepted;
    Counter& refused;
    Counter& shed;
  };

  ConnectionTable(const ConnectionLimits& limits, PublishLimits& publish_limits, const Clock& clock,
                  Metrics& metrics)
      : limits_(limits), publish_limits_(publish_limits), clock_(clock), counters_(metrics) {}
  ~ConnectionTable();

  // Whether a connection may come in; if so it counts, and `watched`, a descriptor of its socket,
  // belongs to the table. Otherwise nothing is changed.
  bool Admit(const PeerAddress& peer, int watched);

  // Forgets one that has ended, by the descriptor, and closes that.
  void Remove(int watched);

  size_t size() const;
  const Counters& counters() const { return counters_; }

  // Looks at what has come in since the last look. To be called now and then, more often when
  // memory gets short.
  void Sample();

  // Cuts those off that sent the most bytes, of late, that became no request: what takes memory
  // and is not counted anywhere. Their hosts are refused for a while. Returns how many that were.
  size_t Shed();

  // The last resort: cuts off all connections of the host that has most, if that is many. What a
  // call takes before its request is complete is not seen in bytes. Returns how many that were.
  size_t ShedHost();

  // Whether all that ask are refused for now. Those that are in stay.
  void SetClosed(bool closed);

  // Notes what has come in by now; then cuts off those that nothing came from since. Connections
  // over unix sockets are let be: the kernel does not count what they receive.
  void MarkReceived();
  void CloseSilent();

 private:
  struct Connection {
    std::string host;
    // Keeps the connection's share alive, which knows the bytes that became requests.
    std::shared_ptr<PublishLimits::Connection> share;
    uint64_t wasted_before = 0;  // Bytes that became no request, at the last look.
    uint64_t taken_before = 0;   // Bytes of requests, likewise.
    double wasted = 0;           // The same of late: they halve in a second.
    double taken = 0;
    uint64_t marked = 0;  // Bytes received, at the last mark.
    bool shed = false;
  };
  struct Host {
    size_t connections = 0;
    double tokens = 0;
    absl::Duration filled;  // When `tokens` was right.
  };

  static double WasteOf(const Connection& connection);
  void Shed(int fd, Connection& connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetIdleHosts(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fill(Host& host, absl::Duration now) const;

  const ConnectionLimits limits_;
  PublishLimits& publish_limits_;
  const Clock& clock_;
  const Counters counters_;

  mutable Mutex mutex_;
  absl::flat_hash_map<int, Connection> connections_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Host> hosts_ ABSL_GUARDED_BY(mutex_);
  size_t sweep_at_ ABSL_GUARDED_BY(mutex_) = 1024;  // So many hosts: those that are gone, go.
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration sampled_ ABSL_GUARDED_BY(mutex_);  // The last look.
};

}  // namespace eventhub
