// ObjectReader: reads one object: its index, frames of its lines, look-ups in its filters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/object.pb.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// A frame without compression.
struct FrameLines {
  std::string text;
  // The next line without its newline, which leaves `at`; false at the end.
  bool Next(absl::string_view* line);
  size_t at = 0;
};

enum class KeyKind { kId, kSubject, kCorrelationId };

// Decompresses one frame: DATA_LOSS unless it has exactly `raw_bytes` bytes of whole lines.
absl::StatusOr<std::string> DecompressFrame(absl::string_view compressed, uint64_t raw_bytes);

// Thread-compatible. The store must outlive it. All errors name the object.
class ObjectReader {
 public:
  // `bytes` is the size of the object, of which the last `tail_bytes` hold the index, as a manifest
  // says. NOT_FOUND, DATA_LOSS, UNIMPLEMENTED, or errors of the store.
  static absl::StatusOr<ObjectReader> Open(const ObjectStore& store, const std::string& name,
                                           uint64_t bytes, uint32_t tail_bytes);

  // The same without a manifest, with one read more.
  static absl::StatusOr<ObjectReader> Open(const ObjectStore& store, const std::string& name);

  const std::string& name() const { return name_; }
  const ObjectIndex& index() const { return index_; }

  // The lines of a frame. DATA_LOSS if it is damaged.
  absl::StatusOr<FrameLines> ReadFrame(int frame);

  // The same for those who keep the index and not the reader. Thread-safe.
  static absl::StatusOr<FrameLines> ReadFrame(const ObjectStore& store, const std::string& name,
                                              const Frame& entry);
  ObjectIndex TakeIndex() && { return std::move(index_); }

  // The frames that may have an event with this key, ascending.
  absl::StatusOr<std::vector<int>> FindKey(KeyKind kind, absl::string_view key);

  // Read from the store so far.
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  ObjectReader(const ObjectStore& store, std::string name)
      : store_(&store), name_(std::move(name)) {}
  absl::StatusOr<std::string> Read(uint64_t position, uint64_t bytes);
  absl::Status Named(const absl::Status& status) const;

  const ObjectStore* store_;
  std::string name_;
  ObjectIndex index_;
  uint64_t bytes_read_ = 0;
};

}  // namespace eventhub::lake
