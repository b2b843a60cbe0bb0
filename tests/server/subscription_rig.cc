#include "tests/server/subscription_rig.h"

#include <future>

#include "server/core/subscription/subscription.h"
#include "storage/base/status_macros.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

template <typename Response, typename Call>
absl::StatusOr<Response> Await(Call call) {
  std::promise<absl::StatusOr<Response>> outcome;
  call([&outcome](absl::StatusOr<Response> result) { outcome.set_value(std::move(result)); });
  return outcome.get_future().get();
}

template <typename Call>
absl::Status AwaitStatus(Call call) {
  std::promise<absl::Status> outcome;
  call([&outcome](absl::Status status) { outcome.set_value(std::move(status)); });
  return outcome.get_future().get();
}

}  // namespace

google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::MicrosecondsToDuration(
      absl::ToInt64Microseconds(duration));
}

std::ostream& operator<<(std::ostream& os, const Received& event) {
  return os << event.partition << "/" << event.offset << ":" << event.id << " attempt "
            << event.attempt << " epoch " << event.epoch;
}

std::vector<std::string> IdsOf(const std::vector<Received>& events) {
  std::vector<std::string> ids;
  for (const Received& event : events) ids.push_back(event.id);
  return ids;
}

// ---- The consumer

absl::StatusOr<std::unique_ptr<TestConsumer>> TestConsumer::Open(Broker& broker,
                                                                 const v1::ConsumeRequest& first) {
  auto waker = std::make_shared<Waker>();
  std::unique_ptr<TestConsumer> consumer(new TestConsumer(waker));
  ASSIGN_OR_RETURN(consumer->session_, broker.subscriptions().OpenConsumer(
                                           kTester, first, [waker] { waker->woken.store(true); }));
  return consumer;
}

absl::Status TestConsumer::Poll(int max_frames) {
  while (max_frames-- > 0 && !ended_ && waker_->woken.exchange(false)) {
    ConsumeFrame frame;
    const absl::StatusOr<ConsumerSession::Step> step = session_->Poll(&frame);
    if (step.ok() && *step == ConsumerSession::Step::kWait) return absl::OkStatus();
    ended_ = !step.ok() || *step == ConsumerSession::Step::kEnd;
    if (ended_) return step.status();
    waker_->woken.store(true);
    if (*step == ConsumerSession::Step::kCold) session_->ReadCold(&frame);
    Take(std::move(frame));
  }
  return absl::OkStatus();
}

absl::Status TestConsumer::PollAnyway() {
  waker_->woken.store(true);
  return Poll();
}

void TestConsumer::Take(ConsumeFrame frame) {
  ++frames;
  for (v1::Settlement& settlement : *frame.control.mutable_settlements()) {
    const uint64_t correlation = settlement.correlation_id();
    EXPECT_TRUE(settlements_.emplace(correlation, std::move(settlement)).second);
  }
  frame.control.clear_settlements();
  caught_up += frame.control.caught_up() ? 1 : 0;
  fell_behind += frame.control.fell_behind() ? 1 : 0;
  said.MergeFrom(frame.control);
  for (const Delivery& delivery : frame.deliveries) {
    std::string region;
    for (const SharedBytes& piece : delivery.events) region.append(piece.data(), piece.size());
    EXPECT_EQ(region.size(), delivery.bytes);
    v1::EventBatch batch;
    EXPECT_TRUE(batch.ParseFromString(region));
    EXPECT_EQ(batch.events_size(), static_cast<int>(delivery.count));
    int64_t offset = delivery.base.value();
    for (const v1::Event& event : batch.events()) {
      events.push_back(
          {delivery.partition.value(), offset++, event.id(), event.partition_key(),
           delivery.attempt, delivery.lease_epoch, EncodeEvent(event).size(),
           delivery.pipelines == nullptr ? std::vector<std::string>() : *delivery.pipelines,
           delivery.replayed});
    }
  }
}

