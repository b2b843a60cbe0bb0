// Which dead letters a request selects.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/dead_letter/dead_letter.h"
#include "server/core/subscription/records.pb.h"
#include "server/filter/filter.h"

namespace eventhub {

// A compiled DeadLetterSelector. Immutable.
class LetterFilter {
 public:
  // INVALID_ARGUMENT, naming the field: the filter, a fault id or a state is invalid. Closed
  // letters are refused unless `may_be_closed`.
  static absl::StatusOr<LetterFilter> Create(const v1::DeadLetterSelector& selector,
                                             bool may_be_closed);

  // The dead-letter topic; empty: any.
  const std::string& topic() const { return selector_.topic(); }
  // Whether letters that are open, or closed, may pass.
  bool takes_open() const;
  bool takes_closed() const;
  bool TakesState(v1::DeadLetter::State state) const;

  // Whether the record passes the conditions that do not need the event.
  bool TakesRecord(const DeadLetterPlace& place, const stored::DeadLetter& record) const;
  // Whether there are others.
  bool needs_event() const { return needs_letter() || !selector_.types().empty(); }
  bool TakesType(const std::string& type) const;
  // Whether there is a condition on the event as it is in the dead-letter topic.
  bool needs_letter() const { return filter_.has_value(); }
  bool TakesLetter(const LoggedEvent& letter) const;

 private:
  LetterFilter(v1::DeadLetterSelector selector, std::optional<CompiledFilter> filter)
      : selector_(std::move(selector)), filter_(std::move(filter)) {}

  v1::DeadLetterSelector selector_;
  std::optional<CompiledFilter> filter_;
};

}  // namespace eventhub
