#include "client/cli/read_file.h"

#include <fstream>
#include <iostream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace eventhub::cli {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  }
  std::istream& input = path == "-" ? std::cin : file;
  std::string text{std::istreambuf_iterator<char>(input), {}};
  if (input.bad()) return absl::DataLossError(absl::StrCat(path, ": cannot be read"));
  return text;
}

}  // namespace eventhub::cli
