#include "server/core/topology/change_order.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

// The lowest rank is tried first. A kind's number is greater than those of the kinds that it needs.
std::pair<int, int> RankOf(const PlannedChange& change) {
  const int kind = change.said.kind();
  if (change.said.action() == v1::TopologyChange::ACTION_DELETE) return {2, -kind};
  return {change.tightens ? 1 : 0, kind};
}

absl::Status CheckNow(const PlannedChange& change, const TopologyState& hub) {
  if (change.settings == nullptr) return change.kind->CheckDelete(change.said.name(), hub);
  return change.kind->CheckPlace(*change.settings, hub);
}

void Make(const PlannedChange& change, TopologyState& hub) {
  TopologyState::Objects& objects = hub.of(change.said.kind());
  if (change.settings == nullptr) {
    objects.erase(change.said.name());
  } else {
    objects[change.said.name()] = change.settings;
  }
}

}  // namespace

std::vector<PlannedChange> OrderChanges(std::vector<PlannedChange> changes, TopologyState hub,
                                        FaultList& faults) {
  std::sort(changes.begin(), changes.end(), [](const PlannedChange& a, const PlannedChange& b) {
    return std::make_tuple(RankOf(a), absl::string_view(a.said.name())) <
           std::make_tuple(RankOf(b), absl::string_view(b.said.name()));
  });
  std::vector<PlannedChange> ordered;
  while (!changes.empty()) {
    std::vector<PlannedChange> refused;
    for (PlannedChange& change : changes) {
      if (CheckNow(change, hub).ok()) {
        Make(change, hub);
        ordered.push_back(std::move(change));
      } else {
        refused.push_back(std::move(change));
      }
    }
    if (refused.size() == changes.size()) {
      for (const PlannedChange& change : refused) {
        const absl::Status refusal = CheckNow(change, hub);
        v1::ErrorDetail detail = DetailOf(refusal).value_or(v1::ErrorDetail());
        detail.clear_field();  // It names a field of the object, not of the request.
        faults.Add(*change.kind, change.said.name(), "",
                   WithDetail(absl::FailedPreconditionError(absl::StrCat(
                                  "no order of the changes allows this one: ", refusal.message())),
                              detail));
      }
      break;
    }
    changes = std::move(refused);
  }
  return ordered;
}

}  // namespace eventhub
