#include "storage/type_summary.h"

#include <algorithm>

namespace eventhub {

TypeSummary TypeSummary::Any() {
  TypeSummary summary;
  summary.any_ = true;
  return summary;
}

void TypeSummary::Add(uint32_t hash) {
  if (any_) return;
  const auto end = hashes_.begin() + count_;
  const auto at = std::lower_bound(hashes_.begin(), end, hash);
  if (at != end && *at == hash) return;
  if (count_ == kMaxTypes) {
    *this = Any();
    return;
  }
  std::copy_backward(at, end, end + 1);
  *at = hash;
  ++count_;
}

void TypeSummary::Merge(const TypeSummary& other) {
  if (other.any_) *this = Any();
  for (const uint32_t hash : other.hashes()) Add(hash);
}

bool TypeSummary::MayHave(absl::Span<const uint32_t> wanted) const {
  if (any_) return true;
  const absl::Span<const uint32_t> held = hashes();
  auto ours = held.begin();
  auto theirs = wanted.begin();
  while (ours != held.end() && theirs != wanted.end()) {
    if (*ours == *theirs) return true;
    if (*ours < *theirs) {
      ++ours;
    } else {
      ++theirs;
    }
  }
  return false;
}

}  // namespace eventhub
