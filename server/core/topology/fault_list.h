// All faults of a topology, one line each.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/topology/topology_kind.h"

namespace eventhub {

// Not thread-safe.
class FaultList {
 public:
  // Adds an error about an object. The line names the object by kind and name or, if it has no
  // name, by its place. `path` is its place in the request; empty if it is not in the request.
  void Add(const TopologyKind& kind, absl::string_view name, absl::string_view path,
           const absl::Status& error);

  bool empty() const { return lines_.empty(); }

  // INVALID_ARGUMENT if one of the faults is, else FAILED_PRECONDITION; OK if there are none. The
  // detail is that of the first fault with this code. The message holds as many lines as an error
  // may carry, at most 100, and says how many more there are.
  absl::Status ToStatus() const;

 private:
  struct Line {
    std::string text;
    absl::StatusCode code;
    v1::ErrorDetail detail;
  };
  std::vector<Line> lines_;
};

}  // namespace eventhub
