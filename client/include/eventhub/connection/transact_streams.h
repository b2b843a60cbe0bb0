// Transact streams: how a Committer (eventhub/committer.h) sends transactions to a hub.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eventhub/connection/publish_streams.h"

namespace eventhub::client {

// The hub's reply to one transaction.
struct TransactReply {
  // The request's correlation id.
  uint64_t correlation_id = 0;
  // OK: the transaction is committed. Of the errors, OutcomeIsUnknown (eventhub/error.h) tells
  // those after which it may be committed.
  absl::Status status{};
  // One for each append, in their order; of each, only what is about places is set.
  std::vector<PublishReply> appends{};
  // The transaction had been committed before; this is the original reply.
  bool duplicate = false;
};

// One stream of transactions. Thread-safe. Dropping the last reference cancels the stream.
class TransactStream {
 public:
  // Receives the events of a stream, on threads of the connection. Calls do not overlap, except
  // that OnWritten may overlap another call.
  class Handler {
   public:
    virtual ~Handler() = default;
    // The transport has taken the request; the next one may be written.
    virtual void OnWritten() = 0;
    // Called in the order of the requests.
    virtual void OnReply(TransactReply reply) = 0;
    // The last call. The outcome of requests without a reply is unknown.
    virtual void OnClosed(absl::Status status) = 0;
  };

  virtual ~TransactStream() = default;

  // Sends an encoded TransactStreamRequest. One write at a time: wait for OnWritten before the
  // next. Does nothing once the stream is closed.
  virtual void Write(std::string request) = 0;

  // Ends the stream soon, with CANCELLED.
  virtual void Cancel() = 0;
};

// Opens transact streams. Thread-safe.
class TransactStreams {
 public:
  virtual ~TransactStreams() = default;

  // Starts a stream. Never fails: errors arrive through OnClosed. `handler` is kept until then. The
  // default closes the stream with UNIMPLEMENTED.
  virtual std::shared_ptr<TransactStream> OpenTransactStream(
      std::shared_ptr<TransactStream::Handler> handler);
};

}  // namespace eventhub::client
