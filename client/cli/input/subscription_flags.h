// The options that `subscriptions create` and `subscriptions update` share.
#pragma once

#include <CLI/CLI.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventhub/subscription.h"

namespace eventhub::cli {

// Adds an option for each setting that can be changed; sets those given in `update`, which
// outlives the command.
void AddSubscriptionFlags(CLI::App& command, client::SubscriptionUpdate& update);

// Whether anything is set.
bool IsEmpty(const client::SubscriptionUpdate& update);

// Copies the fields that `update` sets to `subscription`.
void ApplyUpdate(const client::SubscriptionUpdate& update, client::Subscription* subscription);

// Parses `stream` or `queue`; INVALID_ARGUMENT for anything else.
absl::StatusOr<client::SubscriptionKind> ParseKind(absl::string_view text);
absl::string_view KindName(client::SubscriptionKind kind);

}  // namespace eventhub::cli
