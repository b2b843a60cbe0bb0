// A consumer on the plain generated stub: it sends a test's requests unchanged, and records all
// responses.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tests/support/hub_calls.h"

namespace eventhub {

// An event as delivered to a consumer.
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

// One stream with a deadline of kTestDeadline, after which every wait fails. It reads responses
// only while one of its methods waits. Send and Cancel may be called from another thread.
class TestConsumer {
 public:
  TestConsumer(HubClient& client, const v1::ConsumeRequest& first);
  TestConsumer(HubClient& client, const std::string& subscription)
      : TestConsumer(client, OpenOf(subscription)) {}
  // Cancels the stream if it has not ended.
  ~TestConsumer();

  TestConsumer(const TestConsumer&) = delete;
  TestConsumer& operator=(const TestConsumer&) = delete;

  bool Send(const v1::ConsumeRequest& request) { return stream_->Write(request); }
  bool HalfClose() { return stream_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }

  // Reads one response; returns false at the end of the stream.
  bool Next();
  // Reads responses until the condition holds; returns whether it does.
  bool Until(absl::FunctionRef<bool()> condition);
  // Reads until `count` events have arrived in total.
  bool UntilEvents(size_t count);
  // Sends a request with a unique correlation id and waits for its settlement.
  v1::Settlement Settle(v1::ConsumeRequest request);
  // Settles, and expects that nothing is refused.
  void MustSettle(const v1::ConsumeRequest& request);
  // Acks, in one request, all received events from index `first` on, and expects that nothing is
  // refused.
  void AckFrom(size_t first);
  // Reads to the end of the stream.
  grpc::Status End();

  // Everything received since the start, in order.
  const std::vector<Received>& events() const { return events_; }
  std::vector<int64_t> offsets() const;
  const std::vector<v1::ConsumeResponse>& responses() const { return responses_; }
  const std::map<uint64_t, v1::Settlement>& settlements() const { return settlements_; }
  // All values of one field of the responses.
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
