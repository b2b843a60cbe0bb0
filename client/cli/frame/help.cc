#include "client/cli/frame/help.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace eventhub::cli {
namespace {

constexpr size_t kMaxWidth = 100;
constexpr size_t kDescriptionColumn = 30;

// Returns the width of UTF-8 text without wide characters.
size_t ColumnsOf(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// Appends the words of `text`, starting at column `column`; further lines are indented by `indent`
// spaces. Never breaks a word.
void AppendWrapped(absl::string_view text, size_t column, size_t indent, size_t width,
                   std::string* to) {
  bool first = true;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const size_t columns = ColumnsOf(word);
    if (!first && column + 1 + columns > width) {
      absl::StrAppend(to, "\n", std::string(indent, ' '));
      column = indent;
    } else if (!first) {
      to->push_back(' ');
      ++column;
    }
    absl::StrAppend(to, word);
    column += columns;
    first = false;
  }
}

// Wraps a line to lines of at most `width` columns, each ended by a newline.
std::string WrapLine(absl::string_view line, size_t indent, size_t width) {
  std::string wrapped;
  AppendWrapped(absl::StripSuffix(line, "\n"), 0, indent, width, &wrapped);
  return wrapped + "\n";
}

}  // namespace

HelpFormatter::HelpFormatter(size_t width) : width_(width) {
  column_width(std::min(kDescriptionColumn, width / 2));
}

std::string HelpFormatter::MakeRow(const std::string& name, absl::string_view description) const {
  constexpr size_t kNameIndent = 2;
  const size_t column = get_column_width();
  std::string row(kNameIndent, ' ');
  AppendWrapped(name, kNameIndent, 2 * kNameIndent, width_, &row);
  if (!description.empty()) {
    const size_t used = ColumnsOf(row);
    row.append(used < column ? std::string(column - used, ' ')
                             : absl::StrCat("\n", std::string(column, ' ')));
    AppendWrapped(description, column, column, width_, &row);
  }
  return row + "\n";
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  return MakeRow(make_option_name(option, is_positional) + make_option_opts(option),
                 make_option_desc(option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return MakeRow(command->get_display_name(true), command->get_description());
}

std::string HelpFormatter::make_description(const CLI::App* app) const {
  return WrapLine(CLI::Formatter::make_description(app), 0, width_);
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  return WrapLine(CLI::Formatter::make_usage(app, std::move(name)), 4, width_);
}

std::string HelpFormatter::make_footer(const CLI::App* app) const {
  std::string text;
  std::string paragraph;
  const auto end_paragraph = [&] {
    if (paragraph.empty()) return;
    AppendWrapped(paragraph, 0, 0, width_, &text);
    text.push_back('\n');
    paragraph.clear();
  };
  const std::string footer = app->get_footer();
  // The library prepends an empty line.
  for (const absl::string_view line : absl::StrSplit(absl::StripPrefix(footer, "\n"), '\n')) {
    if (!line.empty() && !absl::StartsWith(line, " ")) {
      absl::StrAppend(&paragraph, line, " ");
      continue;
    }
    end_paragraph();
    absl::StrAppend(&text, line, "\n");
  }
  end_paragraph();
  return text;
}

size_t HelpWidth() {
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      return std::min<size_t>(size.ws_col, kMaxWidth);
    }
  }
  return kMaxWidth;
}

}  // namespace eventhub::cli
