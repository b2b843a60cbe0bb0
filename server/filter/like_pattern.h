// A parsed pattern of CESQL's LIKE.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/filter/scratch.h"

namespace eventhub::filter {

// `%` matches any number of characters, `_` exactly one; a backslash escapes either and is literal
// before anything else. Immutable.
class LikePattern {
 public:
  explicit LikePattern(absl::string_view pattern);

  // Takes time linear in the lengths of text and pattern, unless the pattern has a `_` between two
  // `%`: then in their product, within the budget of `scratch`. Once that is exhausted, the result
  // is meaningless.
  bool Matches(absl::string_view text, Scratch& scratch) const;

  // Whether `literal()` is the only text that matches.
  bool is_literal() const { return pieces_.size() == 1 && !pieces_[0].wild; }
  const std::string& literal() const { return pieces_[0].text; }

 private:
  // The part between two `%`.
  struct Piece {
    std::string text;  // kAnyChar stands for `_`.
    size_t chars = 0;
    bool wild = false;  // Has a `_`.
  };

  // Returns the end of `piece` if it matches at `at`, else npos.
  static size_t MatchAt(const Piece& piece, absl::string_view text, size_t at);
  // Returns the end of the first match of `piece` from `at` on; npos if there is none or the budget
  // is exhausted.
  static size_t Search(const Piece& piece, absl::string_view text, size_t at, Scratch& scratch);
  // The same for a piece with a `_`.
  static size_t SearchWild(const Piece& piece, absl::string_view text, size_t at, Scratch& scratch);

  std::vector<Piece> pieces_;  // At least one; none but the first and the last is empty.
};

}  // namespace eventhub::filter
