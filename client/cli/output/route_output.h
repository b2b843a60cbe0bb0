// Prints routes and the results of tests as tables and as JSON.
#pragma once

#include <string>
#include <vector>

#include "client/cli/output/topic_output.h"
#include "eventhub/route.h"

namespace eventhub::cli {

Json RouteJson(const client::Route& route);
Json RouteStatsJson(const client::RouteStats& stats);
Json RouteTestJson(const client::RouteTest& test);

Fields RouteFields(const client::Route& route);
void AppendRouteStatsFields(const client::RouteStats& stats, Fields* fields);
// `partition 0: 12, partition 1: 7`; only the first few.
std::string RenderOffsets(const std::vector<client::PartitionOffset>& offsets);
std::string RenderRoutes(const std::vector<client::RouteDescription>& routes);
// Prints the routes as a tree, then the topics that would contain the event, or why the event would
// be refused.
std::string RenderRouteTest(const std::string& topic, const client::RouteTest& test);

}  // namespace eventhub::cli
