// The connection to a hub: an interface, so that programs and the SDK can be tested without one.
//
// `Connect` returns the real one, over gRPC; eventhub/mocks/mock_connection.h has one for tests.
// Publisher, Reader, Subscriber and the administration clients are built on a connection and add
// batching, retries and resumption; programs that use them need nothing from this file but
// `Connect`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/connection/consume_streams.h"
#include "eventhub/connection/dead_letter_calls.h"
#include "eventhub/connection/delayed_event_calls.h"
#include "eventhub/connection/erasure_calls.h"
#include "eventhub/connection/health_calls.h"
#include "eventhub/connection/latest_calls.h"
#include "eventhub/connection/link_calls.h"
#include "eventhub/connection/publish_streams.h"
#include "eventhub/connection/read_streams.h"
#include "eventhub/connection/route_calls.h"
#include "eventhub/connection/subscription_calls.h"
#include "eventhub/connection/topic_calls.h"
#include "eventhub/connection/topology_calls.h"
#include "eventhub/connection/transact_streams.h"
#include "eventhub/connection/transaction_calls.h"

namespace eventhub::client {

// A hub, reached over the network or played by a test. Thread-safe. Must outlive its streams: the
// destructor waits until all publish, consume and transact streams have ended.
//
// A connection has one part for each thing that a hub does. A part that a class does not override
// answers UNIMPLEMENTED, and so does each call that a part does not override: a fake implements
// only what the code under test uses, and still compiles when hubs learn more.
//
// References to parts are valid as long as the connection. Errors of unary calls carry an ErrorInfo
// (eventhub/error.h); the files of eventhub/v1 list the errors of each call.
//
// Example: a hub that is always healthy
//
//     class HealthyHub final : public Connection, private HealthCalls {
//      public:
//       HealthCalls& health() override { return *this; }
//
//      private:
//       absl::StatusOr<Health> CheckHealth(const std::string&, absl::Duration) override {
//         return Health::kServing;
//       }
//     };
class Connection {
 public:
  virtual ~Connection() = default;

  // For Publisher, Reader and Subscriber.
  virtual PublishStreams& publish_streams();
  virtual ReadStreams& read_streams();
  virtual ConsumeStreams& consume_streams();
  // For Committer.
  virtual TransactStreams& transact_streams();
  // For Commit (eventhub/transaction.h).
  virtual TransactionCalls& transactions();
  // For LatestReader.
  virtual LatestCalls& latest();
  // For the administration clients.
  virtual TopicCalls& topics();
  virtual SubscriptionCalls& subscriptions();
  virtual DeadLetterCalls& dead_letters();
  virtual RouteCalls& routes();
  virtual LinkCalls& links();
  virtual DelayedEventCalls& delayed_events();
  virtual ErasureCalls& erasures();
  virtual TopologyCalls& topology();
  virtual HealthCalls& health();

  // Runs `work` after `delay`, on a thread of the connection; it may run concurrently with other
  // callbacks of the connection, and must be quick. Work that is not due when the connection is
  // destroyed is dropped. The default drops all work.
  virtual void RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work);

  // Fails the unary calls in progress, and all later ones, with CANCELLED. Use it to release
  // threads that may be blocked in a call. Does not affect streams. The default does nothing.
  virtual void CancelCalls();
};

// TLS to a hub. Files are PEM and are read again within ten seconds of a change; new TCP
// connections use the new contents.
struct TlsOptions {
  // Certificate authorities, one of which signed the hub's certificate. Empty: the authorities that
  // the system trusts (/etc/ssl/certs).
  std::string ca_file{};
  // The client's identity, for hubs that require client certificates: the certificate followed by
  // the rest of its chain, and its private key without a passphrase. Set both or neither.
  std::string certificate_file{};
  std::string key_file{};
  // The name that the hub's certificate must have. Empty: the host in the address.
  std::string server_name{};
};

// Checks that the files are usable. NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT or
// FAILED_PRECONDITION (an expired certificate) name the file. Connect() does not check: as long as
// the files are not usable, calls fail with UNAVAILABLE.
absl::Status CheckTls(const TlsOptions& options);

// How to reach a hub.
struct ConnectionOptions {
  // How long nothing may be received, while calls are open, before the hub is pinged. A TCP
  // connection on which neither pings nor requests are acknowledged within 20 s is closed and
  // replaced. At least 10 s; infinite: never ping.
  absl::Duration keepalive = absl::Minutes(1);

  // The maximum delay between attempts to connect; at least 100 ms.
  absl::Duration max_reconnect_delay = absl::Seconds(1);

  // How much a stream may receive before the program takes it; bounds the memory of a program that
  // does not keep up. A larger buffer is faster over a long distance. 64 KiB to 64 MiB.
  size_t stream_buffer_bytes = 4 * 1024 * 1024;

  // Prepended to gRPC's user agent, e.g. "billing/1.4".
  std::string user_agent{};

  // Set: TLS. Unset: plain text. Ignored for `unix:` addresses, which are protected by file
  // permissions.
  std::optional<TlsOptions> tls{};
};

// Returns a connection to the hub at `address`: `host:port`, `dns:///host:port` or `unix:/path`.
// Returns at once and never fails: the first call opens the network connection, and later calls
// reopen it after it broke. Each Connection has its own TCP connection, shared by everything that
// uses it, and one more for every 80 streams open at the same time, because a hub accepts 100 calls
// per TCP connection.
//
// Lifetime: the connection is destroyed with its last reference, on any thread, callbacks included.
//
// Memory: the first connection lets glibc's malloc keep up to 32 MiB of freed memory in each of its
// heaps, as malloc does by itself once a program has freed a block of 16 MiB. This makes readers
// several times as fast. Settings made with mallopt() or MALLOC_ variables take precedence.
//
// Example:
//
//     std::shared_ptr<Connection> hub = Connect("localhost:7070");
//
//     ConnectionOptions options;
//     options.tls = TlsOptions{
//         .ca_file = "ca.pem", .certificate_file = "me.pem", .key_file = "me.key"};
//     std::shared_ptr<Connection> secured = Connect("hub.example:7070", options);
std::shared_ptr<Connection> Connect(std::string_view address, ConnectionOptions options = {});

}  // namespace eventhub::client
