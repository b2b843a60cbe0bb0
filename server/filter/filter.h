// Filters over events: compiled once, then run on encoded events.
//
//     ASSIGN_OR_RETURN(const CompiledFilter filter, CompileFilter(request.filter()));
//     if (filter.Matches(encoded_event)) deliver(encoded_event);
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/filter.pb.h"

namespace eventhub {

namespace filter {
struct Program;
}  // namespace filter

// Limits on a filter; see filter.proto.
inline constexpr size_t kMaxFilterBytes = 64 << 10;
inline constexpr int kMaxFilterDepth = 16;
inline constexpr int kMaxFilterParts = 1024;
inline constexpr size_t kMaxFilterAttributes = 256;

// How much text it may look at for one event; see filter.proto. Bytes.
inline constexpr size_t kMaxFilterWork = size_t{4} << 20;

// What a filter says of an event.
enum class FilterResult {
  kPasses,
  kDoesNotPass,
  // It would have looked at too much text for one event, which does not pass.
  kTooCostly,
};

// A filter of any dialect. Immutable, cheap to copy, thread-safe.
class CompiledFilter {
 public:
  // Whether an event passes: the bytes of one message eventhub.v1.Event, without the tag and the
  // length before it. One that is not well-formed does not. Does not allocate, but for: binary
  // attributes, texts of more than 512 bytes that functions make, and filters that look at more
  // than 16 attributes or nest values deeper than 16.
  bool Matches(absl::string_view encoded_event) const {
    return Run(encoded_event) == FilterResult::kPasses;
  }

  // The same, and why not. `work`, if it is not null, is told how many bytes of text were looked
  // at.
  FilterResult Run(absl::string_view encoded_event, size_t* work = nullptr) const;

  // The names of the attributes that are looked at, each once.
  const std::vector<std::string>& Attributes() const;

  // The event types that can pass at all, sorted; nothing if that cannot be told, so that any may.
  // An event of another type does not pass, so whole batches without these types can be skipped.
  const std::optional<std::vector<std::string>>& Types() const { return types_; }

 private:
  friend absl::StatusOr<CompiledFilter> CompileFilter(const v1::Filter& filter,
                                                      absl::string_view field);
  CompiledFilter(std::shared_ptr<const filter::Program> program,
                 std::optional<std::vector<std::string>> types);

  std::shared_ptr<const filter::Program> program_;
  std::optional<std::vector<std::string>> types_;
};

// INVALID_ARGUMENT if the filter breaks a rule of filter.proto. The message begins with the path of
// the field at fault, `field` being that of the filter itself, and for an expression goes on with
// the position: "filter.all.filters[1].sql: line 1, column 8: expected ...". An expression that
// calls a function that there is not could never be true where it does, and is refused too.
absl::StatusOr<CompiledFilter> CompileFilter(const v1::Filter& filter,
                                             absl::string_view field = "filter");

}  // namespace eventhub
