// What the contract asks of events, and of the hub that places them; see event.proto.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace eventhub::wire {

inline constexpr size_t kMaxStringAttributeBytes = 1024;
inline constexpr size_t kMaxAttributes = 256;  // As published.
inline constexpr size_t kMaxAttributeNameBytes = 256;

// Whether `name` is a valid name of an extension attribute in CloudEvents: a-z and 0-9 only.
bool IsAttributeName(absl::string_view name);

// Whether CloudEvents defines an attribute, or its JSON format a member, called `name`. An
// extension of that name would hide it.
bool IsReservedName(absl::string_view name);

// XXH64 of a partition key with seed 0.
uint64_t HashOfKey(absl::string_view key);

// The partition of a key among `partitions`, at least 1.
uint32_t PartitionOfKey(absl::string_view key, uint32_t partitions);

}  // namespace eventhub::wire
