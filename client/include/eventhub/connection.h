// The way to a hub: an interface, so that programs and the SDK itself can be tested without one.
//
// `Connect` makes the real one, over gRPC; eventhub/mocks/mock_connection.h has one for tests.
// Publisher, Reader, Subscriber and the clients for administration stand on a connection and add
// batching, retries and resumption; programs that use them need nothing of this file but `Connect`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/bytes.h"
#include "eventhub/delayed_event.h"
#include "eventhub/filter.h"
#include "eventhub/link.h"
#include "eventhub/position.h"
#include "eventhub/route.h"
#include "eventhub/subscription.h"
#include "eventhub/topic.h"

namespace eventhub::client {

struct ApplyOptions;
struct ApplyResult;
class Topology;
struct Transaction;
struct TransactionResult;

// Consecutive offsets in one partition: of those events of a request that belong to `partition`,
// and are neither duplicates nor delayed, the k-th (from 0) has the offset `base_offset + k`.
struct Placement {
  uint32_t partition = 0;
  int64_t base_offset = 0;
  uint32_t count = 0;
  // The run of these events: with the offset after them, for TransactionAppend::expected_run and
  // others. 0: the hub did not say.
  uint64_t run = 0;

  friend bool operator==(const Placement&, const Placement&) = default;
};

// An event of a request that was put aside until it is due.
struct DelayPlacement {
  uint32_t event_index = 0;
  std::string delay_id{};
  absl::Time due_time{};
};

// An event of a request that its topic had already.
struct DuplicatePlacement {
  uint32_t event_index = 0;
  // Where the first one is; none if that one was put aside for later.
  std::optional<uint32_t> partition{};
  std::optional<int64_t> offset{};
};

// The hub's reply to one request of a publish stream.
struct PublishReply {
  // That of the request.
  uint64_t correlation_id = 0;
  // OK: all events are appended, but for `duplicates` and `delayed`. An error means that nothing
  // was, unless it is UNAVAILABLE: then the outcome is
  // unknown.
  absl::Status status{};
  // One for each partition that got events, in order of its number.
  std::vector<Placement> placements{};
  // Where the events without a key went; set only if the request named no partition and had some.
  std::optional<uint32_t> keyless_partition{};
  // What PartitionFor takes for the events with a key; 0 if the request named a partition.
  uint32_t partition_count = 0;
  // The request had been accepted before; this is the original answer.
  bool duplicate = false;
  // Those that are not among the placements, by index.
  std::vector<DelayPlacement> delayed{};
  std::vector<DuplicatePlacement> duplicates{};
};

// One publishing stream. Thread-safe. Dropping the last reference cancels it.
class PublishStream {
 public:
  // Is told what happens to a stream, on threads of the connection, one call at a time but for
  // OnWritten, which may come at the same time as another.
  class Handler {
   public:
    virtual ~Handler() = default;
    // The transport took the request; the next may be written.
    virtual void OnWritten() = 0;
    // In the order of the requests.
    virtual void OnReply(PublishReply reply) = 0;
    // The last call. Requests without a reply are in doubt.
    virtual void OnClosed(absl::Status status) = 0;
  };

  virtual ~PublishStream() = default;

  // Sends a PublishStreamRequest whose encoding is `header` followed by `events`. One at a time:
  // not before OnWritten of the one before. Does nothing once the stream is closed.
  virtual void Write(std::string header, Bytes events) = 0;

  // Ends the stream soon, with CANCELLED.
  virtual void Cancel() = 0;
};

// What to read; eventhub/v1/hub.proto, ReadRequest.
struct ReadSpec {
  std::string topic{};
  std::vector<uint32_t> partitions{};
  StartPosition start{};
  std::vector<PartitionOffset> offsets{};
  std::optional<int64_t> stop_offset{};
  std::optional<absl::Time> stop_time{};
  bool follow = false;
  uint32_t max_response_bytes = 0;
  std::optional<Filter> filter{};
  bool report_passed = false;
};

// One call of Read. Read is for one thread at a time; Cancel may come from any.
class ReadStream {
 public:
  enum class Outcome {
    kFrame,    // A response was received.
    kTimeout,  // None came in time; the stream goes on.
    kClosed,   // The stream has ended; see `status`.
  };

