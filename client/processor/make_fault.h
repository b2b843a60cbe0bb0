// Makes faults: the only place that decides which details of a failure are kept.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eventhub/processor/fault.h"
#include "eventhub/processor/internal/trigger.h"

namespace eventhub::processor::internal {

// The error of a fault.
struct Failure {
  std::string type;
  std::string message;
  std::vector<std::string> causes{};
};

Failure FailureOf(const absl::Status& error);
// The failure of the exception that is being handled.
Failure FailureOfCurrentException();

// Where a fault occurred.
struct FaultPlace {
  std::string_view subscription;
  std::string_view processor;
  std::string_view pipeline;
  std::string_view step;
  int attempts = 1;
};

std::unique_ptr<Fault> MakeFault(const FaultPlace& place, Failure failure, const Trigger& trigger,
                                 absl::Time now);

// Applies a hook of ProcessorHooks; null: none.
void Redact(const std::function<void(Fault&)>& hook, Fault& fault);

}  // namespace eventhub::processor::internal
