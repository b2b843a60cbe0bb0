#include "client/processor/make_fault.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <typeinfo>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventhub/partition.h"

namespace eventhub::processor {

std::string ReasonOf(const Fault& fault) {
  return absl::StrCat("pipeline ", fault.pipeline, ", step ", fault.step, ": ", fault.type,
                      fault.attempts > 1 ? absl::StrCat(" in ", fault.attempts, " attempts") : "",
                      ": ", fault.message, " [fault ", fault.id, "]");
}

namespace internal {
namespace {

std::string NameOf(const std::type_info& type) {
  int status = 0;
  char* const name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string text = name != nullptr ? name : type.name();
  std::free(name);
  return text;
}

// Each part is preceded by its length, so that no two lists of parts have the same text.
std::string FaultId(const FaultPlace& place, const v1::Event& event) {
  std::string text;
  for (const std::string_view part :
       {place.subscription, place.pipeline, std::string_view(event.source()),
        std::string_view(event.id())}) {
    absl::StrAppend(&text, part.size(), ":", std::string(part));
  }
  const uint64_t first = client::KeyHash(text);
  text += "2";
  return absl::StrCat(absl::Hex(first, absl::kZeroPad16),
                      absl::Hex(client::KeyHash(text), absl::kZeroPad16));
}

}  // namespace

Failure FailureOf(const absl::Status& error) {
  return {absl::StatusCodeToString(error.code()), std::string(error.message())};
}

Failure FailureOfCurrentException() {
  try {
    throw;
  } catch (const std::exception& exception) {
    return {NameOf(typeid(exception)), exception.what()};
  } catch (...) {
    const std::type_info* const type = abi::__cxa_current_exception_type();
    return {type == nullptr ? "exception" : NameOf(*type), "is no std::exception"};
  }
}

std::unique_ptr<Fault> MakeFault(const FaultPlace& place, Failure failure, const Trigger& trigger,
                                 absl::Time now) {
  return std::make_unique<Fault>(Fault{
      .id = FaultId(place, trigger.event),
      .pipeline = std::string(place.pipeline),
      .step = std::string(place.step),
      .type = std::move(failure.type),
      .message = std::move(failure.message),
      .attempts = static_cast<uint32_t>(place.attempts),
      .event_id = trigger.event.id(),
      .event_source = trigger.event.source(),
      .event_type = trigger.event.type(),
      .partition = trigger.arrival.partition,
      .offset = trigger.arrival.offset,
      .delivery_attempt = trigger.arrival.delivery_attempt,
      .time = now,
  });
}

}  // namespace internal
}  // namespace eventhub::processor
