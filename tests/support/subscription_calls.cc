#include "tests/support/subscription_calls.h"

#include "gtest/gtest.h"

namespace eventhub {
namespace {

v1::Subscription SettingsOf(const std::string& name, const std::string& topic,
                            v1::Subscription::Kind kind) {
  v1::Subscription subscription;
  subscription.set_name(name);
  subscription.set_topic(topic);
  subscription.set_kind(kind);
  return subscription;
}

}  // namespace

v1::Subscription QueueOf(const std::string& name, const std::string& topic) {
  return SettingsOf(name, topic, v1::Subscription::KIND_QUEUE);
}

v1::Subscription StreamOf(const std::string& name, const std::string& topic) {
  return SettingsOf(name, topic, v1::Subscription::KIND_STREAM);
}

Outcome<v1::CreateSubscriptionResponse> TryCreateSubscription(
    HubClient& client, const v1::Subscription& subscription) {
  grpc::ClientContext context;
  v1::CreateSubscriptionRequest request;
  *request.mutable_subscription() = subscription;
  request.mutable_start()->set_earliest(true);
  Outcome<v1::CreateSubscriptionResponse> outcome;
  outcome.status = client.subscriptions().CreateSubscription(&context, request, &outcome.response);
  return outcome;
}

v1::Subscription CreateSubscription(HubClient& client, const v1::Subscription& subscription) {
  const Outcome<v1::CreateSubscriptionResponse> outcome =
      TryCreateSubscription(client, subscription);
  EXPECT_THAT(outcome.status, IsOk());
  return outcome.response.subscription();
}

v1::GetSubscriptionResponse GetSubscription(HubClient& client, const std::string& name) {
  grpc::ClientContext context;
  v1::GetSubscriptionRequest request;
  v1::GetSubscriptionResponse response;
  request.set_name(name);
  EXPECT_THAT(client.subscriptions().GetSubscription(&context, request, &response), IsOk());
  return response;
}

v1::Subscription UpdateSubscription(HubClient& client, const v1::Subscription& subscription,
                                    const std::string& path) {
  grpc::ClientContext context;
  v1::UpdateSubscriptionRequest request;
  v1::UpdateSubscriptionResponse response;
  *request.mutable_subscription() = subscription;
  request.mutable_update_mask()->add_paths(path);
  EXPECT_THAT(client.subscriptions().UpdateSubscription(&context, request, &response), IsOk());
  return response.subscription();
}

void DeleteSubscription(HubClient& client, const std::string& name) {
  grpc::ClientContext context;
  v1::DeleteSubscriptionRequest request;
  v1::DeleteSubscriptionResponse response;
  request.set_name(name);
  EXPECT_THAT(client.subscriptions().DeleteSubscription(&context, request, &response), IsOk());
}

v1::SeekSubscriptionResponse SeekToEarliest(HubClient& client, const std::string& name) {
  grpc::ClientContext context;
  v1::SeekSubscriptionRequest request;
  v1::SeekSubscriptionResponse response;
  request.set_name(name);
  request.mutable_start()->set_earliest(true);
  EXPECT_THAT(client.subscriptions().SeekSubscription(&context, request, &response), IsOk());
  return response;
}

v1::ListDeadLettersResponse ListDeadLetters(HubClient& client, const std::string& subscription) {
  grpc::ClientContext context;
  v1::ListDeadLettersRequest request;
  v1::ListDeadLettersResponse response;
  request.set_subscription(subscription);
  request.set_page_size(1000);
  EXPECT_THAT(client.subscriptions().ListDeadLetters(&context, request, &response), IsOk());
  return response;
}

}  // namespace eventhub
