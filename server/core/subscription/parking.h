// Putting events that a subscription gives up into its dead-letter topic.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/core/subscription/subscription.h"
#include "storage/log_writer.h"

namespace eventhub {

// Called once, when all events are in the dead-letter topic, or are to be delivered again because
// that topic is not there; an error means that the store has failed. Must not block.
using ParkingDone = absl::AnyInvocable<void(const absl::Status&)>;

// Reads the events on a background thread, then appends each to the dead-letter topic and settles
// it in the subscription, in one commit: it is never lost, and never there twice. An event that
// retention has removed meanwhile is settled as lost.
void StartParking(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                  std::vector<Parked> parked, ParkingDone done);

}  // namespace eventhub
