// All that is wrong with a topology, a line each.
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
  // What an error is about: an object by its kind and name, or, where that says nothing, by its
  // place. `path` is where it is in the request, empty if it is not there.
  void Add(const TopologyKind& kind, absl::string_view name, absl::string_view path,
           const absl::Status& error);

  bool empty() const { return lines_.empty(); }

  // INVALID_ARGUMENT if one of them is, else FAILED_PRECONDITION; the detail is that of the first
  // with this code. The message has as many of the lines as errors may carry, 100 at most, and says
  // how many there are more. OK if there is none.
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
