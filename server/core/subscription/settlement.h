// The answer to a consumer's acks, nacks and extensions.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/types.h"

namespace eventhub {

// Gathers what is refused of a request. Neighbouring ranges with the same error are one.
class Refusals {
 public:
  explicit Refusals(v1::Settlement* settlement) : settlement_(*settlement) {}

  void Add(uint32_t partition, int64_t start, int64_t end, const absl::Status& why);
  void AddInvalid(uint32_t partition, const v1::OffsetRange& range);

  // Adds ranges of a partition, for one reason.
  auto Of(uint32_t partition, absl::Status why) {
    return [this, partition, why = std::move(why)](Offset start, Offset end) {
      Add(partition, start.value(), end.value(), why);
    };
  }

 private:
  v1::Settlement& settlement_;
};

// A settlement that refuses all of a request.
v1::Settlement RefuseAll(const v1::ConsumeRequest& request, const absl::Status& why);

}  // namespace eventhub
