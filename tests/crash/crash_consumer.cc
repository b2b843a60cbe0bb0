#include "tests/crash/crash_consumer.h"

#include <utility>

#include "gtest/gtest.h"

namespace eventhub {
namespace {

constexpr uint64_t kPoisonedOneIn = 97;
constexpr size_t kMaxHeld = 200;  // Much less than the credit.

}  // namespace

bool IsPoisoned(const std::string& id) {
  return std::hash<std::string>()(id) % kPoisonedOneIn == 0;
}

grpc::Status CrashConsumer::Run(const std::string& address) {
  unsettled_.clear();
  nacks_.Clear();
  acks_.Clear();
  held_ = {};
  HubClient client(address);
  grpc::ClientContext context;
  const auto stream = client.hub().Consume(&context);
  v1::ConsumeRequest open;
  open.mutable_open()->set_subscription(subscription_);
  stream->Write(open);
  v1::ConsumeResponse response;
  while (stream->Read(&response)) {
    if (response.has_opened()) queue_ = response.opened().queue();
    for (const v1::Settlement& settlement : response.settlements()) Confirm(settlement);
    for (const v1::EventBatch& batch : response.batches()) Take(batch);
    const bool hold = !held_.acked.empty() && held_.acked.size() < kMaxHeld && random_() % 3 == 0;
    if (!(hold ? Extend(*stream) : Flush(*stream))) break;
  }
  return stream->Finish();
}

void CrashConsumer::Take(const v1::EventBatch& batch) {
  v1::Ack ack;
  ack.set_partition(batch.partition());
  ack.set_lease_epoch(batch.lease_epoch());
  int64_t offset = batch.base_offset();
  for (const v1::Event& event : batch.events()) {
    const Place place(batch.partition(), offset++);
    events_.delivered(place, batch.delivery_attempt());
    v1::OffsetRange range;
    range.set_start(place.second);
    range.set_end(place.second + 1);
    if (!IsPoisoned(event.id())) {
      *ack.add_ranges() = range;
      held_.acked.emplace_back(place, batch.delivery_attempt());
      continue;
    }
    held_.nacked.emplace_back(place, batch.delivery_attempt());
    v1::Nack& nack = *nacks_.add_nacks();
    nack.set_partition(batch.partition());
    nack.set_lease_epoch(batch.lease_epoch());
    *nack.add_ranges() = range;
    nack.set_action(queue_ ? v1::Nack::ACTION_RETRY : v1::Nack::ACTION_PARK);
    nack.mutable_retry_after()->set_nanos(0);
    nack.set_reason("poisoned");
  }
  if (!ack.ranges().empty()) *acks_.add_acks() = std::move(ack);
}

// Extends the leases of held events; the answer triggers the next look at them.
bool CrashConsumer::Extend(Stream& stream) {
  const v1::Ack& last = acks_.acks(acks_.acks_size() - 1);
  v1::ConsumeRequest request;
  v1::LeaseExtension& extension = *request.add_extensions();
  extension.set_partition(last.partition());
  extension.set_lease_epoch(last.lease_epoch());
  return Send(stream, request, {});
}

// Nacks first: in a STREAM an ack includes everything before it.
bool CrashConsumer::Flush(Stream& stream) {
  if (!nacks_.nacks().empty() && !Send(stream, nacks_, {{}, std::exchange(held_.nacked, {})}))
    return false;
  return acks_.acks().empty() || Send(stream, acks_, {std::exchange(held_.acked, {}), {}});
}

bool CrashConsumer::Send(Stream& stream, v1::ConsumeRequest& request, Confirmed confirmed) {
  request.set_correlation_id(next_request_);
  unsettled_[next_request_++] = std::move(confirmed);
  const bool sent = stream.Write(request);
  request.Clear();
  return sent;
}

void CrashConsumer::Confirm(const v1::Settlement& settlement) {
  const auto it = unsettled_.find(settlement.correlation_id());
  ASSERT_TRUE(it != unsettled_.end()) << "nothing of that was sent";
  const auto is_refused = [&settlement](const Place& place) {
    for (const v1::RefusedRange& refused : settlement.refused()) {
      if (refused.partition() == place.first && refused.range().start() <= place.second &&
          place.second < refused.range().end()) {
        return true;
      }
    }
    return false;
  };
  // Refused: events that the consumer no longer had, because their partition was moved.
  for (const v1::RefusedRange& refused : settlement.refused()) {
    EXPECT_EQ(refused.error().code(), static_cast<int>(grpc::StatusCode::ABORTED))
        << refused.ShortDebugString();
  }
  for (const auto& [place, attempt] : it->second.acked) {
    if (!is_refused(place)) events_.settled(place, attempt);
  }
  for (const auto& [place, attempt] : it->second.nacked) {
    if (!is_refused(place)) events_.nacked(place, attempt);
  }
  unsettled_.erase(it);
}

}  // namespace eventhub
