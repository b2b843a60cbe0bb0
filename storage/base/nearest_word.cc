#include "storage/base/nearest_word.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/match.h"

namespace eventhub {
namespace {

// The number of letters to change, insert or delete to turn one into the other (Levenshtein).
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string NearestWord(absl::string_view word, const std::vector<std::string>& candidates) {
  // Allows at most three edits, fewer for a short word, which they would turn into a different one.
  size_t best = std::min<size_t>(word.size() / 3 + 1, 3);
  std::string nearest;
  for (const std::string& candidate : candidates) {
    const bool beginning = word.size() >= 3 && absl::StartsWith(candidate, word);
    const size_t distance = beginning ? 0 : Distance(word, candidate);
    if (distance < best || (distance == best && nearest.empty())) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace eventhub
