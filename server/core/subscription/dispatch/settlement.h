// The answer to a consumer's acks, nacks and extensions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/types.h"

namespace eventhub {

// The progress of a request, which may take several commits.
struct SettlePlace {
  int part = 0;          // Of its acks, nacks and extensions, in this order.
  int range = 0;         // In that part.
  int64_t from = 0;      // In that range: the offsets before it are done.
  size_t looked_at = 0;  // Pending ranges, in all.
};

// Collects the refused ranges of a request. Adjacent ranges with the same error are merged; beyond
// kMaxRanges, so are ranges that are not adjacent, including the gap between them.
class Refusals {
 public:
  static constexpr int kMaxRanges = 1000;
  // The number of pending ranges that may be examined for one request: as many as a partition may
  // have, about 50 ms of the commit thread.
  static constexpr size_t kMaxWork = 250'000;

  explicit Refusals(v1::Settlement* settlement, size_t looked_at = 0)
      : settlement_(*settlement), looked_at_(looked_at) {}

  size_t looked_at() const { return looked_at_; }

  // Bounds the work for one request, since overlapping ranges could ask for any amount. Returns
  // true, with `range` refused, if it is used up.
  bool TooMuch(uint32_t partition, const v1::OffsetRange& range);
  // Counts pending ranges that were examined.
  void Spend(size_t looked_at) { looked_at_ += looked_at; }

  void Add(uint32_t partition, int64_t start, int64_t end, const absl::Status& why);
  void AddInvalid(uint32_t partition, const v1::OffsetRange& range);

  // Returns a function that adds ranges of a partition, all for one reason.
  auto Of(uint32_t partition, absl::Status why) {
    return [this, partition, why = std::move(why)](Offset start, Offset end) {
      Add(partition, start.value(), end.value(), why);
    };
  }

 private:
  v1::Settlement& settlement_;
  size_t looked_at_;
};

// The part of a request that may be carried out now, and its outcome.
struct SettleWork {
  Refusals& refusals;
  SettlePlace& place;
  size_t& left;  // Pending ranges that may still be examined.
  // Whether the request was checked as a whole: nothing is refused for want of pending ranges.
  bool checked = false;

  void Spend(size_t looked_at) {
    refusals.Spend(looked_at);
    left -= std::min(left, looked_at + 1);
  }
};

// For the ranges in `field` of a request.
absl::Status TooMuchWork(absl::string_view field);

// A settlement that refuses the whole request.
v1::Settlement RefuseAll(const v1::ConsumeRequest& request, const absl::Status& why);

}  // namespace eventhub
