#include "proto/json/json_slice.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "proto/wire/utf8.h"

namespace eventhub::json {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Whether a byte stands for itself in a string.
constexpr std::array<bool, 256> MakePlainBytes() {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < plain.size(); ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}
constexpr std::array<bool, 256> kPlain = MakePlainBytes();

// Whether all of eight bytes are plain.
bool ArePlain(const char* bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHighs = 0x8080808080808080u;
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  // The high bit of each byte that is zero, exactly up to the first such byte.
  const auto zeros = [](uint64_t x) { return (x - kOnes) & ~x & kHighs; };
  const uint64_t controls = (word - kOnes * 0x20) & ~word & kHighs;
  return (controls | zeros(word ^ kOnes * '"') | zeros(word ^ kOnes * '\\')) == 0;
}

// Walks over a text by the grammar of RFC 8259. Each Skip moves past its part, or returns false
// and stays where the fault is.
class JsonScanner {
 public:
  explicit JsonScanner(absl::string_view text)
      : at_(text.data()), end_(text.data() + text.size()) {}

  const char* at() const { return at_; }
  bool at_end() const { return at_ == end_; }

  void SkipSpace() {
    while (at_ != end_ && IsSpace(*at_)) ++at_;
  }

  bool Skip(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  bool SkipString() {
    if (!Skip('"')) return false;
    while (true) {
      while (end_ - at_ >= 8 && ArePlain(at_)) at_ += 8;
      while (at_ != end_ && kPlain[static_cast<uint8_t>(*at_)]) ++at_;
      if (Skip('"')) return true;
      if (!Skip('\\') || !SkipEscape()) return false;
    }
  }

  // Without recursion: the writer chooses the depth.
  bool SkipValue() {
    std::string open;  // The closing brackets that are due.
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
    if (at_ == end_) return false;
    const char c = *at_++;
    if (c != 'u') return absl::StrContains("\"\\/bfnrt", c);
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ == end_ || !absl::ascii_isxdigit(static_cast<unsigned char>(*at_))) return false;
    }
    return true;
  }

  bool SkipDigits() {
    const char* const begin = at_;
    while (at_ != end_ && IsDigit(*at_)) ++at_;
    return at_ != begin;
  }

  bool SkipNumber() {
    Skip('-');
    if (!Skip('0') && !SkipDigits()) return false;
    if (Skip('.') && !SkipDigits()) return false;
    if (!Skip('e') && !Skip('E')) return true;
    if (!Skip('+')) Skip('-');
    return SkipDigits();
  }

  bool SkipWord(absl::string_view word) {
    if (!absl::StartsWith({at_, static_cast<size_t>(end_ - at_)}, word)) return false;
    at_ += word.size();
    return true;
  }

  bool SkipScalar() {
    if (at_ == end_) return false;
    switch (*at_) {
      case '"':
        return SkipString();
      case 't':
        return SkipWord("true");
      case 'f':
        return SkipWord("false");
      case 'n':
        return SkipWord("null");
      default:
        return SkipNumber();
    }
  }

  const char* at_;
  const char* const end_;
};

absl::string_view ViewOf(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

// The text from its first byte that is not white space; a byte order mark is no part of it.
absl::string_view BeginOf(absl::string_view text) {
  absl::ConsumePrefix(&text, kByteOrderMark);
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  return text;
}

bool IsJsonText(absl::string_view text) {
  JsonScanner scanner(text);
  if (!scanner.SkipValue()) return false;
  scanner.SkipSpace();
  return scanner.at_end() && wire::IsUtf8(text);
}

// The next member; false if the text is malformed there.
bool ReadMember(JsonScanner& scanner, absl::string_view* name, absl::string_view* value) {
  scanner.SkipSpace();
  const char* const at_name = scanner.at();
  if (!scanner.SkipString()) return false;
  *name = ViewOf(at_name, scanner.at());
  scanner.SkipSpace();
  if (!scanner.Skip(':')) return false;
  scanner.SkipSpace();
  const char* const at_value = scanner.at();
  if (!scanner.SkipValue()) return false;
  *value = ViewOf(at_value, scanner.at());
  scanner.SkipSpace();
  return true;
}

}  // namespace

bool IsJsonValue(absl::string_view text) {
  if (text.empty() || IsSpace(text.front()) || IsSpace(text.back())) return false;
  return IsJsonText(text);
}

absl::StatusOr<std::vector<JsonMember>> SliceJsonObject(absl::string_view text) {
  const auto malformed = [] { return absl::InvalidArgumentError("not valid JSON"); };
  text = BeginOf(text);
  JsonScanner scanner(text);
  if (!scanner.Skip('{')) {
    return IsJsonText(text) ? absl::InvalidArgumentError("not a JSON object") : malformed();
  }
  if (!wire::IsUtf8(text)) return malformed();
  std::vector<JsonMember> members;
  scanner.SkipSpace();
  while (!scanner.Skip('}')) {
    if (!members.empty() && !scanner.Skip(',')) return malformed();
    absl::string_view name;
    absl::string_view value;
    if (!ReadMember(scanner, &name, &value)) return malformed();
    std::optional<std::string> name_text = JsonText(name);
    if (!name_text) return absl::InvalidArgumentError("the name of a member is not Unicode text");
    members.push_back({*std::move(name_text), value});
  }
  scanner.SkipSpace();
  if (!scanner.at_end()) return malformed();
  return members;
}

std::optional<std::string> JsonText(absl::string_view value) {
  if (value.empty() || value.front() != '"') return std::nullopt;
  if (!absl::StrContains(value, '\\')) return std::string(value.substr(1, value.size() - 2));
  const auto text = nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (!text.is_string()) return std::nullopt;
  return text.get<std::string>();
}

JsonLineFault FindJsonLineFault(absl::string_view line) {
  line = BeginOf(line);
  if (absl::StartsWith(line, "[")) return JsonLineFault::kArray;
  JsonScanner scanner(line);
  if (absl::StartsWith(line, "{") && !scanner.SkipValue() && scanner.at_end()) {
    return JsonLineFault::kUnfinishedObject;
  }
  return JsonLineFault::kOther;
}

}  // namespace eventhub::json
