// A consumer over the plain generated stub: what a test says to it is sent as it is, and all that
// comes is kept.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tests/support/hub_calls.h"

namespace eventhub {

// An event as a consumer got it.
struct Received {
  uint32_t partition;
  int64_t offset;
  uint32_t attempt;
  uint64_t lease_epoch;
  std::string id;
};

// The first request of a consumer.
v1::ConsumeRequest OpenOf(const std::string& subscription, const std::string& consumer = "");
v1::ConsumeRequest OpenOf(const std::string& subscription, uint32_t credit_events);

// Requests about single events.
v1::ConsumeRequest AckOf(const Received& event);
v1::ConsumeRequest NackOf(const Received& event, v1::Nack::Action action,
                          const std::string& reason = "");
v1::ConsumeRequest ExtensionOf(const Received& event, int64_t seconds);
v1::ConsumeRequest CreditOf(uint32_t events, uint64_t bytes = 16 << 20);
v1::ConsumeRequest LeaveRequest();

// One stream, with a deadline of kTestDeadline, after which every wait fails. Responses are taken
// only while one of its methods waits. Send and Cancel may be called by another thread.
class TestConsumer {
 public:
  TestConsumer(HubClient& client, const v1::ConsumeRequest& first);
  TestConsumer(HubClient& client, const std::string& subscription)
      : TestConsumer(client, OpenOf(subscription)) {}
  // Cancels what was not ended.
  ~TestConsumer();

  TestConsumer(const TestConsumer&) = delete;
  TestConsumer& operator=(const TestConsumer&) = delete;

  bool Send(const v1::ConsumeRequest& request) { return stream_->Write(request); }
  bool HalfClose() { return stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }

  // Takes one response; false at the end of the stream.
  bool Next();
  // Takes responses until the condition holds; whether it does.
  bool Until(absl::FunctionRef<bool()> condition);
  // Until so many events have come in all.
  bool UntilEvents(size_t count);
  // Sends a request with a correlation id of its own; waits for its settlement.
  v1::Settlement Settle(v1::ConsumeRequest request);
  // Settles, and expects that nothing is refused.
  void MustSettle(const v1::ConsumeRequest& request);
  // Acks all events from `first` on that have come, in one request, and expects no refusal.
  void AckFrom(size_t first);
  // Takes what comes up to the end of the stream.
  grpc::Status End();

  // What came, in order, since the start.
  const std::vector<Received>& events() const { return events_; }
  std::vector<int64_t> offsets() const;
  const std::vector<v1::ConsumeResponse>& responses() const { return responses_; }
  const std::map<uint64_t, v1::Settlement>& settlements() const { return settlements_; }
  // All that one field of the responses held.
  std::vector<v1::PartitionLease> assigned() const;
  std::vector<v1::PartitionLease> draining() const;
  std::vector<v1::PartitionLease> revoked() const;
  bool caught_up() const;

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ConsumeRequest, v1::ConsumeResponse>> stream_;
  bool ended_ = false;
  uint64_t next_correlation_ = 1'000'000;
  std::vector<v1::ConsumeResponse> responses_;
  std::vector<Received> events_;
  std::map<uint64_t, v1::Settlement> settlements_;
};

}  // namespace eventhub