std::vector<Received> TestConsumer::Receive() {
  EXPECT_THAT(Poll(), IsOk());
  std::vector<Received> taken(events.begin(), events.end());
  events.clear();
  return taken;
}

std::vector<Received> TestConsumer::Receive(size_t count) {
  EXPECT_TRUE(Eventually([&] {
    EXPECT_THAT(Poll(), IsOk());
    return events.size() >= count;
  }));
  return Receive();
}

v1::Settlement TestConsumer::Settle(v1::ConsumeRequest request) {
  const uint64_t correlation = ++last_correlation_;
  request.set_correlation_id(correlation);
  EXPECT_THAT(session_->Take(std::move(request)), IsOk());
  EXPECT_TRUE(Eventually([&] {
    EXPECT_THAT(Poll(), IsOk());
    return settlements_.contains(correlation);
  }));
  return std::move(settlements_.extract(correlation).mapped());
}

v1::Settlement TestConsumer::Ack(uint32_t partition, uint64_t epoch, int64_t start, int64_t end) {
  v1::ConsumeRequest request;
  v1::Ack& ack = *request.add_acks();
  ack.set_partition(partition);
  ack.set_lease_epoch(epoch);
  v1::OffsetRange& range = *ack.add_ranges();
  range.set_start(start);
  range.set_end(end);
  return Settle(std::move(request));
}

v1::Settlement TestConsumer::Ack(const Received& event) {
  return Ack(event.partition, event.epoch, event.offset, event.offset + 1);
}

v1::Settlement TestConsumer::Park(const Received& event,
                                  const std::vector<v1::FaultDetail>& faults) {
  v1::ConsumeRequest request;
  v1::Nack& nack = *request.add_nacks();
  nack.set_partition(event.partition);
  nack.set_lease_epoch(event.epoch);
  nack.add_ranges()->set_start(event.offset);
  nack.mutable_ranges(0)->set_end(event.offset + 1);
  nack.set_action(v1::Nack::ACTION_PARK);
  nack.set_reason("why");
  for (const v1::FaultDetail& fault : faults) *nack.add_faults() = fault;
  return Settle(std::move(request));
}

v1::Settlement TestConsumer::Nack(const Received& event, v1::Nack::Action action,
                                  const std::string& reason, absl::Duration retry_after) {
  v1::ConsumeRequest request;
  v1::Nack& nack = *request.add_nacks();
  nack.set_partition(event.partition);
  nack.set_lease_epoch(event.epoch);
  v1::OffsetRange& range = *nack.add_ranges();
  range.set_start(event.offset);
  range.set_end(event.offset + 1);
  nack.set_action(action);
  nack.set_reason(reason);
  if (retry_after != kByPolicy) *nack.mutable_retry_after() = ToProto(retry_after);
  return Settle(std::move(request));
}

v1::Settlement TestConsumer::Extend(const Received& event, absl::Duration time) {
  v1::ConsumeRequest request;
  v1::LeaseExtension& extension = *request.add_extensions();
  extension.set_partition(event.partition);
  extension.set_lease_epoch(event.epoch);
  v1::OffsetRange& range = *extension.add_ranges();
  range.set_start(event.offset);
  range.set_end(event.offset + 1);
  *extension.mutable_extension() = ToProto(time);
  return Settle(std::move(request));
}

bool TestConsumer::AckAll(const std::vector<Received>& received) {
  v1::ConsumeRequest request;
  for (const Received& event : received) {
    v1::Ack& ack = *request.add_acks();
    ack.set_partition(event.partition);
    ack.set_lease_epoch(event.epoch);
    v1::OffsetRange& range = *ack.add_ranges();
    range.set_start(event.offset);
    range.set_end(event.offset + 1);
  }
  return received.empty() || Settle(std::move(request)).refused().empty();
}

