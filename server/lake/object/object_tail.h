// The end of an object: its index, in a zstd frame that plain readers skip.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/object/object.pb.h"

namespace eventhub::lake {

// A frame of lines has at most this many bytes, before compression: a damaged or hostile index
// cannot make a reader take more memory.
inline constexpr uint32_t kMaxFrameBytes = uint32_t{256} << 20;

// A frame that plain readers of zstd skip.
enum class SkippedFrame : uint32_t { kFilters = 0x184D2A5D, kIndex = 0x184D2A5E };
void AppendSkippedHeader(SkippedFrame kind, uint32_t payload_bytes, std::string* to);
inline constexpr uint32_t kSkippedHeaderBytes = 8;

// The index as the last frame of an object.
std::string EncodeTail(const ObjectIndex& index);

// How many bytes the index takes at the end of an object of `object_bytes` bytes, by the last
// kFooterBytes of it. Errors as those of DecodeTail().
inline constexpr uint64_t kFooterBytes = 20;
absl::StatusOr<uint64_t> TailBytes(uint64_t object_bytes, absl::string_view footer);

// Parses the last bytes of an object, at least as many as TailBytes() says. DATA_LOSS if the index
// is damaged or contradicts itself; UNIMPLEMENTED if its version is later than this program's.
absl::StatusOr<ObjectIndex> DecodeTail(uint64_t object_bytes, absl::string_view tail);

}  // namespace eventhub::lake
