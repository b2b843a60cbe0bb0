// The fixture of the subscriber tests: a subscriber on a fake hub, whose handlers run when the test
// calls them; responses of the hub; and descriptions of the requests that it receives.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/src/base/proto_time.h"
#include "client/src/subscribe/subscriber_core.h"
#include "eventhub/subscriber.h"
#include "gtest/gtest.h"
#include "tests/client/fake_hub.h"
#include "tests/support/eventually.h"

namespace eventhub::client {

// Responses of the hub. Partition `p` has the lease epoch `10 + p` unless a test sets another one.
inline v1::ConsumeResponse Opened(bool queue, absl::Duration ack_deadline = absl::ZeroDuration()) {
  v1::ConsumeResponse response;
  response.mutable_opened()->set_consumer("c1");
  response.mutable_opened()->set_queue(queue);
  ToProto(ack_deadline, *response.mutable_opened()->mutable_ack_deadline());
  return response;
}

inline void SetLease(uint32_t partition, uint64_t epoch, v1::PartitionLease& lease) {
  lease.set_partition(partition);
  lease.set_lease_epoch(epoch);
}

inline v1::ConsumeResponse Assigned(uint32_t partition, int64_t next, uint64_t epoch = 0) {
  v1::ConsumeResponse response;
  v1::PartitionLease& lease = *response.add_assigned();
  SetLease(partition, epoch == 0 ? 10 + partition : epoch, lease);
  lease.set_next_offset(next);
  return response;
}

inline v1::ConsumeResponse Revoked(uint32_t partition, uint64_t epoch = 0) {
  v1::ConsumeResponse response;
  SetLease(partition, epoch == 0 ? 10 + partition : epoch, *response.add_revoked());
  return response;
}

// Events with ids of the form "partition/offset", and with `keys` in turn.
inline v1::ConsumeResponse Events(uint32_t partition, int64_t base, int count, uint32_t attempt = 1,
                                  std::vector<std::string> keys = {}, uint64_t epoch = 0) {
  v1::ConsumeResponse response;
  v1::EventBatch& batch = *response.add_batches();
  batch.set_partition(partition);
  batch.set_base_offset(base);
  batch.set_delivery_attempt(attempt);
  batch.set_redelivered(attempt > 1);
  batch.set_lease_epoch(epoch == 0 ? 10 + partition : epoch);
  batch.mutable_append_time()->set_seconds(1'700'000'000);
  for (int i = 0; i < count; ++i) {
    v1::Event& event = *batch.add_events();
    event.set_id(absl::StrCat(partition, "/", base + i));
    if (!keys.empty()) event.set_partition_key(keys[i % keys.size()]);
  }
  return response;
}

// The same with the given offsets.
inline v1::ConsumeResponse EventsAt(uint32_t partition, const std::vector<int64_t>& offsets) {
  v1::ConsumeResponse response = Events(partition, offsets[0], static_cast<int>(offsets.size()));
  v1::EventBatch& batch = *response.mutable_batches(0);
  for (size_t i = 0; i < offsets.size(); ++i) {
    batch.add_offset_deltas(static_cast<uint32_t>(offsets[i] - offsets[0]));
    batch.mutable_events(static_cast<int>(i))->set_id(absl::StrCat(partition, "/", offsets[i]));
  }
  return response;
}

// Replayed events.
inline v1::ConsumeResponse Replayed(uint32_t partition, int64_t base, int count,
                                    uint32_t attempt = 1) {
  v1::ConsumeResponse response = Events(partition, base, count, attempt);
  response.mutable_batches(0)->set_replayed(true);
  return response;
}

inline v1::ConsumeResponse Rewound(uint32_t partition, int64_t offset) {
  v1::ConsumeResponse response;
  response.add_rewound()->set_partition(partition);
  response.mutable_rewound(0)->set_offset(offset);
  return response;
}

inline v1::ConsumeResponse Settled(uint64_t correlation_id) {
  v1::ConsumeResponse response;
  response.add_settlements()->set_correlation_id(correlation_id);
  return response;
}

inline void Refuse(uint32_t partition, int64_t start, int64_t end, absl::StatusCode code,
                   v1::ConsumeResponse& settled) {
  v1::RefusedRange& refused = *settled.mutable_settlements(0)->add_refused();
  refused.set_partition(partition);
  refused.mutable_range()->set_start(start);
  refused.mutable_range()->set_end(end);
  refused.mutable_error()->set_code(static_cast<int>(code));
}

// "0@10 [3,5)[7,8)"
template <typename Message>
std::string DescribeRanges(const Message& message) {
  std::string text = absl::StrCat(message.partition(), "@", message.lease_epoch());
  if (message.ranges_size() > 0) text += " ";
  for (const v1::OffsetRange& range : message.ranges()) {
    absl::StrAppend(&text, "[", range.start(), ",", range.end(), ")");
  }
  return text;
}

// Describes the parts of a request, e.g. "ack exact 0@10 [0,5)", "retry 0@10 [3,4) after 1s: no
// bank".
inline std::vector<std::string> Describe(const v1::ConsumeRequest& request) {
  std::vector<std::string> words;
  if (request.has_open()) words.push_back("open " + request.open().subscription());
  if (request.has_credit()) {
    words.push_back(absl::StrCat("credit ", request.credit().events(), " events ",
                                 request.credit().bytes(), " bytes"));
  }
  for (const v1::Ack& ack : request.acks()) {
    words.push_back((ack.exact() ? "ack exact " : "ack ") + DescribeRanges(ack));
  }
  for (const v1::Nack& nack : request.nacks()) {
    const char* const action = nack.action() == v1::Nack::ACTION_RETRY  ? "retry "
                               : nack.action() == v1::Nack::ACTION_PARK ? "park "
                                                                        : "skip ";
    std::string text = action + DescribeRanges(nack);
    if (nack.has_retry_after()) {
      text += " after " + absl::FormatDuration(FromProto(nack.retry_after()));
    }
    if (!nack.reason().empty()) text += ": " + nack.reason();
    words.push_back(text);
  }
  for (const v1::LeaseExtension& extension : request.extensions()) {
    words.push_back("extend " + DescribeRanges(extension));
  }
  if (request.leave()) words.push_back("leave");
  return words;
}

class SubscriberTest : public testing::Test {
 protected:
  using Handler = std::function<Outcome(const std::string& id)>;

  // Starts a subscriber that acks all events except those in `outcomes_`, and takes its first
  // request.
  void Start(SubscriberOptions options = {}) {
    options.subscription = "s";
    if (!options.on_event && !options.on_batch && !options.on_event_async) {
      options.on_event = [this](const ReceivedEvent& event) {
        v1::Event parsed;
        EXPECT_TRUE(event.ParseTo(parsed).ok());
        return OutcomeOf(parsed.id());
      };
    }
    core_ = std::make_shared<SubscriberCore>(hub_, std::move(options), hub_->clock());
    subscriber_ = std::make_unique<Subscriber>(core_);
    core_->Start(threads_);
  }
  void StartStream(SubscriberOptions options = {}, int64_t next = 0) {
    Start(std::move(options));
    hub_->Send(Opened(/*queue=*/false, ack_deadline_));
    hub_->Send(Assigned(0, next));
    Sent();
  }
  void StartQueue(SubscriberOptions options = {}) {
    Start(std::move(options));
    hub_->Send(Opened(/*queue=*/true, ack_deadline_));
    Sent();
  }

  Outcome OutcomeOf(const std::string& id) {
    MutexLock lock(handled_mutex_);
    handled_.push_back(id);
    const auto it = outcomes_.find(id);
    if (it == outcomes_.end()) return Outcome::Ack();
    const Outcome outcome = it->second;
    outcomes_.erase(it);
    return outcome;
  }

  // Handles one chunk, or all waiting events.
  bool RunOne() { return core_->RunHandler(/*wait=*/false, pace_); }
  void Run() {
    while (RunOne()) {
    }
  }
  // The ids of the events handled since the last call.
  std::vector<std::string> Handled() {
    MutexLock lock(handled_mutex_);
    return std::exchange(handled_, {});
  }

  // Describes the requests since the last call, and stores the last correlation id in
  // last_request_.
  std::vector<std::string> Sent() {
    std::vector<std::string> words;
    for (const v1::ConsumeRequest& request : hub_->TakeConsumeRequests()) {
      last_request_ = request.correlation_id();
      for (std::string& part : Describe(request)) words.push_back(std::move(part));
    }
    return words;
  }
  // The same, but waits for a request: for handlers on their own threads.
  std::vector<std::string> AwaitSent() {
    std::vector<std::string> words;
    EXPECT_TRUE(Eventually([&] {
      words = Sent();
      return !words.empty();
    }));
    return words;
  }
  // Settles the last request, and describes the requests that follow.
  std::vector<std::string> SettleLast() {
    hub_->Send(Settled(last_request_));
    return Sent();
  }

  // First, because they must outlive the subscriber.
  Mutex handled_mutex_;
  std::vector<std::string> handled_;
  // The outcomes of the next delivery of events; an event that is absent is acked.
  std::map<std::string, Outcome> outcomes_;
  absl::Duration ack_deadline_ = absl::ZeroDuration();
  size_t threads_ = 0;
  uint64_t last_request_ = 0;
  Pace pace_;
  const std::shared_ptr<testing::NiceMock<FakeHub>> hub_ =
      std::make_shared<testing::NiceMock<FakeHub>>();
  std::shared_ptr<SubscriberCore> core_;
  std::unique_ptr<Subscriber> subscriber_;
};

}  // namespace eventhub::client
