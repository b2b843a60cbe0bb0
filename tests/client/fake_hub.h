// A hub in the test's process and on the test's clock. It handles publish requests like the real
// one; the test decides when it replies, what it refuses and when connections break.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eventhub/error.h"
#include "eventhub/mocks/mock_connection.h"
#include "eventhub/v1/hub.pb.h"
#include "tests/support/fake_clock.h"

namespace eventhub::client {

// An error as a hub raises it, with its detail.
absl::Status HubError(absl::StatusCode code, ErrorInfo info, std::string_view message = "refused");

// Timers run in Advance, on the caller's thread, and so does everything else that the test does not
// run on other threads. Not thread-safe unless noted.
class FakeHub : public MockConnection {
 public:
  struct Stored {
    std::string id;
    std::optional<uint32_t> partition;
  };

  FakeHub();

  FakeClock& clock() { return clock_; }
  // Advances the clock, and runs the timers that become due. Thread-safe.
  void Advance(absl::Duration by);
  // Makes RunAfter advance the clock itself: waits end as soon as they begin.
  void SkipWaits() { skip_waits_ = true; }
  size_t timers() const;

  // The number of requests written to the current stream and not handled. Thread-safe.
  size_t waiting() const;
  const v1::PublishStreamRequest& request(size_t i) const { return inbox_[i]; }
  size_t streams_opened() const { return streams_opened_; }

  // Handles the oldest request like the real hub: checks epoch and sequence, appends, replies.
  void Handle();
  void HandleAll();
  // Refuses the oldest request with `status`.
  void Refuse(const absl::Status& status);
  // Sends a successful reply with this correlation id.
  void ReplyTo(uint64_t correlation_id);
  // Handles the oldest request without a reply.
  void Process() { Process(TakeRequest()); }
  // Handles a request as if another client had sent it; returns the reply.
  PublishReply Process(const v1::PublishStreamRequest& request);
  // Handles the oldest request; the reply is lost with the connection.
  void HandleAndBreak();
  // Closes the stream; requests that are not handled are lost.
  void Break(const absl::Status& status = absl::UnavailableError("connection reset"));
  // While set, new streams fail at once.
  void SetDown(bool down) { down_ = down; }
  // Forgets all producers, as a hub forgets producers that were idle for too long.
  void ForgetProducers() { producers_.clear(); }
  // Refuses requests that contain these events; each error names the first such event.
  void SetInvalid(std::vector<std::string> ids) { invalid_ = std::move(ids); }
  // Events without an explicit partition go to the partition of their key; without a key, to 0.
  void SetPartitions(uint32_t partitions) { partitions_ = partitions; }

  // Consume streams. TakeConsumeRequests returns the requests written to the current stream since
  // the last call; Send sends a response. Writes complete at once, unless they are held.
  std::vector<v1::ConsumeRequest> TakeConsumeRequests();
  size_t consume_streams_opened() const;
  void Send(const v1::ConsumeResponse& response);
  void SendBytes(Bytes bytes);
  void CloseConsume(const absl::Status& status);
  // While held, writes to the stream do not complete.
  void HoldConsumeWrites(bool hold);
  // Called inside of each write to a consume stream.
  void SetOnConsumeWrite(std::function<void()> call) { on_consume_write_ = std::move(call); }
  // How often consume streams were cancelled.
  int consume_cancels() const;

  const std::vector<Stored>& stored() const { return stored_; }
  std::vector<std::string> ids() const;

 private:
  class Stream;
  class ConsumerStream;
  struct Producer {
    uint64_t epoch = 0;
    uint64_t next_sequence = 0;
    std::map<uint64_t, PublishReply> accepted{};
  };

  std::shared_ptr<PublishStream> Open(std::shared_ptr<PublishStream::Handler> handler);
  std::shared_ptr<ConsumeStream> OpenConsume(std::shared_ptr<ConsumeStream::Handler> handler);
  void Written(Stream* stream, v1::PublishStreamRequest request);
  void ConsumeWritten(ConsumerStream* stream, v1::ConsumeRequest request);
  // A successful reply, without the correlation id.
  PublishReply Append(const v1::PublishStreamRequest& request);
  v1::PublishStreamRequest TakeRequest();

  FakeClock clock_;
  mutable Mutex mutex_;
  std::multimap<absl::Duration, absl::AnyInvocable<void() &&>> timers_ ABSL_GUARDED_BY(mutex_);
  bool skip_waits_ = false;
  bool down_ = false;
  uint32_t partitions_ = 1;
  size_t streams_opened_ = 0;
  std::shared_ptr<PublishStream::Handler> handler_;
  Stream* stream_ = nullptr;
  std::deque<v1::PublishStreamRequest> inbox_;
  std::shared_ptr<ConsumeStream::Handler> consumer_ ABSL_GUARDED_BY(mutex_);
  ConsumerStream* consumer_stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::vector<v1::ConsumeRequest> consume_requests_ ABSL_GUARDED_BY(mutex_);
  size_t consume_streams_opened_ ABSL_GUARDED_BY(mutex_) = 0;
  bool hold_consume_writes_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> on_consume_write_;
  bool consume_write_held_ ABSL_GUARDED_BY(mutex_) = false;
  int consume_cancels_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Producer> producers_;
  std::vector<std::string> invalid_;
  std::vector<Stored> stored_;
  std::map<uint32_t, int64_t> ends_;
};

}  // namespace eventhub::client
