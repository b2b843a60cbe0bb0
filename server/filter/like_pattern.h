// The pattern of CESQL's LIKE, taken apart once.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/filter/scratch.h"

namespace eventhub::filter {

// `%` stands for any number of characters, `_` for one; both can be escaped with a backslash, which
// stands for itself before anything else. Immutable.
class LikePattern {
 public:
  explicit LikePattern(absl::string_view pattern);

  // Takes time proportional to the length of the text and the pattern, unless it has a `_` between
  // two `%`: then to their product, as far as `scratch` has time left. Without, the answer is of no
  // use.
  bool Matches(absl::string_view text, Scratch& scratch) const;

  // Whether one text alone matches, which is then `literal()`.
  bool is_literal() const { return pieces_.size() == 1 && !pieces_[0].wild; }
  const std::string& literal() const { return pieces_[0].text; }

 private:
  // What is between two `%`.
  struct Piece {
    std::string text;  // kAnyChar stands for `_`.
    size_t chars = 0;
    bool wild = false;  // Has a `_`.
  };

  // Where `piece` ends if it begins at `at`; npos if it does not.
  static size_t MatchAt(const Piece& piece, absl::string_view text, size_t at);
  // Where the first `piece` from `at` on ends; npos if there is none, or no time.
  static size_t Search(const Piece& piece, absl::string_view text, size_t at, Scratch& scratch);
  // The same for a piece that has a `_`.
  static size_t SearchWild(const Piece& piece, absl::string_view text, size_t at, Scratch& scratch);

  std::vector<Piece> pieces_;  // At least one; none but the first and the last is empty.
};

}  // namespace eventhub::filter