void TestConsumer::SetCredit(uint32_t events_allowed, uint64_t bytes) {
  v1::ConsumeRequest request;
  request.mutable_credit()->set_events(events_allowed);
  request.mutable_credit()->set_bytes(bytes);
  EXPECT_THAT(session_->Take(std::move(request)), IsOk());
}

void TestConsumer::Leave() {
  v1::ConsumeRequest request;
  request.set_leave(true);
  EXPECT_THAT(session_->Take(std::move(request)), IsOk());
}

std::vector<int64_t> RefusedOffsets(const v1::Settlement& settlement, absl::StatusCode code) {
  std::vector<int64_t> offsets;
  for (const v1::RefusedRange& refused : settlement.refused()) {
    EXPECT_EQ(refused.error().code(), static_cast<int>(code)) << refused.ShortDebugString();
    for (int64_t o = refused.range().start(); o < refused.range().end(); ++o) offsets.push_back(o);
  }
  return offsets;
}

// ---- The rig

v1::Subscription SubscriptionOf(const std::string& name, const std::string& topic,
                                v1::Subscription::Kind kind) {
  v1::Subscription subscription;
  subscription.set_name(name);
  subscription.set_topic(topic);
  subscription.set_kind(kind);
  return subscription;
}

absl::StatusOr<v1::Subscription> SubscriptionRig::Subscribe(const v1::Subscription& subscription,
                                                            const v1::StartPosition& start) {
  v1::CreateSubscriptionRequest request;
  *request.mutable_subscription() = subscription;
  *request.mutable_start() = start;
  return Await<v1::Subscription>(
      [&](auto done) { subscriptions().Create(kTester, request, std::move(done)); });
}

absl::StatusOr<v1::Subscription> SubscriptionRig::Subscribe(const v1::Subscription& subscription) {
  v1::StartPosition start;
  start.set_earliest(true);
  return Subscribe(subscription, start);
}

absl::StatusOr<v1::Subscription> SubscriptionRig::UpdateSubscription(
    const v1::Subscription& subscription, const std::vector<std::string>& mask) {
  v1::UpdateSubscriptionRequest request;
  *request.mutable_subscription() = subscription;
  for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
  return Await<v1::Subscription>(
      [&](auto done) { subscriptions().Update(kTester, request, std::move(done)); });
}

absl::Status SubscriptionRig::DeleteSubscription(const std::string& name) {
  return AwaitStatus([&](auto done) { subscriptions().Delete(kTester, name, std::move(done)); });
}

absl::StatusOr<v1::SeekSubscriptionResponse> SubscriptionRig::Seek(
    const v1::SeekSubscriptionRequest& request) {
  return Await<v1::SeekSubscriptionResponse>(
      [&](auto done) { subscriptions().moves().Seek(kTester, request, pool_, std::move(done)); });
}

absl::StatusOr<v1::ReplaySubscriptionResponse> SubscriptionRig::Replay(
    const v1::ReplaySubscriptionRequest& request) {
  return Await<v1::ReplaySubscriptionResponse>(
      [&](auto done) { subscriptions().moves().Replay(kTester, request, pool_, std::move(done)); });
}

absl::StatusOr<v1::CancelReplaysResponse> SubscriptionRig::CancelReplays(const std::string& name) {
  return Await<v1::CancelReplaysResponse>(
      [&](auto done) { subscriptions().moves().CancelReplays(kTester, name, std::move(done)); });
}

absl::StatusOr<v1::CreateSnapshotResponse> SubscriptionRig::CreateSnapshot(
    const std::string& subscription, const std::string& name) {
  v1::CreateSnapshotRequest request;
  request.set_subscription(subscription);
  request.set_name(name);
  return Await<v1::CreateSnapshotResponse>(
      [&](auto done) { subscriptions().snapshots().Create(kTester, request, std::move(done)); });
}

absl::Status SubscriptionRig::DeleteSnapshot(const std::string& subscription,
                                             const std::string& name) {
  v1::DeleteSnapshotRequest request;
  request.set_subscription(subscription);
  request.set_name(name);
  return AwaitStatus(
      [&](auto done) { subscriptions().snapshots().Delete(kTester, request, std::move(done)); });
}

