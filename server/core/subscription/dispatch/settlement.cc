#include "server/core/subscription/dispatch/settlement.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "server/core/base/errors.h"

namespace eventhub {
namespace {

// Bytes, about.
constexpr size_t kParsedRange = 64;  // A range of a parsed request, or a part of it.
constexpr size_t kCause = 256;       // A status with its detail, without the message.
constexpr size_t kEncodedRefusal = 256;

}  // namespace

uint32_t RefusedRanges::IndexOf(const absl::Status& why) {
  if (causes_.empty() || causes_.back() != why) {
    // Beyond the limit, causes of one code share a text, although theirs name other partitions.
    const auto like = [&](const absl::Status& cause) { return cause.code() == why.code(); };
    const auto known =
        causes_.size() >= kMaxRanges ? absl::c_find_if(causes_, like) : causes_.end();
    if (known != causes_.end()) return static_cast<uint32_t>(known - causes_.begin());
    causes_.push_back(why);
  }
  return static_cast<uint32_t>(causes_.size() - 1);
}

void RefusedRanges::Add(uint32_t partition, int64_t start, int64_t end, const absl::Status& why) {
  if (!ranges_.empty()) {
    Range& last = ranges_.back();
    const bool many = ranges_.size() >= kMaxRanges;
    if (last.partition == partition && causes_[last.cause].code() == why.code() &&
        (last.end == start || many)) {
      last.start = std::min(last.start, start);
      last.end = std::max(last.end, end);
      return;
    }
  }
  ranges_.push_back({partition, IndexOf(why), start, end});
}

size_t RefusedRanges::bytes() const {
  size_t bytes = ranges_.capacity() * sizeof(Range) + causes_.size() * kCause;
  for (const absl::Status& cause : causes_) bytes += cause.message().size();
  return bytes;
}

size_t RefusedRanges::encoded_bytes() const { return ranges_.size() * kEncodedRefusal; }

void RefusedRanges::AddTo(v1::Settlement* settlement) const {
  std::vector<v1::ErrorStatus> causes;
  causes.reserve(causes_.size());
  for (const absl::Status& cause : causes_) causes.push_back(ToErrorStatus(cause));
  settlement->mutable_refused()->Reserve(static_cast<int>(ranges_.size()));
  for (const Range& range : ranges_) {
    v1::RefusedRange& refused = *settlement->add_refused();
    refused.set_partition(range.partition);
    refused.mutable_range()->set_start(range.start);
    refused.mutable_range()->set_end(range.end);
    *refused.mutable_error() = causes[range.cause];
  }
}

void Refusals::AddInvalid(uint32_t partition, const v1::OffsetRange& range) {
  Add(partition, range.start(), range.end(),
      InvalidField("ranges", "an offset range must be 0 <= start < end"));
}

bool Refusals::TooMuch(uint32_t partition, const v1::OffsetRange& range) {
  if (looked_at_ < kMaxWork) return false;
  Add(partition, range.start(), range.end(), TooMuchWork("ranges"));
  return true;
}

absl::Status TooMuchWork(absl::string_view field) {
  return InvalidField(field, "overlap too often, or hold too many events, for one request");
}

RefusedRanges RefuseAll(const v1::ConsumeRequest& request, const absl::Status& why) {
  RefusedRanges refused;
  const auto refuse = [&](const auto& parts) {
    for (const auto& part : parts) {
      for (const v1::OffsetRange& range : part.ranges()) {
        refused.Add(part.partition(), range.start(), range.end(), why);
      }
    }
  };
  refuse(request.acks());
  refuse(request.nacks());
  refuse(request.extensions());
  return refused;
}

size_t CountRanges(const v1::ConsumeRequest& request) {
  size_t count = 0;
  const auto add = [&](const auto& parts) {
    for (const auto& part : parts) count += 1 + static_cast<size_t>(part.ranges_size());
  };
  add(request.acks());
  add(request.nacks());
  add(request.extensions());
  return count;
}

// Strings and unknown fields take as much as encoded.
size_t BytesOf(const v1::ConsumeRequest& request) {
  return sizeof(request) + request.ByteSizeLong() + CountRanges(request) * kParsedRange;
}

}  // namespace eventhub