  virtual ~ReadStream() = default;

  // Waits for the next response, at most `timeout`; sets `frame` to an encoded ReadResponse. What
  // is not taken waits at the hub: flow control bounds the memory on both sides.
  virtual Outcome Read(absl::Duration timeout, Bytes& frame) = 0;

  // How the stream ended: OK at the end that was asked for. After kClosed.
  virtual absl::Status status() const = 0;

  // Ends the stream soon, with CANCELLED; a waiting Read returns.
  virtual void Cancel() = 0;
};

// One call of Consume. Thread-safe. Dropping the last reference cancels it.
class ConsumeStream {
 public:
  // Is told what happens to a stream, on threads of the connection, one call at a time but for
  // OnWritten, which may come at the same time as another.
  class Handler {
   public:
    virtual ~Handler() = default;
    // The transport took the request; the next may be written.
    virtual void OnWritten() = 0;
    // A response was received: an encoded ConsumeResponse. The next is received meanwhile; credit
    // bounds what can come.
    virtual void OnFrame(Bytes frame) = 0;
    // The last call. OK: the hub let the consumer leave.
    virtual void OnClosed(absl::Status status) = 0;
  };

  virtual ~ConsumeStream() = default;

  // Sends an encoded ConsumeRequest. One at a time: not before OnWritten of the one before. Does
  // nothing once the stream is closed.
  virtual void Write(std::string request) = 0;

  // Ends the stream soon, with CANCELLED.
  virtual void Cancel() = 0;
};

// A hub, reached over the network or played by a test. Thread-safe. Must outlive its streams: its
// destruction waits until all publish and consume streams have ended. Unary calls block until the
// reply, an error, or `timeout` (DEADLINE_EXCEEDED); their errors carry an ErrorInfo
// (eventhub/error.h). What each can fail with is in the files of eventhub/v1.
//
// What a class of a test does not override answers UNIMPLEMENTED: a fake for the code under test
// plays as much of a hub as that code uses, and goes on to compile when the hub can do more.
class Connection {
 public:
  virtual ~Connection() = default;

  // Starts a publish stream. Does not fail: errors come as OnClosed. `handler` is kept until then.
  virtual std::shared_ptr<PublishStream> OpenPublishStream(
      std::shared_ptr<PublishStream::Handler> handler);

  // Starts to read. Does not fail: errors come as kClosed.
  virtual std::unique_ptr<ReadStream> OpenReadStream(const ReadSpec& spec);

  // Starts to consume. Does not fail: errors come as OnClosed. `handler` is kept until then.
  virtual std::shared_ptr<ConsumeStream> OpenConsumeStream(
      std::shared_ptr<ConsumeStream::Handler> handler);

  // Runs `work` on a thread of the connection after `delay`, also while other work of the
  // connection goes on. Work that is not due when the connection is destroyed is dropped. Not
  // overridden: at once dropped.
  virtual void RunAfter(absl::Duration delay, absl::AnyInvocable<void() &&> work);

  // Ends the unary calls that block, and those made from now on, with CANCELLED: for who has to
  // stop threads that may be in one. Streams are not touched.
  virtual void CancelCalls();

  // One attempt at a transaction; see Commit in eventhub/transaction.h.
  virtual absl::StatusOr<TransactionResult> Transact(const Transaction& transaction,
                                                     absl::Duration timeout);

