#include "client/src/subscribe/consume_requests.h"

#include <cstddef>
#include <utility>
#include <vector>

namespace eventhub::client {
namespace {

// How many requests may wait for their settlements. One while outcomes are few: those that come
// meanwhile are gathered for the next request. More when the gathered outcomes keep a large part of
// the credit (one eighth) from being used again.
constexpr size_t kMaxUnsettledRequests = 16;
constexpr uint64_t kLargePart = 8;

// Keeps a request below the 10,000 ranges that a hub accepts: each counts as at least 24 bytes.
constexpr int64_t kMaxRequestBytes = 200'000;

// The default with Order::kPerKey.
constexpr uint32_t kResponseBytesPerKey = 64 * 1024;

}  // namespace

void ConsumeRequests::Open(uint64_t subscription_id) {
  subscription_id_ = subscription_id;
  open_due_ = true;
}

void ConsumeRequests::SetCredit(const Credit& credit) {
  credit_ = credit;
  credit_due_ = true;
}

void ConsumeRequests::SetPaused(bool paused) {
  paused_ = paused;
  credit_due_ = true;
}

bool ConsumeRequests::Due() const {
  if (open_due_ || credit_due_ || leave_due_ || leases_.has_extensions()) return true;
  if (leases_.pending_events() == 0) return false;
  if (settlements_.requests() == 0) return true;
  return settlements_.requests() < kMaxUnsettledRequests &&
         (leases_.pending_events() * kLargePart >= credit_.events ||
          leases_.pending_bytes() * kLargePart >= credit_.bytes);
}

std::string ConsumeRequests::Next(SubscriberCounters& counters) {
  v1::ConsumeRequest request;
  if (open_due_) {
    AddOpen(request);
    open_due_ = credit_due_ = false;
    return request.SerializeAsString();
  }
  if (std::exchange(credit_due_, false)) AddCredit(request);
  if (std::exchange(leave_due_, false)) request.set_leave(true);
  if (leases_.pending_events() > 0 || leases_.has_extensions()) AddOutcomes(request, counters);
  return request.SerializeAsString();
}

void ConsumeRequests::AddOpen(v1::ConsumeRequest& request) const {
  v1::ConsumeOpen& open = *request.mutable_open();
  open.set_subscription(options_.subscription);
  open.set_subscription_id(subscription_id_);
  open.set_consumer(options_.consumer);
  open.set_max_response_bytes(options_.max_response_bytes);
  // An event that waits for its key keeps the memory of its response while others flow.
  if (options_.max_response_bytes == 0 && options_.order == Order::kPerKey) {
    open.set_max_response_bytes(kResponseBytesPerKey);
  }
  AddCredit(request);
}

void ConsumeRequests::AddCredit(v1::ConsumeRequest& request) const {
  const Credit credit = paused_ ? Credit{.events = 0, .bytes = 0} : credit_;
  request.mutable_credit()->set_events(credit.events);
  request.mutable_credit()->set_bytes(credit.bytes);
}

void ConsumeRequests::AddOutcomes(v1::ConsumeRequest& request, SubscriberCounters& counters) {
  request.set_correlation_id(next_correlation_id_++);
  int64_t budget = kMaxRequestBytes;
  counters.extensions += leases_.AddExtensions(request, budget);
  std::vector<SentOutcome> sent;
  leases_.AddOutcomes(request, sent, budget);
  // The hub never settles a request that has neither outcomes nor extensions.
  if (sent.empty() && request.extensions().empty()) {
    request.clear_correlation_id();
    return;
  }
  settlements_.Add(request.correlation_id(), std::move(sent));
  ++counters.requests;
}

void ConsumeRequests::OnSettled(const v1::Settlement& settlement, SubscriberCounters& counters) {
  const Settlements::Result result = settlements_.Settle(settlement);
  counters.acked += result.acked;
  counters.nacked += result.nacked;
  counters.parked += result.parked;
  counters.skipped += result.skipped;
  counters.lease_lost += result.lease_lost;
  counters.failed += result.failed;
  for (const v1::RefusedRange& refused : settlement.refused()) {
    leases_.OnRefused(refused.partition(), settlement.correlation_id(),
                      {.start = refused.range().start(), .end = refused.range().end()});
  }
}

}  // namespace eventhub::client
