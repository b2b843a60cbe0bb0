// The event types that may occur in a batch, as a few hashes in the index. A reader of certain
// types skips batches with it, without reading or scanning their events.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eventhub {

// A set of hashes, or "any" if there would be too many. The caller chooses what it hashes. A
// collision of two types only means that a batch is read in vain.
class TypeSummary {
 public:
  static constexpr size_t kMaxTypes = 16;

  // The empty set.
  TypeSummary() = default;
  static TypeSummary Any();

  void Add(uint32_t hash);
  void Merge(const TypeSummary& other);

  bool any() const { return any_; }
  // In ascending order; empty if any().
  absl::Span<const uint32_t> hashes() const { return {hashes_.data(), count_}; }

  // Returns whether the batch may contain a type with one of these hashes, which must be ascending.
  bool MayHave(absl::Span<const uint32_t> wanted) const;

 private:
  bool any_ = false;
  uint8_t count_ = 0;
  std::array<uint32_t, kMaxTypes> hashes_ = {};
};

}  // namespace eventhub
