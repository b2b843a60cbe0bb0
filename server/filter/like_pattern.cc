#include "server/filter/like_pattern.h"

#include <cstring>

#include "absl/strings/match.h"
#include "server/filter/text.h"

namespace eventhub::filter {
namespace {

constexpr size_t kNowhere = absl::string_view::npos;

// Never occurs in UTF-8.
constexpr char kAnyChar = '\xff';

// The start of the last `chars` characters; kNowhere if there are fewer.
size_t BackFromEnd(absl::string_view text, size_t chars) {
  size_t at = text.size();
  for (; chars > 0; --chars) {
    if (at == 0) return kNowhere;
    --at;
    while (at > 0 && IsContinuation(text[at])) --at;
  }
  return at;
}

}  // namespace

LikePattern::LikePattern(absl::string_view pattern) : pieces_(1) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '%') {
      if (pieces_.size() == 1 || !pieces_.back().text.empty()) pieces_.emplace_back();
      continue;
    }
    if (c == '_') {
      c = kAnyChar;
      pieces_.back().wild = true;
    } else if (c == '\\' && i + 1 < pattern.size() &&
               (pattern[i + 1] == '%' || pattern[i + 1] == '_')) {
      c = pattern[++i];
    }
    pieces_.back().text.push_back(c);
    if (!IsContinuation(c)) ++pieces_.back().chars;
  }
}

bool LikePattern::Matches(absl::string_view text, Scratch& scratch) const {
  if (!scratch.Spend(text.size())) return false;
  size_t at = MatchAt(pieces_.front(), text, 0);
  if (pieces_.size() == 1) return at == text.size();
  if (at == kNowhere) return false;
  const Piece& last = pieces_.back();
  size_t end;
  if (last.wild) {
    end = BackFromEnd(text, last.chars);
    if (end == kNowhere || end < at || MatchAt(last, text, end) != text.size()) return false;
  } else {
    if (!absl::EndsWith(text, last.text)) return false;
    end = text.size() - last.text.size();
    if (end < at) return false;
  }
  // The leftmost match of each leaves the most room for the next.
  for (size_t i = 1; i + 1 < pieces_.size(); ++i) {
    at = Search(pieces_[i], text.substr(0, end), at, scratch);
    if (at == kNowhere) return false;
  }
  return true;
}

size_t LikePattern::MatchAt(const Piece& piece, absl::string_view text, size_t at) {
  if (!piece.wild) {
    return absl::StartsWith(text.substr(at), piece.text) ? at + piece.text.size() : kNowhere;
  }
  for (const char c : piece.text) {
    if (at == text.size()) return kNowhere;
    if (c != kAnyChar) {
      if (text[at++] != c) return kNowhere;
      continue;
    }
    ++at;
    while (at < text.size() && IsContinuation(text[at])) ++at;
  }
  return at;
}

size_t LikePattern::Search(const Piece& piece, absl::string_view text, size_t at,
                           Scratch& scratch) {
  if (piece.wild) return SearchWild(piece, text, at, scratch);
  // Linear in both lengths, unlike string_view's search.
  const void* const found =
      memmem(text.data() + at, text.size() - at, piece.text.data(), piece.text.size());
  if (found == nullptr) return kNowhere;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data()) + piece.text.size();
}

size_t LikePattern::SearchWild(const Piece& piece, absl::string_view text, size_t at,
                               Scratch& scratch) {
  for (; at <= text.size(); ++at) {
    if (at < text.size() && IsContinuation(text[at])) continue;
    if (!scratch.Spend(piece.text.size())) return kNowhere;
    if (const size_t end = MatchAt(piece, text, at); end != kNowhere) return end;
  }
  return kNowhere;
}

}  // namespace eventhub::filter
