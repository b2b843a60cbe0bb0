// Helpers to call SubscriptionService, for tests that are not about the call itself.
#pragma once

#include <string>

#include "tests/support/hub_calls.h"

namespace eventhub {

// Settings of a subscription of topic "t", for a test to adapt.
v1::Subscription QueueOf(const std::string& name, const std::string& topic = "t");
v1::Subscription StreamOf(const std::string& name, const std::string& topic = "t");

Outcome<v1::CreateSubscriptionResponse> TryCreateSubscription(HubClient& client,
                                                              const v1::Subscription& subscription);

// These fail the test if the call fails. Subscriptions are created at the start of the log.
v1::Subscription CreateSubscription(HubClient& client, const v1::Subscription& subscription);
v1::GetSubscriptionResponse GetSubscription(HubClient& client, const std::string& name);
v1::Subscription UpdateSubscription(HubClient& client, const v1::Subscription& subscription,
                                    const std::string& path);
void DeleteSubscription(HubClient& client, const std::string& name);
v1::SeekSubscriptionResponse SeekToEarliest(HubClient& client, const std::string& name);
v1::ListDeadLettersResponse ListDeadLetters(HubClient& client, const std::string& subscription);

}  // namespace eventhub
