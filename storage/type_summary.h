// Which types of events a batch may hold: a few hashes, kept in the index, by which a reader of
// some types passes over batches without reading or walking over their events.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace eventhub {

// A set of hashes, or "any" once there would be too many. What a hash is of is the caller's; two
// types of one hash only mean that a batch is looked at for nothing.
class TypeSummary {
 public:
  static constexpr size_t kMaxTypes = 16;

  // No type.
  TypeSummary() = default;
  static TypeSummary Any();

  void Add(uint32_t hash);
  void Merge(const TypeSummary& other);

  bool any() const { return any_; }
  // Ascending; empty if any().
  absl::Span<const uint32_t> hashes() const { return {hashes_.data(), count_}; }

  // Whether a type of one of these hashes, which are ascending, may be there.
  bool MayHave(absl::Span<const uint32_t> wanted) const;

 private:
  bool any_ = false;
  uint8_t count_ = 0;
  std::array<uint32_t, kMaxTypes> hashes_ = {};
};

}  // namespace eventhub
