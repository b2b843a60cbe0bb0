// The help of the commands, wrapped to the terminal.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace eventhub::cli {

// Writes help as the library does, in lines of at most `width` columns: names on the left, with
// descriptions in a column beside them; text below, in paragraphs. Lines that begin with a space,
// such as examples, are not changed, so that they can be copied. Immutable.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(size_t width);

  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_description(const CLI::App* app) const override;
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_footer(const CLI::App* app) const override;

 private:
  std::string MakeRow(const std::string& name, absl::string_view description) const;

  const size_t width_;
};

// The width of the terminal that help is printed to, at most 100 columns; 100 if there is none.
size_t HelpWidth();

}  // namespace eventhub::cli