  virtual absl::StatusOr<Topic> CreateTopic(const Topic& topic, absl::Duration timeout);
  virtual absl::StatusOr<TopicDescription> GetTopic(const std::string& name,
                                                    absl::Duration timeout);
  virtual absl::StatusOr<Page<Topic>> ListTopics(uint32_t page_size, const std::string& page_token,
                                                 absl::Duration timeout);
  virtual absl::StatusOr<Topic> UpdateTopic(const std::string& name, const TopicUpdate& update,
                                            absl::Duration timeout);
  virtual absl::Status DeleteTopic(const std::string& name, const TopicDeletion& deletion,
                                   absl::Duration timeout);
  virtual absl::StatusOr<Page<PartitionInfo>> ListPartitions(const std::string& topic,
                                                             uint32_t page_size,
                                                             const std::string& page_token,
                                                             absl::Duration timeout);
  virtual absl::StatusOr<HubStats> GetStats(absl::Duration timeout);
  virtual absl::StatusOr<absl::Time> ConfirmClock(absl::Duration timeout);

  // The health of a service of the hub; empty: of the hub as a whole. NOT_FOUND if there is none.
  virtual absl::StatusOr<Health> CheckHealth(const std::string& service, absl::Duration timeout);

  virtual absl::StatusOr<Subscription> CreateSubscription(const Subscription& subscription,
                                                          const StartPosition& start,
                                                          absl::Duration timeout);
  virtual absl::StatusOr<SubscriptionDescription> GetSubscription(const std::string& name,
                                                                  uint32_t max_partitions,
                                                                  absl::Duration timeout);
  virtual absl::StatusOr<Page<SubscriptionSummary>> ListSubscriptions(const std::string& topic,
                                                                      uint32_t page_size,
                                                                      const std::string& page_token,
                                                                      absl::Duration timeout);
  virtual absl::StatusOr<Subscription> UpdateSubscription(const std::string& name,
                                                          const SubscriptionUpdate& update,
                                                          absl::Duration timeout);
  virtual absl::Status DeleteSubscription(const std::string& name, absl::Duration timeout);
  virtual absl::StatusOr<std::vector<PartitionMove>> SeekSubscription(const std::string& name,
                                                                      const SeekTarget& target,
                                                                      bool dry_run,
                                                                      absl::Duration timeout);
  virtual absl::StatusOr<ReplayResult> ReplaySubscription(const std::string& name,
                                                          const ReplaySpec& spec, bool dry_run,
                                                          absl::Duration timeout);
  virtual absl::StatusOr<uint64_t> CancelReplays(const std::string& name, absl::Duration timeout);
  virtual absl::StatusOr<Snapshot> CreateSnapshot(const std::string& subscription,
                                                  const std::string& name, absl::Duration timeout);
  virtual absl::StatusOr<std::vector<Snapshot>> ListSnapshots(const std::string& subscription,
                                                              absl::Duration timeout);
  virtual absl::Status DeleteSnapshot(const std::string& subscription, const std::string& name,
                                      absl::Duration timeout);
  virtual absl::StatusOr<Page<DeadLetter>> ListDeadLetters(const std::string& subscription,
                                                           const DeadLetterSelector& selector,
                                                           bool with_data, uint32_t page_size,
                                                           const std::string& page_token,
                                                           absl::Duration timeout);
  virtual absl::StatusOr<RedriveResult> RedriveDeadLetters(const std::string& subscription,
                                                           const DeadLetterSelector& selector,
                                                           bool dry_run, absl::Duration timeout);
  virtual absl::StatusOr<uint64_t> DiscardDeadLetters(const std::string& subscription,
                                                      const DeadLetterSelector& selector,
                                                      bool dry_run, absl::Duration timeout);

  virtual absl::StatusOr<RouteChange> CreateRoute(const Route& route, absl::Duration timeout);
  virtual absl::StatusOr<RouteDescription> GetRoute(const std::string& name,
                                                    absl::Duration timeout);
  virtual absl::StatusOr<Page<RouteDescription>> ListRoutes(const std::string& topic,
                                                            uint32_t page_size,
                                                            const std::string& page_token,
                                                            absl::Duration timeout);
  virtual absl::StatusOr<RouteChange> UpdateRoute(const std::string& name,
                                                  const RouteUpdate& update,
                                                  absl::Duration timeout);
  virtual absl::StatusOr<std::vector<PartitionOffset>> DeleteRoute(const std::string& name,
                                                                   absl::Duration timeout);
  virtual absl::StatusOr<RouteTest> TestRoutes(const std::string& topic, const v1::Event& event,
                                               const std::optional<Route>& pretended,
                                               absl::Duration timeout);

