// A hub in the process of a test: the real one, with its data in memory, without ports and files.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "eventhub/connection.h"

namespace eventhub::client {

// Serves from construction to destruction. Each hub has its own data and its own clock, and any
// number of them run side by side; one starts in some ten milliseconds. Thread-safe, except that
// one thread at a time calls Start, Stop and Restart.
//
// It is not a model of a hub: topics, subscriptions, transactions, routes, delayed events and
// errors are those of eventhubd. Only the disk is missing, and the network is a socket with a
// random name in Linux's abstract namespace. A hub that cannot start ends the program, with the
// reason on stderr.
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
//       hub.Restart();                    // Nobody loses an event.
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

  // The hub's clock follows the system's; Advance moves it forward. Leases and retry delays that
  // expire by then have expired when it returns; delayed events follow within a second.
  // The SDK's own clock stays: a Subscriber, which extends leases in real time, then has lost those
  // that were shorter.
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
