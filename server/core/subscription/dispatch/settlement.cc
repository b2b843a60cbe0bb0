#include "server/core/subscription/dispatch/settlement.h"

#include <algorithm>

#include "server/core/base/errors.h"

namespace eventhub {
void Refusals::Add(uint32_t partition, int64_t start, int64_t end, const absl::Status& why) {
  const int code = static_cast<int>(why.code());
  if (settlement_.refused_size() > 0) {
    v1::RefusedRange& last = *settlement_.mutable_refused()->rbegin();
    if (last.partition() == partition && last.error().code() == code) {
      v1::OffsetRange& range = *last.mutable_range();
      const bool many = settlement_.refused_size() >= kMaxRanges;
      if (range.end() == start || many) {
        range.set_start(std::min(range.start(), start));
        range.set_end(std::max(range.end(), end));
        return;
      }
    }
  }
  v1::RefusedRange& refused = *settlement_.add_refused();
  refused.set_partition(partition);
  refused.mutable_range()->set_start(start);
  refused.mutable_range()->set_end(end);
  *refused.mutable_error() = ToErrorStatus(why);
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

v1::Settlement RefuseAll(const v1::ConsumeRequest& request, const absl::Status& why) {
  v1::Settlement settlement;
  Refusals refusals(&settlement);
  const auto refuse = [&](const auto& parts) {
    for (const auto& part : parts) {
      for (const v1::OffsetRange& range : part.ranges()) {
        refusals.Add(part.partition(), range.start(), range.end(), why);
      }
    }
  };
  refuse(request.acks());
  refuse(request.nacks());
  refuse(request.extensions());
  return settlement;
}

}  // namespace eventhub