  virtual absl::StatusOr<Link> CreateLink(const Link& link, absl::Duration timeout);
  virtual absl::StatusOr<LinkDescription> GetLink(const std::string& name, absl::Duration timeout);
  virtual absl::StatusOr<Page<LinkDescription>> ListLinks(uint32_t page_size,
                                                          const std::string& page_token,
                                                          absl::Duration timeout);
  virtual absl::StatusOr<Link> UpdateLink(const std::string& name, const LinkUpdate& update,
                                          absl::Duration timeout);
  virtual absl::Status DeleteLink(const std::string& name, absl::Duration timeout);

  virtual absl::StatusOr<Page<DelayedEvent>> ListDelayedEvents(const std::string& topic,
                                                               const DueRange& range,
                                                               uint32_t page_size,
                                                               const std::string& page_token,
                                                               absl::Duration timeout);
  virtual absl::StatusOr<uint32_t> CancelDelayedEvents(const std::string& topic,
                                                       const std::vector<std::string>& delay_ids,
                                                       absl::Duration timeout);

  virtual absl::StatusOr<ApplyResult> ApplyTopology(const Topology& topology,
                                                    const ApplyOptions& options,
                                                    absl::Duration timeout);
  virtual absl::StatusOr<Topology> ExportTopology(absl::Duration timeout);
};

// TLS with a hub. Files are PEM, and read anew within ten seconds of a change: connections made
// from then on use them.
struct TlsOptions {
  // Authorities, one of which has signed the hub's certificate. Empty: those that the system trusts
  // (/etc/ssl/certs).
  std::string ca_file{};
  // What the program shows a hub that lets in only clients with a certificate: the certificate,
  // followed by the rest of its chain, and its private key without a passphrase. Both or neither.
  std::string certificate_file{};
  std::string key_file{};
  // The name that the hub's certificate has to bear, if that is not the host in the address.
  std::string server_name{};
};

// Whether the files can be used. NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT or
// FAILED_PRECONDITION (an expired certificate) name the file. Connect() cannot say so: until they
// can be, its calls fail with UNAVAILABLE.
absl::Status CheckTls(const TlsOptions& options);

// How to reach a hub.
struct ConnectionOptions {
  // Pings the hub when calls are open and nothing was received for so long; a connection on which
  // neither pings nor requests are acknowledged within 20 s is closed and made anew. At least 10 s;
  // infinite: never.
  absl::Duration keepalive = absl::Minutes(1);

  // The longest pause between attempts to connect; at least 100 ms.
  absl::Duration max_reconnect_delay = absl::Seconds(1);

  // Sent to the hub in front of gRPC's own user agent, e.g. "billing/1.4".
  std::string user_agent{};

  // Set: TLS. Not looked at for `unix:` addresses, which the rights of their files protect. Not
  // set: plain text.
  std::optional<TlsOptions> tls{};
};

// A connection to the hub at `address`: `host:port`, `dns:///host:port` or `unix:/path`. Returns at
// once and never fails: the network is used when the first call is made, and again whenever it
// broke. Each connection has a TCP connection of its own, shared by all that uses it; for every 80
// streams that are open at a time it has one more, since the hub takes 100 calls on each.
//
// Memory: the first connection lets glibc's malloc keep up to 32 MiB of freed memory in each of its
// heaps, as it does by itself once a program has freed a block of 16 MiB. A reader is several times
// as fast with it. Whatever the program sets with mallopt() or MALLOC_ variables holds instead.
//
// Example:
//
//     std::shared_ptr<Connection> hub = Connect("localhost:7070");
//
//     ConnectionOptions options;
//     options.tls = TlsOptions{.ca_file = "ca.pem", .certificate_file = "me.pem", .key_file =
//     "me.key"}; std::shared_ptr<Connection> secured = Connect("hub.example:7070", options);
std::shared_ptr<Connection> Connect(std::string_view address, ConnectionOptions options = {});

}  // namespace eventhub::client
