// An object of a lake of any bytes: its index, its frames and its filters are read or refused, in
// bounded memory. An object whose checksum was mended reaches what is behind it.
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/object_reader.h"
#include "server/lake/object/object_tail.h"
#include "server/lake/store/checksum.h"
#include "server/lake/store/little_endian.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lake/memory_store.h"

namespace eventhub::lake {
namespace {

void ReadAll(const std::string& bytes) {
  MemoryStore store;
  store.objects()["object"] = bytes;
  absl::StatusOr<ObjectReader> reader = ObjectReader::Open(store, "object");
  if (!reader.ok()) return;
  const ObjectIndex& index = reader->index();
  for (int frame = 0; frame < index.frames_size(); ++frame) {
    // The memory of the fuzzer is smaller than a frame may be.
    if (index.frames(frame).raw_bytes() > (16 << 20)) continue;
    absl::StatusOr<FrameLines> lines = reader->ReadFrame(frame);
    if (!lines.ok()) continue;
    FUZZ_CHECK(lines->text.size() == index.frames(frame).raw_bytes());
    absl::string_view line;
    while (lines->Next(&line)) {
      PositionOf(line);
      EncodedOf(line).IgnoreError();
    }
  }
  for (const KeyKind kind : {KeyKind::kId, KeyKind::kSubject, KeyKind::kCorrelationId}) {
    reader->FindKey(kind, "key").IgnoreError();
  }
}

// The input as the index of an object with a right checksum, after a frame's worth of zeros.
std::string AsIndex(absl::string_view payload) {
  std::string footer;
  AppendLittleEndian(uint32_t{1}, &footer);
  AppendLittleEndian(static_cast<uint32_t>(payload.size()), &footer);
  AppendLittleEndian(Crc32c(std::string(payload) + footer), &footer);
  footer += "EHLAKEIX";
  std::string object(256, '\0');
  AppendSkippedHeader(SkippedFrame::kIndex, static_cast<uint32_t>(payload.size() + footer.size()),
                      &object);
  return object.append(payload.data(), payload.size()) + footer;
}

}  // namespace
}  // namespace eventhub::lake

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = eventhub::Input(data, size);
  eventhub::lake::ReadAll(std::string(input));
  eventhub::lake::ReadAll(eventhub::lake::AsIndex(input));
  eventhub::lake::DecompressFrame(input, size * 3).IgnoreError();
  return 0;
}
