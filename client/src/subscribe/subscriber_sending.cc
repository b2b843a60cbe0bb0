// The half of the subscriber that sends: the stream, outcomes, credit, extensions, timers.

#include <algorithm>
#include <utility>

#include "client/src/subscribe/subscriber_core.h"

namespace eventhub::client {
namespace {

// How many requests may wait for their settlements. One, as long as outcomes are few: what comes
// meanwhile is gathered for the next. More, when so much is gathered that it keeps a good part of
// the credit from being used again.
constexpr size_t kMaxUnsettledRequests = 16;
constexpr uint64_t kGoodPart = 8;

// A request stays below the 10,000 ranges that a hub takes: each counts as at least 24 bytes.
constexpr int64_t kMaxRequestBytes = 200'000;

// With Order::kPerKey, unless the caller says something else.
constexpr uint32_t kResponseBytesPerKey = 64 * 1024;

}  // namespace

// Of one stream; what comes from a stream that was given up is told apart by its number.
class SubscriberCore::StreamHandler final : public ConsumeStream::Handler {
 public:
  StreamHandler(std::weak_ptr<SubscriberCore> core, uint64_t number)
      : core_(std::move(core)), number_(number) {}

  void OnWritten() override {
    if (const auto core = core_.lock()) core->OnWritten(number_);
  }
  void OnFrame(Bytes frame) override {
    if (const auto core = core_.lock()) core->OnFrame(number_, frame);
  }
  void OnClosed(absl::Status status) override {
    if (const auto core = core_.lock()) core->OnClosed(number_, status);
  }

 private:
  const std::weak_ptr<SubscriberCore> core_;
  const uint64_t number_;
};

void SubscriberCore::Open() {
  uint64_t number;
  {
    MutexLock lock(mutex_);
    if (ended_) return;
    number = ++stream_number_;
    opening_ = true;
    say_open_ = true;
    retry_at_ = absl::InfiniteDuration();
  }
  std::shared_ptr<ConsumeStream> stream = connection_->consume_streams().OpenConsumeStream(
      std::make_shared<StreamHandler>(weak_from_this(), number));
  {
    MutexLock lock(mutex_);
    // Closed in the meantime, or the subscriber was: the last reference goes, and cancels it.
    if (stream_number_ != number) return;
    stream_ = std::move(stream);
    opening_ = false;
  }
  Pump();
}

void SubscriberCore::Pump() {
  std::shared_ptr<ConsumeStream> stream;
  std::string request;
  {
    MutexLock lock(mutex_);
    if (stream_ == nullptr || writing_ || !SendDue()) return;
    request = EncodeRequest();
    if (request.empty()) return;
    writing_ = true;
    stream = stream_;
  }
  stream->Write(std::move(request));
}

bool SubscriberCore::SendDue() const {
  if (say_open_ || say_credit_ || say_leave_ || extensions_.extensions_size() > 0) return true;
  if (pending_events_ == 0) return false;
  if (settlements_.requests() == 0) return true;
  return settlements_.requests() < kMaxUnsettledRequests &&
         (pending_events_ * kGoodPart >= credit_.events ||
          pending_bytes_ * kGoodPart >= credit_.bytes);
}

std::string SubscriberCore::EncodeRequest() {
  v1::ConsumeRequest request;
  if (say_open_) {
    AddOpen(request);
    say_open_ = say_credit_ = false;
    return request.SerializeAsString();
  }
  if (std::exchange(say_credit_, false)) SetCreditOf(request);
  if (std::exchange(say_leave_, false)) request.set_leave(true);
  if (pending_events_ > 0 || extensions_.extensions_size() > 0) AddOutcomes(request);
  return request.SerializeAsString();
}

void SubscriberCore::AddOpen(v1::ConsumeRequest& request) const {
  v1::ConsumeOpen& open = *request.mutable_open();
  open.set_subscription(options_.subscription);
  open.set_subscription_id(subscription_id_);
  open.set_consumer(options_.consumer);
  open.set_max_response_bytes(options_.max_response_bytes);
  // An event that waits for its key keeps the memory of its response while others flow.
  if (options_.max_response_bytes == 0 && options_.order == Order::kPerKey) {
    open.set_max_response_bytes(kResponseBytesPerKey);
  }
  SetCreditOf(request);
}

void SubscriberCore::SetCreditOf(v1::ConsumeRequest& request) const {
  const Credit credit = paused_ ? Credit{.events = 0, .bytes = 0} : credit_;
  request.mutable_credit()->set_events(credit.events);
  request.mutable_credit()->set_bytes(credit.bytes);
}

void SubscriberCore::AddOutcomes(v1::ConsumeRequest& request) {
  request.set_correlation_id(next_correlation_id_++);
  int64_t budget = kMaxRequestBytes;
  AddExtensions(request, budget);
  std::vector<SentOutcome> sent;
  std::vector<std::shared_ptr<Lease>> leases = std::exchange(listed_, {});
  for (const std::shared_ptr<Lease>& lease : leases) {
    const uint64_t events = lease->pending_events();
    const uint64_t bytes = lease->pending_bytes();
    if (budget > 0) lease->AddPending(request, sent, budget);
    pending_events_ -= events - lease->pending_events();
    pending_bytes_ -= bytes - lease->pending_bytes();
    if (lease->pending_events() > 0) {
      listed_.push_back(lease);
      continue;
    }
    lease->listed = false;
    if (queue_kind_ && lease->idle()) leases_.erase({lease->partition(), lease->epoch()});
  }
  // What has none of these the hub never settles.
  if (sent.empty() && request.extensions().empty()) {
    request.clear_correlation_id();
    return;
  }
  settlements_.Add(request.correlation_id(), std::move(sent));
  ++counters_.requests;
}

void SubscriberCore::AddExtensions(v1::ConsumeRequest& request, int64_t& budget) {
  auto& waiting = *extensions_.mutable_extensions();
  int taken = 0;
  for (; taken < waiting.size() && budget > 0; ++taken) {
    budget -= Lease::kRangeBytes * (1 + waiting[taken].ranges_size());
    request.add_extensions()->Swap(&waiting[taken]);
  }
  waiting.DeleteSubrange(0, taken);
  counters_.extensions += static_cast<uint64_t>(taken);
}

void SubscriberCore::ExtendLeases(absl::Duration now) {
  extend_at_ = absl::InfiniteDuration();
  if (ack_deadline_ == absl::InfiniteDuration()) return;
  const Lease::KeepAlive keep{
      .now = now, .ack_deadline = ack_deadline_, .max_extension = options_.max_lease_extension};
  bool any = false;
  for (const auto& [id, lease] : leases_) any |= lease->Extend(keep, extensions_);
  if (any) extend_at_ = now + ack_deadline_ / kExtensionsPerDeadline;
}

void SubscriberCore::Arm(absl::Duration when) {
  if (when >= armed_for_) return;
  armed_for_ = when;
  connection_->RunAfter(std::max(when - Now(), absl::ZeroDuration()), [weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->OnTimer();
  });
}

void SubscriberCore::OnTimer() {
  bool open = false;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = Now();
    if (now < armed_for_) return;  // Of a time that was superseded by an earlier one.
    armed_for_ = absl::InfiniteDuration();
    if (now >= extend_at_) ExtendLeases(now);
    open = now >= retry_at_;
    if (!open) Arm(retry_at_);
    Arm(extend_at_);
  }
  change_.NotifyAll();  // They look at the time themselves.
  if (open) Open();
  Pump();
}

}  // namespace eventhub::client
