// grpc.health.v1.Health: Check and Watch, through failure and shutdown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

const std::string kServices[] = {"",
                                 "ready",
                                 "eventhub.v1.EventHubService",
                                 "eventhub.v1.AdminService",
                                 "eventhub.v1.SubscriptionService",
                                 "eventhub.v1.DelayedEventService",
                                 "eventhub.v1.ErasureService",
                                 "eventhub.v1.RouteService",
                                 "eventhub.v1.LinkService",
                                 "eventhub.v1.TopologyService",
                                 "grpc.health.v1.Health"};

Outcome<HealthCheckResponse> Check(HubClient& client, const std::string& service = "") {
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service(service);
  Outcome<HealthCheckResponse> outcome;
  outcome.status = client.health().Check(&context, request, &outcome.response);
  return outcome;
}

class Watch {
 public:
  explicit Watch(HubClient& client, const std::string& service = "") {
    HealthCheckRequest request;
    request.set_service(service);
    stream_ = client.health().Watch(&context_, request);
  }

  HealthCheckResponse::ServingStatus Next() {
    HealthCheckResponse response;
    return stream_->Read(&response) ? response.status() : HealthCheckResponse::UNKNOWN;
  }
  grpc::Status End() {
    HealthCheckResponse response;
    while (stream_->Read(&response)) {
    }
    return stream_->Finish();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> stream_;
};

TEST(HealthTest, ReportsServing) {
  TestHub hub;
  for (const std::string& service : kServices) {
    const auto outcome = Check(hub.client(), service);
    EXPECT_THAT(outcome.status, IsOk());
    EXPECT_EQ(outcome.response.status(), HealthCheckResponse::SERVING) << service;
  }
  EXPECT_EQ(Check(hub.client(), "live").response.status(), HealthCheckResponse::SERVING);
}

TEST(HealthTest, ReportsUnknownServices) {
  TestHub hub;
  EXPECT_EQ(Check(hub.client(), "other").status.error_code(), StatusCode::NOT_FOUND);
  Watch watch(hub.client(), "other");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  watch.Cancel();
  EXPECT_EQ(watch.End().error_code(), StatusCode::CANCELLED);
}

TEST(HealthTest, FailedStoreIsNotServing) {
  TestHub hub;
  CreateTopic(hub.client(), "t");
  Watch watch(hub.client(), kServices[1]);
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  Watch live(hub.client(), "live");
  EXPECT_EQ(live.Next(), HealthCheckResponse::SERVING);
  hub.gate().Fail();
  EXPECT_FALSE(TryPublish(hub.client(), MakePublish("t")).status.ok());
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  for (const std::string& service : kServices) {
    EXPECT_EQ(Check(hub.client(), service).response.status(), HealthCheckResponse::NOT_SERVING);
  }
  // Only a restart helps.
  EXPECT_EQ(live.Next(), HealthCheckResponse::NOT_SERVING);
  watch.Cancel();
  EXPECT_EQ(watch.End().error_code(), StatusCode::CANCELLED);
  live.Cancel();
  EXPECT_EQ(live.End().error_code(), StatusCode::CANCELLED);
}

TEST(HealthTest, ShutdownNotifiesAndEndsWatches) {
  TestHub hub;
  Watch watch(hub.client());
  Watch unknown(hub.client(), "other");
  EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
  EXPECT_EQ(unknown.Next(), HealthCheckResponse::SERVICE_UNKNOWN);
  std::thread shutdown([&hub] { hub.Shutdown(kTestDeadline); });
  EXPECT_EQ(watch.Next(), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(watch.End().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(unknown.End().error_code(), StatusCode::UNAVAILABLE);
  shutdown.join();
}

TEST(HealthTest, HandlesManyWatches) {
  TestHub hub;
  for (int i = 0; i < 200; ++i) {
    Watch watch(hub.client(), kServices[i % 3]);
    if (i % 2 == 0) {
      EXPECT_EQ(watch.Next(), HealthCheckResponse::SERVING);
    }
    watch.Cancel();
    EXPECT_EQ(watch.End().error_code(), StatusCode::CANCELLED);
  }
  EXPECT_EQ(Check(hub.client()).response.status(), HealthCheckResponse::SERVING);
}

}  // namespace
}  // namespace eventhub
