// Route calls: how RouteClient reaches the routes of a hub.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/position.h"
#include "eventhub/route.h"
#include "eventhub/topic.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// The routes of a hub; see RouteClient for the contract of each call. Thread-safe; each call blocks
// until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call that a class does not
// override returns UNIMPLEMENTED.
class RouteCalls {
 public:
  virtual ~RouteCalls() = default;

  virtual absl::StatusOr<RouteChange> CreateRoute(const Route& route, absl::Duration timeout);
  virtual absl::StatusOr<RouteDescription> GetRoute(const std::string& name,
                                                    absl::Duration timeout);
  virtual absl::StatusOr<Page<RouteDescription>> ListRoutes(const std::string& topic,
                                                            uint32_t page_size,
                                                            const std::string& page_token,
                                                            absl::Duration timeout);
  virtual absl::StatusOr<RouteChange> UpdateRoute(const std::string& name,
                                                  const RouteUpdate& update,
                                                  absl::Duration timeout);
  virtual absl::StatusOr<std::vector<PartitionOffset>> DeleteRoute(const std::string& name,
                                                                   absl::Duration timeout);
  virtual absl::StatusOr<RouteTest> TestRoutes(const std::string& topic, const v1::Event& event,
                                               const std::optional<Route>& pretended,
                                               absl::Duration timeout);
};

}  // namespace eventhub::client
