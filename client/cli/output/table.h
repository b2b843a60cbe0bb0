// Formats tables of text.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace eventhub::cli {

// Rows of text, printed in columns as wide as their widest cell. Columns whose header begins with
// `>` are aligned to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> headers);

  // `cells` has one entry for each header.
  void AddRow(std::vector<std::string> cells);

  // Returns all lines, headers first, each ended by a newline.
  std::string Render() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

// Formats lines of `name: value` with aligned values.
std::string RenderFields(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace eventhub::cli
