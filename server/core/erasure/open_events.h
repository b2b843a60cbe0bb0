// Opens the sealed data of events on their way to readers.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "server/core/erasure/key_ring.h"
#include "server/core/event/delivery.h"
#include "server/core/event/event_scanner.h"
#include "storage/base/shared_bytes.h"

namespace eventhub {

// Whether OpenSealed has something to do.
bool MayBeSealed(const KeyRing& keys, const std::vector<Delivery>& deliveries);

// Opens the sealed data in the deliveries, as ErasureService describes; events without any stay
// the bytes that they are. `bytes` is the size of all events. May read the disk. DATA_LOSS if the
// store is damaged.
absl::Status OpenSealed(KeyRing& keys, std::vector<Delivery>* deliveries, size_t* bytes);

// The same for one event.
absl::Status OpenSealed(KeyRing* keys, v1::Event* event);

// Seals the data of events about subjects.
struct SealedRegion {
  SharedBytes events;
  // With which it was sealed; each is to be saved in the commit of the events.
  std::vector<std::shared_ptr<DataKey>> keys;
};

// `subjects`, in order, of the region `events`. INVALID_ARGUMENT if the subject of an event is not
// valid.
absl::StatusOr<SealedRegion> SealSubjects(KeyRing& keys, absl::string_view events,
                                          const std::vector<ScannedSubject>& subjects);

}  // namespace eventhub
