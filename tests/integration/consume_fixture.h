// A hub with a topic, for tests of Consume.
#pragma once

#include <string>
#include <utility>

#include "tests/support/eventually.h"
#include "tests/support/subscription_calls.h"
#include "tests/support/test_consumer.h"

namespace eventhub {

class ConsumeTest : public testing::Test {
 protected:
  explicit ConsumeTest(ServerOptions options = TestServerOptions(), uint32_t partitions = 1)
      : hub_(std::move(options)) {
    CreateTopic(hub_.client(), "t", partitions);
  }

  // Publishes events to a partition, without a key.
  void PublishTo(uint32_t partition, int count, const std::string& data = "data") {
    v1::PublishRequest request = MakePublish("t", count, data);
    request.set_partition(partition);
    Publish(hub_.client(), request);
  }
  void PublishSome(int count, const std::string& data = "data") { PublishTo(0, count, data); }

  v1::SubscriptionStats StatsOf(const std::string& subscription) {
    return GetSubscription(hub_.client(), subscription).stats();
  }
  bool EventuallyConsumers(const std::string& subscription, int count) {
    return Eventually(
        [&] { return GetSubscription(hub_.client(), subscription).consumers_size() == count; });
  }

  TestHub hub_;
};

const auto kLeaseLost =
    FailsWith(static_cast<int>(grpc::StatusCode::ABORTED), v1::ErrorDetail::REASON_LEASE_LOST);

}  // namespace eventhub
