#include "server/main/flag_parser.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "storage/base/nearest_word.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr size_t kHelpWidth = 96;

// Returns the flags of this program: Abseil defines others.
std::map<std::string, absl::CommandLineFlag*> OwnFlags() {
  std::map<std::string, absl::CommandLineFlag*> flags;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (absl::StrContains(flag->Filename(), "server/main/")) flags.emplace(std::string(name), flag);
  }
  return flags;
}

absl::Status SetFlag(absl::CommandLineFlag& flag, absl::string_view value,
                     absl::string_view where) {
  std::string error;
  if (flag.ParseFrom(value, &error)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", error));
}

std::string VariableOf(absl::string_view prefix, absl::string_view flag) {
  return absl::StrCat(prefix, absl::AsciiStrToUpper(flag));
}

class ArgumentParser {
 public:
  // `parsed` receives the result.
  ArgumentParser(std::map<std::string, absl::CommandLineFlag*> flags, ParsedFlags& parsed)
      : flags_(std::move(flags)), parsed_(parsed) {}

  absl::Status Parse(const std::vector<std::string>& arguments) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      absl::string_view argument = arguments[i];
      if (argument == "-h" || argument == "--help") return End(ParsedAction::kHelp);
      if (argument == "--version") return End(ParsedAction::kVersion);
      if (!absl::ConsumePrefix(&argument, "--") || argument.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat(arguments[i], ": is not a flag; see --help"));
      }
      const std::vector<std::string> parts = absl::StrSplit(argument, absl::MaxSplits('=', 1));
      if (parts.size() == 2) {
        RETURN_IF_ERROR(Set(parts[0], parts[1]));
      } else if (IsBoolean(parts[0])) {
        RETURN_IF_ERROR(SetBoolean(parts[0]));
      } else if (i + 1 < arguments.size()) {
        RETURN_IF_ERROR(Set(parts[0], arguments[++i]));
      } else {
        return absl::InvalidArgumentError(absl::StrCat("--", parts[0], ": has no value"));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status End(ParsedAction action) {
    parsed_.action = action;
    return absl::OkStatus();
  }

  absl::Status Set(const std::string& name, const std::string& value) {
    if (name == "flagfile") return ParseFile(value);
    const auto flag = flags_.find(name);
    if (flag == flags_.end()) return Unknown(name);
    parsed_.from_environment.erase(name);
    return SetFlag(*flag->second, value, absl::StrCat("--", name));
  }

  absl::Status Unknown(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& [known, flag] : flags_) names.push_back(known);
    const std::string nearest = NearestWord(name, names);
    return absl::InvalidArgumentError(absl::StrCat(
        "--", name, ": unknown flag; ",
        nearest.empty() ? "see --help" : absl::StrCat("did you mean --", nearest, "?")));
  }

  bool IsBoolean(absl::string_view name) const {
    auto flag = flags_.find(std::string(name));
    if (flag == flags_.end() && absl::ConsumePrefix(&name, "no")) {
      flag = flags_.find(std::string(name));
    }
    return flag != flags_.end() && flag->second->IsOfType<bool>();
  }

  absl::Status SetBoolean(absl::string_view name) {
    const bool positive = flags_.find(std::string(name)) != flags_.end();
    if (!positive) name.remove_prefix(2);
    return Set(std::string(name), positive ? "true" : "false");
  }

  absl::Status ParseFile(const std::string& path) {
    if (in_file_) return absl::InvalidArgumentError("--flagfile: cannot be in a flag file");
    std::ifstream file(path);
    if (!file) return absl::InvalidArgumentError(absl::StrCat("--flagfile: cannot read ", path));
    std::vector<std::string> arguments;
    for (std::string line; std::getline(file, line);) {
      const absl::string_view text = absl::StripAsciiWhitespace(line);
      if (!text.empty() && text[0] != '#') arguments.emplace_back(text);
    }
    in_file_ = true;
    const absl::Status status = Parse(arguments);
    in_file_ = false;
    return status.ok() ? status
                       : absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
  }

  const std::map<std::string, absl::CommandLineFlag*> flags_;
  ParsedFlags& parsed_;
  bool in_file_ = false;
};

// Breaks a text into indented lines.
std::string Wrap(absl::string_view text, absl::string_view indent) {
  std::string out;
  std::string line(indent);
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (line.size() + word.size() + 1 > kHelpWidth) {
      absl::StrAppend(&out, line, "\n");
      line = std::string(indent);
    }
    absl::StrAppend(&line, line.size() > indent.size() ? " " : "", word);
  }
  absl::StrAppend(&out, line, "\n");
  return out;
}

}  // namespace

absl::StatusOr<ParsedFlags> ParseFlags(const std::vector<std::string>& arguments,
                                       absl::string_view environment_prefix) {
  ParsedFlags parsed;
  const auto flags = OwnFlags();
  for (const auto& [name, flag] : flags) {
    const std::string variable = VariableOf(environment_prefix, name);
    const char* const value = std::getenv(variable.c_str());
    if (value == nullptr) continue;
    RETURN_IF_ERROR(SetFlag(*flag, value, variable));
    parsed.from_environment.emplace(name, variable);
  }
  RETURN_IF_ERROR(ArgumentParser(flags, parsed).Parse(arguments));
  return parsed;
}

absl::Status WithNameAsGiven(const absl::Status& error, const ParsedFlags& flags) {
  absl::string_view problem = error.message();
  if (!absl::ConsumePrefix(&problem, "--")) return error;
  const size_t end = problem.find(':');
  const auto variable = flags.from_environment.find(std::string(problem.substr(0, end)));
  if (end == absl::string_view::npos || variable == flags.from_environment.end()) return error;
  return absl::Status(error.code(), absl::StrCat(variable->second, problem.substr(end)));
}

std::string DescribeFlags(absl::string_view environment_prefix) {
  std::string text;
  for (const auto& [name, flag] : OwnFlags()) {
    const std::string standard = flag->DefaultValue();
    absl::StrAppend(&text, "  --", name, "=", standard.empty() ? "''" : standard, "   (",
                    VariableOf(environment_prefix, name), ")\n", Wrap(flag->Help(), "      "));
  }
  return text;
}

}  // namespace eventhub
