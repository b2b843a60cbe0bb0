#include "server/core/erasure/open_events.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"
#include "server/core/base/errors.h"
#include "server/core/event/event_slice.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// What an event gets beside its data, and its tag and length.
constexpr size_t kSealRoom = 160;

// Appends the event, opened, as a field of a region.
absl::Status AppendOpenedWith(KeyRing& keys, const SealedData& sealed, absl::string_view event,
                              std::string* region) {
  ASSIGN_OR_RETURN(const KeyRing::Found found, keys.Find(sealed.key));
  if (found.key != nullptr) {
    if (const std::optional<std::string> data = OpenData(sealed, found.key->key)) {
      AppendOpened(event, *data, region);
      return absl::OkStatus();
    }
  } else if (found.erased_micros >= 0) {
    AppendErased(event, found.erased_micros, region);
    return absl::OkStatus();
  }
  AppendUnopened(event, region);
  return absl::OkStatus();
}

absl::Status OpenDelivery(KeyRing& keys, Delivery* delivery) {
  absl::InlinedVector<SharedBytes, 1> opened;
  bool changed = false;
  size_t bytes = 0;
  for (const SharedBytes& chunk : delivery->events) {
    std::string region;
    const char* copied = chunk.data();  // All before it is in `region`.
    EventWalker walker(chunk);
    for (SlicedEvent event; walker.Next(&event);) {
      const std::optional<SealedData> sealed = FindSealedData(event.message);
      if (!sealed.has_value()) continue;
      if (region.empty()) region.reserve(chunk.size());
      region.append(copied, event.field.data());
      copied = event.field.data() + event.field.size();
      RETURN_IF_ERROR(AppendOpenedWith(keys, *sealed, event.message, &region));
    }
    if (copied == chunk.data()) {
      opened.push_back(chunk);
    } else {
      region.append(copied, chunk.data() + chunk.size());
      opened.push_back(SharedBytes::Own(std::move(region)));
      changed = true;
    }
    bytes += opened.back().size();
  }
  if (!changed) return absl::OkStatus();
  delivery->events = std::move(opened);
  delivery->bytes = bytes;
  return absl::OkStatus();
}

}  // namespace

bool MayBeSealed(const KeyRing& keys, const std::vector<Delivery>& deliveries) {
  return keys.in_use() && std::any_of(deliveries.begin(), deliveries.end(),
                                      [](const Delivery& delivery) { return delivery.sealed; });
}

absl::Status OpenSealed(KeyRing& keys, std::vector<Delivery>* deliveries, size_t* bytes) {
  if (!MayBeSealed(keys, *deliveries)) return absl::OkStatus();
  *bytes = 0;
  for (Delivery& delivery : *deliveries) {
    if (delivery.sealed) RETURN_IF_ERROR(OpenDelivery(keys, &delivery));
    *bytes += delivery.bytes;
  }
  return absl::OkStatus();
}

absl::Status OpenSealed(KeyRing* keys, v1::Event* event) {
  if (keys == nullptr || !keys->in_use() || event->data().empty() ||
      !event->attributes().contains(std::string(kSealedAttribute))) {
    return absl::OkStatus();
  }
  const std::string encoded = event->SerializeAsString();
  const std::optional<SealedData> sealed = FindSealedData(encoded);
  if (!sealed.has_value()) return absl::OkStatus();
  std::string region;
  RETURN_IF_ERROR(AppendOpenedWith(*keys, *sealed, encoded, &region));
  wire::FieldReader<absl::string_view> field(region);
  if (!field.Next() ||
      !event->ParseFromArray(field.bytes().data(), static_cast<int>(field.bytes().size()))) {
    return absl::DataLossError("a stored event is not well-formed");
  }
  return absl::OkStatus();
}

absl::StatusOr<SealedRegion> SealSubjects(KeyRing& keys, absl::string_view events,
                                          const std::vector<ScannedSubject>& subjects) {
  if (keys.masters().empty()) return NoMasterKey();
  SealedRegion sealed;
  std::string region;
  region.reserve(events.size() + subjects.size() * kSealRoom);
  size_t copied = 0;  // All before it is in `region`.
  for (const ScannedSubject& subject : subjects) {
    wire::FieldReader<absl::string_view> field(events.substr(subject.begin, subject.bytes));
    field.Next();
    const absl::string_view event = field.bytes();
    const std::optional<absl::string_view> name = SubjectOf(event);
    if (!name.has_value()) {
      return InvalidEvent(subject.index, "attributes",
                          "has a datasubject that is not a string of 1 to 1024 bytes");
    }
    region.append(events.data() + copied, subject.begin - copied);
    copied = subject.begin + subject.bytes;
    std::shared_ptr<DataKey> key = keys.KeyFor(*name);
    AppendSealedEvent(event, key->name, key->key, &region);
    if (sealed.keys.empty() || sealed.keys.back() != key) sealed.keys.push_back(std::move(key));
  }
  region.append(events.data() + copied, events.size() - copied);
  sealed.events = SharedBytes::Own(std::move(region));
  return sealed;
}

}  // namespace eventhub
