// Helpers to call a hub, for tests that are not about the call itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/support/test_hub.h"

namespace eventhub {

// How long a test waits for an expected condition. Long, because only a failing test uses it up.
inline constexpr absl::Duration kTestDeadline = absl::Seconds(60);

v1::Event MakeEvent(const std::string& id, const std::string& data = "data",
                    const std::string& key = "");

// A request for `count` events with ids from "0".
v1::PublishRequest MakePublish(const std::string& topic, int count = 1,
                               const std::string& data = "data");
v1::PublishStreamRequest MakeStreamPublish(const std::string& topic, uint64_t correlation_id,
                                           int count = 1, const std::string& data = "data");

// These fail the test if the call fails.
void CreateTopic(HubClient& client, const std::string& name, uint32_t partitions = 1);
void CreateTopic(HubClient& client, const v1::Topic& topic);
v1::PublishResult Publish(HubClient& client, const v1::PublishRequest& request);
v1::GetStatsResponse GetStats(HubClient& client);
v1::PartitionInfo GetPartition(HubClient& client, const std::string& topic, uint32_t partition = 0);

// The outcome of a unary call.
template <typename Response>
struct Outcome {
  grpc::Status status;
  Response response;
};

// Calls a unary method, e.g. "/eventhub.v1.AdminService/GetTopic", with any bytes.
grpc::Status CallRaw(HubClient& client, const std::string& path, const std::string& request);

Outcome<v1::PublishResponse> TryPublish(HubClient& client, const v1::PublishRequest& request);

// The events that a read delivered, and how it ended.
struct ReadOutcome {
  grpc::Status status;
  std::vector<v1::ReadResponse> responses;

  // The ids of the events, in order of delivery.
  std::vector<std::string> ids() const;
};

// Reads until the call ends.
ReadOutcome ReadAll(HubClient& client, const v1::ReadRequest& request);
v1::ReadRequest ReadOf(const std::string& topic);

// Returns the detail of an error; its reason is -1 if there is none, or more than one.
v1::ErrorDetail DetailOf(const grpc::Status& status);
v1::ErrorDetail DetailOf(const v1::ErrorStatus& status);

// Matches a grpc::Status with this code, and with this reason in its ErrorDetail.
MATCHER_P2(FailsWith, code, reason,
           "is " + std::to_string(code) + " for reason " + v1::ErrorDetail::Reason_Name(reason)) {
  *result_listener << "which is " << arg.error_code() << " for reason "
                   << v1::ErrorDetail::Reason_Name(DetailOf(arg).reason()) << ": "
                   << arg.error_message();
  return arg.error_code() == code && DetailOf(arg).reason() == reason;
}

MATCHER(IsOk, "is OK") {
  *result_listener << "which is " << arg.error_code() << ": " << arg.error_message();
  return arg.ok();
}

}  // namespace eventhub
