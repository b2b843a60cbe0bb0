// How subscriptions and what belongs to them are printed: as JSON, as columns, as a report.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/output/topic_output.h"
#include "eventhub/subscription.h"

namespace eventhub::cli {

// Limits that are not set are null, and so are times of what never happened.
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

// The answer to "why is it behind?": what holds it up, in words, first; then the totals, the
// partitions that are furthest behind, and who holds what. `now` is that of the reader.
std::string RenderDescription(const client::SubscriptionDescription& description, absl::Time now);

}  // namespace eventhub::cli
