#include "client/processor/make_fault.h"

#include <cxxabi.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <typeinfo>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/wire/fault_id.h"

namespace eventhub::processor {

std::string ReasonOf(const Fault& fault) {
  return absl::StrCat("pipeline ", fault.pipeline, ", step ", fault.step, ": ", fault.type,
                      fault.attempts > 1 ? absl::StrCat(" in ", fault.attempts, " attempts") : "",
                      ": ", fault.message, " [fault ", fault.id, "]");
}

client::FaultDetail DetailOf(const Fault& fault) {
  return {.processor = fault.processor,
          .pipeline = fault.pipeline,
          .step = fault.step,
          .error = fault.type,
          .message = fault.message,
          .causes = fault.causes,
          .attempts = fault.attempts,
          .host = fault.host,
          .time = fault.time,
          .trace_id = fault.trace_id,
          .group = fault.group};
}

namespace internal {
namespace {

std::string NameOf(const std::type_info& type) {
  int status = 0;
  char* const name = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  const std::string text = name != nullptr ? name : type.name();
  std::free(name);
  // std::throw_with_nested throws a type derived from the given one.
  absl::string_view shown = text;
  if (absl::ConsumePrefix(&shown, "std::_Nested_exception<")) {
    absl::ConsumeSuffix(&shown, ">");
  }
  return std::string(absl::StripAsciiWhitespace(shown));
}

constexpr size_t kMaxCausesKept = 8;

// Adds the exceptions nested in the one that is being handled.
void AddNested(const std::exception& exception, std::vector<std::string>& causes) {
  if (causes.size() == kMaxCausesKept) return;
  try {
    std::rethrow_if_nested(exception);
  } catch (const std::exception& nested) {
    causes.push_back(absl::StrCat(NameOf(typeid(nested)), ": ", nested.what()));
    AddNested(nested, causes);
  } catch (...) {
    causes.emplace_back("an exception that is no std::exception");
  }
}

absl::string_view ViewOf(std::string_view text) { return {text.data(), text.size()}; }

const std::string& HostName() {
  static const std::string* const name = [] {
    char buffer[256] = "";
    return new std::string(gethostname(buffer, sizeof(buffer) - 1) == 0 ? buffer : "");
  }();
  return *name;
}

// The trace id of a W3C trace context: version, trace id, parent id and flags, separated by
// hyphens.
std::string TraceId(const v1::Event& event) {
  const auto it = event.attributes().find("traceparent");
  if (it == event.attributes().end()) return "";
  const std::vector<std::string> parts = absl::StrSplit(it->second.string(), '-');
  constexpr size_t kTraceIdDigits = 32;
  return parts.size() >= 4 && parts[1].size() == kTraceIdDigits ? parts[1] : "";
}

}  // namespace

Failure FailureOf(const absl::Status& error) {
  return {absl::StatusCodeToString(error.code()), std::string(error.message())};
}

Failure FailureOfCurrentException() {
  try {
    throw;
  } catch (const std::exception& exception) {
    Failure failure{NameOf(typeid(exception)), exception.what()};
    AddNested(exception, failure.causes);
    return failure;
  } catch (...) {
    const std::type_info* const type = abi::__cxa_current_exception_type();
    return {type == nullptr ? "exception" : NameOf(*type), "is no std::exception"};
  }
}

std::unique_ptr<Fault> MakeFault(const FaultPlace& place, Failure failure, const Trigger& trigger,
                                 absl::Time now) {
  return std::make_unique<Fault>(Fault{
      .id = wire::FaultId({.subscription = ViewOf(place.subscription),
                           .pipeline = ViewOf(place.pipeline),
                           .event_source = trigger.event.source(),
                           .event_id = trigger.event.id(),
                           .partition = trigger.arrival.partition,
                           .offset = trigger.arrival.offset}),
      .processor = std::string(place.processor),
      .pipeline = std::string(place.pipeline),
      .step = std::string(place.step),
      .type = std::move(failure.type),
      .message = std::move(failure.message),
      .causes = std::move(failure.causes),
      .attempts = static_cast<uint32_t>(place.attempts),
      .event_id = trigger.event.id(),
      .event_source = trigger.event.source(),
      .event_type = trigger.event.type(),
      .partition = trigger.arrival.partition,
      .offset = trigger.arrival.offset,
      .delivery_attempt = trigger.arrival.delivery_attempt,
      .time = now,
      .host = HostName(),
      .trace_id = TraceId(trigger.event),
  });
}

void Redact(const std::function<void(Fault&)>& hook, Fault& fault) {
  if (!hook) return;
  const std::string id = fault.id;
  const std::string pipeline = fault.pipeline;
  try {
    hook(fault);
  } catch (...) {  // Data that it should have removed must not leave the process.
    fault.message = "removed, because the redaction hook threw an exception";
    fault.causes.clear();
  }
  fault.id = id;
  fault.pipeline = pipeline;
}

}  // namespace internal
}  // namespace eventhub::processor
