// A real hub inside a test's process, with its data in memory, without ports or files.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "eventhub/connection.h"

namespace eventhub::client {

// Serves from construction to destruction. Each hub has its own data and its own clock; any number
// of hubs can run side by side, and one starts within about ten milliseconds. Thread-safe, except
// that only one thread at a time may call Start, Stop and Restart.
//
// It is not a fake: topics, subscriptions, transactions, routes, delayed events and errors are
// those of eventhubd. Only the disk is replaced by memory, and the network by a socket with a
// random name in Linux's abstract namespace. If the hub cannot start, it ends the program, with the
// reason on stderr. It has a master key, so topics may be erasable (erasure.proto).
//
// Link eventhub::testing.
//
// Example:
//
//     TEST(BillingTest, BillsAnOrderOnce) {
//       InMemoryHub hub;
//       AdminClient(hub.Connect()).CreateTopic({.name = "orders"}).IgnoreError();
//       Billing billing(hub.Connect());   // The program under test.
//       …
//       hub.Advance(absl::Minutes(10));   // The retry is due.
//       hub.Restart();                    // No event is lost.
//     }
class InMemoryHub {
 public:
  InMemoryHub();
  // Connections to it remain valid, and fail with UNAVAILABLE.
  ~InMemoryHub();

  InMemoryHub(const InMemoryHub&) = delete;
  InMemoryHub& operator=(const InMemoryHub&) = delete;

  // A connection for everything in the SDK that takes one. It survives restarts of the hub, as a
  // connection over the network does.
  std::shared_ptr<Connection> Connect();

  // The hub's clock follows the system's; Advance moves it forward. When it returns, the leases and
  // retry delays that end by then have ended; delayed events follow within a second. The SDK's own
  // clock does not move: a Subscriber extends its leases in real time, so it loses those that end
  // within `by`.
  void Advance(absl::Duration by);
  absl::Time Now() const;

  // Shuts the hub down as SIGTERM does: accepted requests are answered, streams end, and calls fail
  // with UNAVAILABLE until Start. No effect if it is stopped.
  void Stop();
  // Starts it again with its data. No effect if it runs.
  void Start();
  // Stop, then Start.
  void Restart();

 private:
  class Impl;

  const std::unique_ptr<Impl> impl_;
};

}  // namespace eventhub::client
