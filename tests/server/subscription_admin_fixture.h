// The fixture of tests of SubscriptionService.
#pragma once

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/subscription_rig.h"

namespace eventhub {

class SubscriptionAdminTest : public SubscriptionTest {
 protected:
  using Reason = v1::ErrorDetail;

  static std::string FaultyField(const absl::Status& status) {
    EXPECT_THAT(status, Refused(absl::StatusCode::kInvalidArgument, Reason::REASON_INVALID_FIELD));
    const auto detail = DetailOf(status);
    return detail.has_value() ? detail->field() : "none";
  }

  static google::protobuf::Timestamp At(absl::Time time) {
    return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
  }

  v1::SubscriptionStats Stats() { return rig_.Get("s").stats(); }
  std::vector<std::string> Findings() {
    const v1::GetSubscriptionResponse response = rig_.Get("s");
    return {response.findings().begin(), response.findings().end()};
  }

  // Consumes and acks all available events.
  void ConsumeAll(const std::string& subscription, size_t count) {
    const auto consumer = rig_.Consume(subscription, "all");
    EXPECT_TRUE(consumer->AckAll(consumer->Receive(count)));
  }
};

}  // namespace eventhub
