#include "server/core/topology/fault_list.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/wire/utf8.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"

namespace eventhub {
namespace {

constexpr size_t kMaxLines = 100;
// For "and 99999 more".
constexpr size_t kMoreBytes = 24;

// Joins the lines of an error that quotes a filter or a name.
std::string OnOneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return text;
}

}  // namespace

void FaultList::Add(const TopologyKind& kind, absl::string_view name, absl::string_view path,
                    const absl::Status& error) {
  const std::string prefix = absl::StrCat(WordFor(kind), ".");
  const absl::string_view problem = absl::StripPrefix(error.message(), prefix);
  const absl::string_view shown = name.empty() ? path : name;
  Line& line = lines_.emplace_back();
  line.text = OnOneLine(
      absl::StrCat(WordFor(kind), " ", wire::Shorten(shown, kMaxNameBytes), ": ", problem));
  line.code = absl::IsInvalidArgument(error) ? error.code() : absl::StatusCode::kFailedPrecondition;
  line.detail = DetailOf(error).value_or(v1::ErrorDetail());
  if (line.detail.field().empty()) return;
  const absl::string_view field = absl::StripPrefix(line.detail.field(), prefix);
  line.detail.set_field(path.empty() ? std::string(field) : absl::StrCat(path, ".", field));
}

absl::Status FaultList::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  const auto invalid = std::find_if(lines_.begin(), lines_.end(), [](const Line& line) {
    return line.code == absl::StatusCode::kInvalidArgument;
  });
  const Line& first = invalid == lines_.end() ? lines_.front() : *invalid;
  std::string message = lines_.front().text;
  size_t shown = 1;
  for (; shown < std::min(lines_.size(), kMaxLines); ++shown) {
    const std::string longer = absl::StrCat(message, "\n", lines_[shown].text);
    if (!FitsMessage(absl::StrCat(longer, std::string(kMoreBytes, ' ')))) break;
    message = longer;
  }
  if (shown < lines_.size()) absl::StrAppend(&message, "\nand ", lines_.size() - shown, " more");
  return WithDetail(absl::Status(first.code, message), first.detail);
}

}  // namespace eventhub
