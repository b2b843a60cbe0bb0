#include "client/cli/input/json_slice.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "client/cli/input/json.h"
#include "proto/wire/utf8.h"

namespace eventhub::cli {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over a text by the grammar of RFC 8259. Each Skip takes its part off the front, or returns
// false and leaves the text where the fault is.
class JsonScanner {
 public:
  explicit JsonScanner(absl::string_view text) : rest_(text) {}

  absl::string_view rest() const { return rest_; }

  void SkipSpace() {
    while (!rest_.empty() && IsSpace(rest_.front())) rest_.remove_prefix(1);
  }

  bool Skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool SkipString() {
    if (!Skip('"')) return false;
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (static_cast<unsigned char>(c) < 0x20) return false;
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c == '\\' && !SkipEscape()) return false;
    }
    return false;
  }

  // Without recursion: the depth is the writer's choice.
  bool SkipValue() {
    std::string open;  // The brackets that end what was begun.
    while (true) {
      SkipSpace();
      bool ended = true;
      if (Skip('{')) {
        SkipSpace();
        ended = Skip('}');
        if (!ended && !SkipName()) return false;
        if (!ended) open.push_back('}');
      } else if (Skip('[')) {
        SkipSpace();
        ended = Skip(']');
        if (!ended) open.push_back(']');
      } else if (!SkipScalar()) {
        return false;
      }
      while (ended) {
        if (open.empty()) return true;
        SkipSpace();
        if (Skip(',')) {
          if (open.back() == '}' && !SkipName()) return false;
          break;
        }
        if (!Skip(open.back())) return false;
        open.pop_back();
      }
    }
  }

  // The name of a member and its colon, with the white space before each.
  bool SkipName() {
    SkipSpace();
    if (!SkipString()) return false;
    SkipSpace();
    return Skip(':');
  }

 private:
  bool SkipEscape() {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    rest_.remove_prefix(1);
    if (c != 'u') return absl::StrContains("\"\\/bfnrt", c);
    const size_t digits = std::min<size_t>(rest_.size(), 4);
    if (!std::all_of(rest_.begin(), rest_.begin() + digits, absl::ascii_isxdigit)) return false;
    rest_.remove_prefix(digits);
    return digits == 4;
  }

  bool SkipDigits() {
    const size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    rest_.remove_prefix(digits);
    return digits > 0;
  }

  bool SkipNumber() {
    Skip('-');
    if (!Skip('0') && !SkipDigits()) return false;
    if (Skip('.') && !SkipDigits()) return false;
    if (!Skip('e') && !Skip('E')) return true;
    if (!Skip('+')) Skip('-');
    return SkipDigits();
  }

  bool SkipScalar() {
    if (rest_.empty()) return false;
    if (rest_.front() == '"') return SkipString();
    return absl::ConsumePrefix(&rest_, "true") || absl::ConsumePrefix(&rest_, "false") ||
           absl::ConsumePrefix(&rest_, "null") || SkipNumber();
  }

  absl::string_view rest_;
};

// Where a JSON text begins: a byte order mark is no part of it.
absl::string_view BeginOf(absl::string_view text) {
  absl::ConsumePrefix(&text, kByteOrderMark);
  JsonScanner scanner(text);
  scanner.SkipSpace();
  return scanner.rest();
}

bool IsJsonText(absl::string_view text) {
  JsonScanner scanner(text);
  if (!scanner.SkipValue()) return false;
  scanner.SkipSpace();
  return scanner.rest().empty() && wire::IsUtf8(text);
}

}  // namespace

bool IsJsonValue(absl::string_view text) {
  if (text.empty() || IsSpace(text.front()) || IsSpace(text.back())) return false;
  return IsJsonText(text);
}

absl::StatusOr<std::vector<JsonMember>> SliceJsonObject(absl::string_view text) {
  text = BeginOf(text);
  if (!IsJsonText(text)) return absl::InvalidArgumentError("not valid JSON");
  if (text.front() != '{') return absl::InvalidArgumentError("not a JSON object");
  std::vector<JsonMember> members;
  JsonScanner scanner(text.substr(1));
  scanner.SkipSpace();
  while (!scanner.Skip('}')) {
    if (!members.empty()) scanner.Skip(',');
    scanner.SkipSpace();
    const absl::string_view at_name = scanner.rest();
    scanner.SkipString();
    std::optional<std::string> name =
        JsonText(at_name.substr(0, at_name.size() - scanner.rest().size()));
    if (!name) return absl::InvalidArgumentError("the name of a member is not text");
    scanner.SkipSpace();
    scanner.Skip(':');
    scanner.SkipSpace();
    const absl::string_view at_value = scanner.rest();
    scanner.SkipValue();
    members.push_back(
        {*std::move(name), at_value.substr(0, at_value.size() - scanner.rest().size())});
    scanner.SkipSpace();
  }
  return members;
}

std::optional<std::string> JsonText(absl::string_view value) {
  if (value.empty() || value.front() != '"') return std::nullopt;
  if (!absl::StrContains(value, '\\')) return std::string(value.substr(1, value.size() - 2));
  const Json text = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (!text.is_string()) return std::nullopt;
  return text.get<std::string>();
}

absl::string_view JsonLineHint(absl::string_view line) {
  line = BeginOf(line);
  if (absl::StartsWith(line, "[")) {
    return "each line is one event, and not an array of them; jq -c '.[]' writes them so";
  }
  JsonScanner scanner(line);
  if (absl::StartsWith(line, "{") && !scanner.SkipValue() && scanner.rest().empty()) {
    return "the line ends before its object does: each line is one event; jq -c . writes them so";
  }
  return "";
}

}  // namespace eventhub::cli
