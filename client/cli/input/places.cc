#include "client/cli/input/places.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/input/units.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

absl::Status BadPlace(absl::string_view text, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not ", expected));
}

}  // namespace

bool IsNumber(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

absl::StatusOr<int64_t> ParseOffset(absl::string_view text) {
  int64_t offset = 0;
  if (IsNumber(text) && absl::SimpleAtoi(text, &offset)) return offset;
  return BadPlace(text, "an offset");
}

absl::StatusOr<uint32_t> ParsePartition(absl::string_view text) {
  uint32_t partition = 0;
  if (IsNumber(text) && absl::SimpleAtoi(text, &partition)) return partition;
  return BadPlace(text, "the number of a partition");
}

absl::StatusOr<client::StartPosition> ParseStart(absl::string_view text, absl::Time now) {
  if (text == "earliest") return client::StartPosition::Earliest();
  if (text == "retained") return client::StartPosition::Retained();
  if (text == "latest") return client::StartPosition::Latest();
  if (IsNumber(text)) {
    ASSIGN_OR_RETURN(const int64_t offset, ParseOffset(text));
    return client::StartPosition::Offset(offset);
  }
  if (const auto time = ParseMoment(text, now); time.ok()) {
    return client::StartPosition::Timestamp(*time);
  }
  return BadPlace(
      text,
      "earliest, retained, latest, an offset, a time (2026-01-31T12:00:00Z) or a duration back "
      "from now (15m)");
}

absl::StatusOr<client::PartitionOffset> ParsePartitionOffset(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  client::PartitionOffset place;
  if (!IsNumber(parts.first) || !absl::SimpleAtoi(parts.first, &place.partition) ||
      !IsNumber(parts.second) || !absl::SimpleAtoi(parts.second, &place.offset)) {
    return BadPlace(text, "PARTITION:OFFSET");
  }
  return place;
}

absl::StatusOr<std::vector<client::PartitionOffset>> ParsePartitionOffsets(absl::string_view text) {
  std::vector<client::PartitionOffset> places;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    ASSIGN_OR_RETURN(const client::PartitionOffset place, ParsePartitionOffset(part));
    places.push_back(place);
  }
  return places;
}

absl::StatusOr<client::PartitionRange> ParsePartitionRange(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> ends =
      absl::StrSplit(text, absl::MaxSplits('-', 1));
  const auto first = ParsePartitionOffset(ends.first);
  auto last = first.ok() ? absl::StatusOr<int64_t>(first->offset) : first.status();
  if (ends.first.size() < text.size()) last = ParseOffset(ends.second);
  if (!first.ok() || !last.ok() || *last < first->offset ||
      *last == std::numeric_limits<int64_t>::max()) {
    return BadPlace(text, "PARTITION:FIRST-LAST or PARTITION:OFFSET");
  }
  return client::PartitionRange{.partition = first->partition,
                                .range = {.start = first->offset, .end = *last + 1}};
}

}  // namespace eventhub::cli