absl::StatusOr<v1::RedriveDeadLettersResponse> SubscriptionRig::Redrive(
    const v1::RedriveDeadLettersRequest& request) {
  return Await<v1::RedriveDeadLettersResponse>([&](auto done) {
    subscriptions().dead_letters().Redrive(kTester, request, pool_, std::move(done));
  });
}

absl::StatusOr<v1::DiscardDeadLettersResponse> SubscriptionRig::Discard(
    const v1::DiscardDeadLettersRequest& request) {
  return Await<v1::DiscardDeadLettersResponse>([&](auto done) {
    subscriptions().dead_letters().Discard(kTester, request, pool_, std::move(done));
  });
}

v1::GetSubscriptionResponse SubscriptionRig::Get(const std::string& name) {
  v1::GetSubscriptionRequest request;
  request.set_name(name);
  const absl::StatusOr<v1::GetSubscriptionResponse> response =
      subscriptions().Get(kTester, request);
  EXPECT_THAT(response, IsOk());
  return response.ok() ? *response : v1::GetSubscriptionResponse();
}

std::vector<v1::DeadLetter> SubscriptionRig::DeadLetters(const std::string& subscription) {
  std::vector<v1::DeadLetter> letters;
  v1::ListDeadLettersRequest request;
  request.set_subscription(subscription);
  do {
    const absl::StatusOr<v1::ListDeadLettersResponse> page =
        subscriptions().dead_letters().List(kTester, request);
    EXPECT_THAT(page, IsOk());
    if (!page.ok()) return letters;
    letters.insert(letters.end(), page->dead_letters().begin(), page->dead_letters().end());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return letters;
}

std::unique_ptr<TestConsumer> SubscriptionRig::Consume(const std::string& subscription,
                                                       const std::string& name, uint32_t credit) {
  v1::ConsumeRequest first;
  first.mutable_open()->set_subscription(subscription);
  first.mutable_open()->set_consumer(name);
  if (credit > 0) {
    first.mutable_credit()->set_events(credit);
    first.mutable_credit()->set_bytes(uint64_t{16} << 20);
  }
  absl::StatusOr<std::unique_ptr<TestConsumer>> consumer = TestConsumer::Open(broker(), first);
  EXPECT_THAT(consumer, IsOk());
  return *std::move(consumer);
}

void SubscriptionRig::Pass(absl::Duration time) {
  clock.Advance(time);
  subscriptions().RunDue();
}

void SubscriptionRig::AwaitParking(const std::string& subscription) {
  EXPECT_TRUE(Eventually([&] {
    int64_t parking = 0;
    const auto report = subscriptions().catalog().Find(subscription)->MakeReport();
    for (const CursorState& state : report.cursors) {
      parking += state.counts.parking + state.counts.settling;
    }
    return parking == 0;
  }));
}

void SubscriptionRig::EnableTrimming() {
  maintenance = MaintenanceOptions();
  maintenance->retention_interval = absl::Milliseconds(1);
}

void SubscriptionRig::Trim(const std::string& topic, absl::Duration keep,
                           const std::vector<int64_t>& expected) {
  constexpr absl::Duration kStep = absl::Seconds(1);
  v1::Topic settings;
  settings.set_name(topic);
  *settings.mutable_retention()->mutable_max_age() = ToProto(keep + kStep);
  ASSERT_THAT(Update(settings, {"retention.max_age"}), IsOk());
  clock.Advance(kStep);
  ASSERT_TRUE(Eventually([&] {
    for (size_t p = 0; p < expected.size(); ++p) {
      if (Describe(topic, static_cast<uint32_t>(p)).start_offset() != expected[p]) return false;
    }
    return true;
  }));
  settings.clear_retention();
  ASSERT_THAT(Update(settings, {"retention.max_age"}), IsOk());
}

}  // namespace eventhub
