#include "server/core/event/event_filter.h"

#include <algorithm>
#include <utility>

#include "server/core/event/event_scanner.h"

namespace eventhub {

EventFilter::EventFilter(CompiledFilter filter) : filter_(std::move(filter)) {
  if (!filter_.Types().has_value()) return;
  types_.emplace();
  for (const std::string& type : *filter_.Types()) types_->push_back(HashOfType(type));
  std::sort(types_->begin(), types_->end());
}

}  // namespace eventhub
