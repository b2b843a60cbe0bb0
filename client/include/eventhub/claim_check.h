// The claim check: large data goes to a blob store, and the event carries a reference to it.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/blob_store.h"
#include "eventhub/typed_handlers.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// Replaces large data of events by references, and back. The reference is the attribute `dataref`
// of CloudEvents, so that programs in other languages can follow it. Thread-safe; cheap to copy.
// Calls block on the store if the data is large, and do nothing else otherwise.
//
// Publishing, with a Publisher, an Outbox or InsertIntoOutbox:
//
//     RETURN_IF_ERROR(claims.Deposit(event));
//     RETURN_IF_ERROR(publisher->Publish(event));
//
// Consuming, in a handler, with typed handlers, or in a pipeline of a processor. (A store that is
// slow belongs into a Call.)
//
//     RETURN_IF_ERROR(claims.Redeem(event));
//     handlers.Prepare([claims](v1::Event& event) { return claims.Redeem(event); });
//     .Map([claims](const v1::Event& event) { return claims.Decode<Order>(event); })
class ClaimCheck {
 public:
  // Data of more than `threshold` bytes goes to the store.
  explicit ClaimCheck(std::shared_ptr<BlobStore> store, size_t threshold = 64 * 1024)
      : store_(std::move(store)), threshold_(threshold) {}

  // If the data is large, stores it, sets `dataref`, and clears the data. Events that have a
  // `dataref` already are left as they are. An error of the store leaves the event unchanged.
  absl::Status Deposit(v1::Event& event) const;

  // If the event has a `dataref` and no data, gets the data and removes `dataref`: the event is
  // then what it was before Deposit. An error of the store, which names the reference, leaves the
  // event unchanged. INVALID_ARGUMENT: `dataref` is neither a URI nor a string.
  absl::Status Redeem(v1::Event& event) const;

  // Redeems a copy of the event, and decodes its data; see DecodeData in eventhub/typed_handlers.h.
  template <typename T>
  absl::StatusOr<T> Decode(const v1::Event& event) const {
    if (!IsDeposited(event)) return DecodeData<T>(event);
    v1::Event redeemed = event;
    if (absl::Status status = Redeem(redeemed); !status.ok()) return status;
    return DecodeData<T>(redeemed);
  }

  // Whether the data of the event is in a store.
  static bool IsDeposited(const v1::Event& event);

 private:
  const std::shared_ptr<BlobStore> store_;
  const size_t threshold_;
};

}  // namespace eventhub::client
