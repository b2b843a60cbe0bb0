// Prints subscriptions, snapshots and dead letters as JSON, as tables and as a report.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/output/topic_output.h"
#include "eventhub/subscription.h"

namespace eventhub::cli {

// Limits that are not set, and times of events that never happened, are null.
Json SubscriptionJson(const client::Subscription& subscription);
Json SubscriptionStatsJson(const client::SubscriptionStats& stats);
Json SummaryJson(const client::SubscriptionSummary& summary);
Json DescriptionJson(const client::SubscriptionDescription& description);
Json MovesJson(const std::vector<client::PartitionMove>& moves, bool dry_run);
Json ReplayJson(const client::ReplayResult& result, bool dry_run);
Json SnapshotJson(const client::Snapshot& snapshot);
Json DeadLetterJson(const client::DeadLetter& letter);

Fields SubscriptionFields(const client::Subscription& subscription);
std::string RenderSubscriptions(const std::vector<client::SubscriptionSummary>& subscriptions);
std::string RenderMoves(const std::vector<client::PartitionMove>& moves, bool dry_run);
std::string RenderReplay(const client::ReplayResult& result, bool dry_run);
std::string RenderSnapshots(const std::vector<client::Snapshot>& snapshots);
std::string RenderDeadLetters(const std::vector<client::DeadLetter>& letters);

// Answers "why is it behind?": first the reasons, in words; then the totals, the partitions that
// are furthest behind, and the consumers with their events in flight. `now` is the current time
// of this machine.
std::string RenderDescription(const client::SubscriptionDescription& description, absl::Time now);

}  // namespace eventhub::cli
