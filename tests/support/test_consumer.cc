#include "tests/support/test_consumer.h"

#include "gtest/gtest.h"

namespace eventhub {
namespace {

// A part of a request that names one event.
template <typename Part>
Part& About(Part* part, const Received& event) {
  part->set_partition(event.partition);
  part->set_lease_epoch(event.lease_epoch);
  v1::OffsetRange& range = *part->add_ranges();
  range.set_start(event.offset);
  range.set_end(event.offset + 1);
  return *part;
}

template <typename Field>
std::vector<v1::PartitionLease> Gather(const std::vector<v1::ConsumeResponse>& responses,
                                       Field field) {
  std::vector<v1::PartitionLease> all;
  for (const v1::ConsumeResponse& response : responses) {
    for (const v1::PartitionLease& lease : (response.*field)()) all.push_back(lease);
  }
  return all;
}

using Leases =
    const google::protobuf::RepeatedPtrField<v1::PartitionLease>& (v1::ConsumeResponse::*)() const;

}  // namespace

v1::ConsumeRequest OpenOf(const std::string& subscription, const std::string& consumer) {
  v1::ConsumeRequest request;
  request.mutable_open()->set_subscription(subscription);
  request.mutable_open()->set_consumer(consumer);
  return request;
}

v1::ConsumeRequest OpenOf(const std::string& subscription, uint32_t credit_events) {
  v1::ConsumeRequest request = CreditOf(credit_events);
  request.mutable_open()->set_subscription(subscription);
  return request;
}

v1::ConsumeRequest AckOf(const Received& event) {
  v1::ConsumeRequest request;
  About(request.add_acks(), event);
  return request;
}

v1::ConsumeRequest NackOf(const Received& event, v1::Nack::Action action,
                          const std::string& reason) {
  v1::ConsumeRequest request;
  v1::Nack& nack = About(request.add_nacks(), event);
  nack.set_action(action);
  nack.set_reason(reason);
  return request;
}

v1::ConsumeRequest ExtensionOf(const Received& event, int64_t seconds) {
  v1::ConsumeRequest request;
  About(request.add_extensions(), event).mutable_extension()->set_seconds(seconds);
  return request;
}

v1::ConsumeRequest CreditOf(uint32_t events, uint64_t bytes) {
  v1::ConsumeRequest request;
  request.mutable_credit()->set_events(events);
  request.mutable_credit()->set_bytes(bytes);
  return request;
}

v1::ConsumeRequest LeaveRequest() {
  v1::ConsumeRequest request;
  request.set_leave(true);
  return request;
}

TestConsumer::TestConsumer(HubClient& client, const v1::ConsumeRequest& first) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + kTestDeadline));
  stream_ = client.hub().Consume(&context_);
  Send(first);
}

TestConsumer::~TestConsumer() {
  if (ended_) return;
  Cancel();
  End();
}

bool TestConsumer::Next() {
  v1::ConsumeResponse response;
  if (!stream_->Read(&response)) return false;
  for (const v1::EventBatch& batch : response.batches()) {
    EXPECT_TRUE(batch.offset_deltas().empty());
    int64_t offset = batch.base_offset();
    for (const v1::Event& event : batch.events()) {
      events_.push_back(
          {batch.partition(), offset++, batch.delivery_attempt(), batch.lease_epoch(), event.id()});
    }
  }
  for (const v1::Settlement& settlement : response.settlements()) {
    EXPECT_TRUE(settlements_.emplace(settlement.correlation_id(), settlement).second ||
                settlement.correlation_id() == 0)
        << "request " << settlement.correlation_id() << " is settled twice";
  }
  responses_.push_back(std::move(response));
  return true;
}

bool TestConsumer::Until(absl::FunctionRef<bool()> condition) {
  while (!condition()) {
    if (!Next()) return condition();
  }
  return true;
}

bool TestConsumer::UntilEvents(size_t count) {
  return Until([&] { return events_.size() >= count; });
}

v1::Settlement TestConsumer::Settle(v1::ConsumeRequest request) {
  const uint64_t id = next_correlation_++;
  request.set_correlation_id(id);
  EXPECT_TRUE(Send(request));
  EXPECT_TRUE(Until([&] { return settlements_.count(id) > 0; })) << "not settled";
  return settlements_[id];
}

void TestConsumer::MustSettle(const v1::ConsumeRequest& request) {
  const v1::Settlement settlement = Settle(request);
  EXPECT_EQ(settlement.refused_size(), 0) << settlement.ShortDebugString();
}

void TestConsumer::AckFrom(size_t first) {
  v1::ConsumeRequest request;
  for (size_t i = first; i < events_.size(); ++i) About(request.add_acks(), events_[i]);
  MustSettle(request);
}

grpc::Status TestConsumer::End() {
  while (Next()) {
  }
  ended_ = true;
  return stream_->Finish();
}

std::vector<int64_t> TestConsumer::offsets() const {
  std::vector<int64_t> offsets;
  for (const Received& event : events_) offsets.push_back(event.offset);
  return offsets;
}

std::vector<v1::PartitionLease> TestConsumer::assigned() const {
  return Gather(responses_, static_cast<Leases>(&v1::ConsumeResponse::assigned));
}

std::vector<v1::PartitionLease> TestConsumer::draining() const {
  return Gather(responses_, static_cast<Leases>(&v1::ConsumeResponse::draining));
}

std::vector<v1::PartitionLease> TestConsumer::revoked() const {
  return Gather(responses_, static_cast<Leases>(&v1::ConsumeResponse::revoked));
}

bool TestConsumer::caught_up() const {
  for (const v1::ConsumeResponse& response : responses_) {
    if (response.caught_up()) return true;
  }
  return false;
}

}  // namespace eventhub
