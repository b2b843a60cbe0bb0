// The answer to a consumer's acks, nacks and extensions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/subscription/dispatch/request_memory.h"
#include "storage/base/types.h"

namespace eventhub {

// The progress of a request, which may take several commits.
struct SettlePlace {
  int part = 0;          // Of its acks, nacks and extensions, in this order.
  int range = 0;         // In that part.
  int64_t from = 0;      // In that range: the offsets before it are done.
  size_t looked_at = 0;  // Pending ranges, in all.
};

// The refused ranges of a request, in the order of the refusals. Many ranges are refused for one
// cause, so they share it: a range takes 24 bytes, in a v1::Settlement more than ten times as much.
// Adjacent ranges with the same code are merged; beyond kMaxRanges, so are consecutive ones of a
// partition that are not adjacent, including the gap between them.
class RefusedRanges {
 public:
  static constexpr size_t kMaxRanges = 1000;

  void Add(uint32_t partition, int64_t start, int64_t end, const absl::Status& why);

  bool empty() const { return ranges_.empty(); }
  // The memory taken, and about the size in a settlement.
  size_t bytes() const;
  size_t encoded_bytes() const;

  void AddTo(v1::Settlement* settlement) const;

 private:
  struct Range {
    uint32_t partition;
    uint32_t cause;  // An index.
    int64_t start;
    int64_t end;
  };

  // Returns the index of the cause.
  uint32_t IndexOf(const absl::Status& why);

  std::vector<Range> ranges_;
  std::vector<absl::Status> causes_;
};

// The outcome of a request that is settled.
struct SettleAnswer {
  SettleAnswer(uint64_t id, RefusedRanges what, RequestMemory::Lease lease)
      : correlation_id(id), refused(std::move(what)), memory(std::move(lease)) {
    memory.Resize(sizeof(SettleAnswer) + refused.bytes());
  }

  uint64_t correlation_id;
  RefusedRanges refused;
  RequestMemory::Lease memory;
};

// Collects the refused ranges of a request, and bounds the work for it.
class Refusals {
 public:
  // The number of pending ranges that may be examined for one request: as many as a partition may
  // have, about 50 ms of the commit thread.
  static constexpr size_t kMaxWork = 250'000;

  explicit Refusals(RefusedRanges* refused, size_t looked_at = 0)
      : refused_(*refused), looked_at_(looked_at) {}

  size_t looked_at() const { return looked_at_; }

  // Bounds the work for one request, since overlapping ranges could ask for any amount. Returns
  // true, with `range` refused, if it is used up.
  bool TooMuch(uint32_t partition, const v1::OffsetRange& range);
  // Counts pending ranges that were examined.
  void Spend(size_t looked_at) { looked_at_ += looked_at; }

  void Add(uint32_t partition, int64_t start, int64_t end, const absl::Status& why) {
    refused_.Add(partition, start, end, why);
  }
  void AddInvalid(uint32_t partition, const v1::OffsetRange& range);

  // Returns a function that adds ranges of a partition, all for one reason.
  auto Of(uint32_t partition, absl::Status why) {
    return [this, partition, why = std::move(why)](Offset start, Offset end) {
      Add(partition, start.value(), end.value(), why);
    };
  }

 private:
  RefusedRanges& refused_;
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

// Refuses the whole request.
RefusedRanges RefuseAll(const v1::ConsumeRequest& request, const absl::Status& why);

// The number of ranges of a request, and of its parts.
size_t CountRanges(const v1::ConsumeRequest& request);
// The memory of a parsed request.
size_t BytesOf(const v1::ConsumeRequest& request);

}  // namespace eventhub
