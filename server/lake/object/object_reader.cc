#include "server/lake/object/object_reader.h"

#include <zstd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/lake/object/key_filter.h"
#include "server/lake/object/object_tail.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {

bool FrameLines::Next(absl::string_view* line) {
  if (at == text.size()) return false;
  const size_t end = text.find('\n', at);  // Each line has one.
  *line = absl::string_view(text).substr(at, end - at);
  at = end + 1;
  return true;
}

absl::StatusOr<std::string> DecompressFrame(absl::string_view compressed, uint64_t raw_bytes) {
  if (ZSTD_getFrameContentSize(compressed.data(), compressed.size()) != raw_bytes) {
    return absl::DataLossError("a frame has another size than its index says");
  }
  if (ZSTD_findFrameCompressedSize(compressed.data(), compressed.size()) != compressed.size()) {
    return absl::DataLossError("a frame ends elsewhere than its index says");
  }
  std::string lines(raw_bytes, '\0');
  const size_t size =
      ZSTD_decompress(lines.data(), lines.size(), compressed.data(), compressed.size());
  if (ZSTD_isError(size) != 0) {
    return absl::DataLossError(absl::StrCat("a frame is damaged: ", ZSTD_getErrorName(size)));
  }
  if (size != raw_bytes || (size > 0 && lines.back() != '\n')) {
    return absl::DataLossError("a frame does not end with a whole line");
  }
  return lines;
}

absl::StatusOr<ObjectReader> ObjectReader::Open(const ObjectStore& store, const std::string& name,
                                                uint64_t bytes, uint32_t tail_bytes) {
  ObjectReader reader(store, name);
  if (tail_bytes > bytes) {
    return absl::DataLossError(absl::StrCat(name, ": its index is longer than the object"));
  }
  ASSIGN_OR_RETURN(const std::string tail, reader.Read(bytes - tail_bytes, tail_bytes));
  absl::StatusOr<ObjectIndex> index = DecodeTail(bytes, tail);
  if (!index.ok()) return reader.Named(index.status());
  reader.index_ = *std::move(index);
  return reader;
}

absl::StatusOr<ObjectReader> ObjectReader::Open(const ObjectStore& store, const std::string& name) {
  ASSIGN_OR_RETURN(const uint64_t bytes, store.Size(name));
  ObjectReader reader(store, name);
  if (bytes < kFooterBytes) return reader.Named(absl::DataLossError("it is too short"));
  ASSIGN_OR_RETURN(const std::string footer, reader.Read(bytes - kFooterBytes, kFooterBytes));
  const absl::StatusOr<uint64_t> tail_bytes = TailBytes(bytes, footer);
  if (!tail_bytes.ok()) return reader.Named(tail_bytes.status());
  if (*tail_bytes > UINT32_MAX) return reader.Named(absl::DataLossError("its index is too long"));
  return Open(store, name, bytes, static_cast<uint32_t>(*tail_bytes));
}

absl::StatusOr<FrameLines> ObjectReader::ReadFrame(int frame) {
  const Frame& entry = index_.frames(frame);
  bytes_read_ += entry.bytes();
  return ReadFrame(*store_, name_, entry);
}

absl::StatusOr<FrameLines> ObjectReader::ReadFrame(const ObjectStore& store,
                                                   const std::string& name, const Frame& entry) {
  ASSIGN_OR_RETURN(const std::string compressed, store.Get(name, entry.position(), entry.bytes()));
  if (compressed.size() != entry.bytes()) {
    return absl::DataLossError(absl::StrCat(name, " is shorter than it was"));
  }
  absl::StatusOr<std::string> lines = DecompressFrame(compressed, entry.raw_bytes());
  if (lines.ok()) return FrameLines{.text = *std::move(lines)};
  return absl::Status(lines.status().code(), absl::StrCat(name, ": ", lines.status().message()));
}

absl::StatusOr<std::vector<int>> ObjectReader::FindKey(KeyKind kind, absl::string_view key) {
  const KeyFilter& filter = kind == KeyKind::kId        ? index_.ids()
                            : kind == KeyKind::kSubject ? index_.subjects()
                                                        : index_.correlation_ids();
  if (filter.rows() == 0) return std::vector<int>();
  const auto frames = static_cast<size_t>(index_.frames_size());
  const uint64_t hash = HashOfLakeKey(key);
  const FilterRow row = RowOfKey(hash, filter.rows(), frames);
  ASSIGN_OR_RETURN(const std::string bytes, Read(filter.position() + row.position, row.bytes));
  const absl::StatusOr<std::vector<bool>> found = FramesWithKey(hash, frames, bytes);
  if (!found.ok()) return Named(found.status());
  std::vector<int> numbers;
  for (size_t i = 0; i < frames; ++i) {
    if ((*found)[i]) numbers.push_back(static_cast<int>(i));
  }
  return numbers;
}

absl::StatusOr<std::string> ObjectReader::Read(uint64_t position, uint64_t bytes) {
  ASSIGN_OR_RETURN(std::string read, store_->Get(name_, position, bytes));
  bytes_read_ += read.size();
  if (read.size() != bytes) {
    return absl::DataLossError(absl::StrCat(name_, " is shorter than it was"));
  }
  return read;
}

absl::Status ObjectReader::Named(const absl::Status& status) const {
  return absl::Status(status.code(), absl::StrCat(name_, ": ", status.message()));
}

}  // namespace eventhub::lake
