// Strong types for identifiers and positions, so that one cannot be passed for another.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <ostream>

namespace eventhub {

// A named integer. `Tag` makes each instantiation a distinct type.
template <typename Tag, typename Rep>
class StrongInt {
 public:
  using rep = Rep;

  constexpr StrongInt() = default;
  constexpr explicit StrongInt(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  friend constexpr auto operator<=>(StrongInt a, StrongInt b) = default;

  template <typename H>
  friend H AbslHashValue(H h, StrongInt x) {
    return H::combine(std::move(h), x.value_);
  }
  friend std::ostream& operator<<(std::ostream& os, StrongInt x) { return os << x.value_; }

 private:
  Rep value_ = 0;
};

// A topic's identity in the store; never reused after the topic is deleted.
using TopicId = StrongInt<struct TopicIdTag, uint32_t>;

// A subscription's identity in the store; never reused after the subscription is deleted.
using SubscriptionId = StrongInt<struct SubscriptionIdTag, uint32_t>;

// A link's identity in the store.
using LinkId = StrongInt<struct LinkIdTag, uint32_t>;

// A partition of a topic, numbered from 0.
using PartitionId = StrongInt<struct PartitionIdTag, uint32_t>;

// The position of an event in its partition; contiguous from 0.
class Offset : public StrongInt<struct OffsetTag, int64_t> {
 public:
  using StrongInt::StrongInt;

  static constexpr Offset Max() { return Offset(std::numeric_limits<int64_t>::max()); }

  friend constexpr Offset operator+(Offset a, int64_t n) { return Offset(a.value() + n); }
  friend constexpr int64_t operator-(Offset a, Offset b) { return a.value() - b.value(); }
};

}  // namespace eventhub
