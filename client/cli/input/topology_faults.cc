#include "client/cli/input/topology_faults.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/input/topology_fields.h"

namespace eventhub::cli {
namespace {

using google::protobuf::EnumDescriptor;

// The hub writes `"KIND_QUEUE"` or `QUEUE` where the file has `queue`.
std::string WithEnumWords(const EnumDescriptor& type, absl::string_view problem) {
  std::vector<std::pair<std::string, std::string>> words;
  for (int i = 0; i < type.value_count(); ++i) {
    const auto& value = *type.value(i);
    const std::string word = EnumWord(value);
    words.emplace_back(absl::StrCat("\"", value.name(), "\""), word);
    words.emplace_back(value.name(), word);
    words.emplace_back(absl::AsciiStrToUpper(word), word);
  }
  return absl::StrReplaceAll(problem, words);
}

}  // namespace

std::string LocateFault(const TopologyReader& reader, absl::string_view fault) {
  const std::vector<absl::string_view> parts = absl::StrSplit(fault, absl::MaxSplits(": ", 2));
  const std::vector<std::string> object = absl::StrSplit(parts[0], absl::MaxSplits(' ', 1));
  if (parts.size() < 2 || object.size() < 2) return std::string(fault);
  const std::string path = parts.size() > 2 ? std::string(parts[1]) : "";
  const std::string place = reader.PlaceOf(absl::StrCat(object[0], "s"), object[1], path);
  const auto* field = FindSetting(object[0], path);
  return absl::StrCat(place, place.empty() ? "" : ": ",
                      field != nullptr && field->enum_type() != nullptr
                          ? absl::StrCat(parts[0], ": ", parts[1], ": ",
                                         WithEnumWords(*field->enum_type(), parts[2]))
                          : std::string(fault));
}

}  // namespace eventhub::cli
