// Prints topics, partitions and counters as tables and as JSON.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/cli/input/json.h"
#include "eventhub/topic.h"

namespace eventhub::cli {

using Fields = std::vector<std::pair<std::string, std::string>>;

// A limit that is not set is null.
Json TopicJson(const client::Topic& topic);
Json StatsJson(const client::TopicStats& stats);
Json PartitionsJson(const std::vector<client::PartitionInfo>& partitions);

Fields TopicFields(const client::Topic& topic);
void AppendStatsFields(const client::TopicStats& stats, Fields* fields);

// How far a topic or a hub is archived.
Json ArchiveJson(const client::ArchiveStatus& archive);
void AppendArchiveFields(const client::ArchiveStatus& archive, Fields* fields);

std::string RenderTopics(const std::vector<client::TopicDescription>& topics);
std::string RenderPartitions(const std::vector<client::PartitionInfo>& partitions, absl::Time now);

}  // namespace eventhub::cli
