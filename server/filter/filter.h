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

// How much text it may examine for one event, in bytes; see filter.proto.
inline constexpr size_t kMaxFilterWork = size_t{4} << 20;

// A filter's verdict on an event.
enum class FilterResult {
  kPasses,
  kDoesNotPass,
  // Would have examined too much text; the event does not pass.
  kTooCostly,
};

// A filter of any dialect. Immutable, cheap to copy, thread-safe.
class CompiledFilter {
 public:
  // Returns whether an event passes, given one encoded eventhub.v1.Event without the tag and length
  // that precede it. A malformed event does not pass. Allocates only for binary attributes, for
  // texts of more than 512 bytes made by functions, and in filters that read more than 16
  // attributes or nest values deeper than 16.
  bool Matches(absl::string_view encoded_event) const {
    return Run(encoded_event) == FilterResult::kPasses;
  }

  // The same, with the reason. Sets `*work`, unless null, to the number of bytes of text examined.
  FilterResult Run(absl::string_view encoded_event, size_t* work = nullptr) const;

  // The names of the attributes that the filter reads, without duplicates.
  const std::vector<std::string>& Attributes() const;

  // The event types that may pass, sorted; nullopt if any may. Events of other types do not pass,
  // so whole batches without these types can be skipped.
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
// the offending field, `field` being the path of the filter itself, followed for an expression by
// the position: "filter.all.filters[1].sql: line 1, column 8: expected ...". An expression that
// calls an unknown function is refused too: that call could never succeed.
absl::StatusOr<CompiledFilter> CompileFilter(const v1::Filter& filter,
                                             absl::string_view field = "filter");

}  // namespace eventhub
