// Consume streams: how a Subscriber receives events and settles them.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "eventhub/bytes.h"

namespace eventhub::client {

// One Consume call. Thread-safe. Dropping the last reference cancels the stream.
class ConsumeStream {
 public:
  // Receives the events of a stream, on threads of the connection. Calls do not overlap, except
  // that OnWritten may overlap another call.
  class Handler {
   public:
    virtual ~Handler() = default;
    // The transport has taken the request; the next one may be written.
    virtual void OnWritten() = 0;
    // A response arrived: an encoded ConsumeResponse. The next one is received meanwhile; credit
    // bounds how much can arrive.
    virtual void OnFrame(Bytes frame) = 0;
    // The last call. OK: the hub let the consumer leave.
    virtual void OnClosed(absl::Status status) = 0;
  };

  virtual ~ConsumeStream() = default;

  // Sends an encoded ConsumeRequest. One write at a time: wait for OnWritten before the next. Does
  // nothing once the stream is closed.
  virtual void Write(std::string request) = 0;

  // Ends the stream soon, with CANCELLED.
  virtual void Cancel() = 0;
};

// Opens consume streams. Thread-safe.
class ConsumeStreams {
 public:
  virtual ~ConsumeStreams() = default;

  // Starts to consume. Never fails: errors arrive through OnClosed. `handler` is kept until then.
  // The default closes the stream with UNIMPLEMENTED.
  virtual std::shared_ptr<ConsumeStream> OpenConsumeStream(
      std::shared_ptr<ConsumeStream::Handler> handler);
};

}  // namespace eventhub::client
