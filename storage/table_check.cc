#include "storage/table_check.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/slice.h"
#include "rocksdb/sst_file_reader.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// The end of a table: the type of checksum, the places of two blocks, padded, the version and the
// magic number.
constexpr size_t kFooterBytes = 53;
constexpr size_t kMagicBytes = 8;
constexpr uint64_t kMagic = 0x88e241b785f4cff7;
constexpr size_t kMaxMetaBlockBytes = size_t{1} << 20;
constexpr absl::string_view kProperties = "rocksdb.properties";

// Set in the last word of a block with a hash index, which properties do not have.
constexpr uint32_t kHashIndex = uint32_t{1} << 31;

std::vector<std::string> TablesIn(rocksdb::Env* env, const std::string& directory) {
  std::vector<std::string> names;
  if (!env->GetChildren(directory, &names).ok()) return {};
  names.erase(std::remove_if(names.begin(), names.end(),
                             [](const std::string& name) { return !absl::EndsWith(name, ".sst"); }),
              names.end());
  std::sort(names.begin(), names.end());
  return names;
}

// Takes a number in the encoding of protobuf from the front of `from`.
std::optional<uint64_t> TakeVarint(absl::string_view* from) {
  uint64_t number = 0;
  for (int shift = 0; shift < 64 && !from->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(from->front());
    from->remove_prefix(1);
    number |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

std::optional<absl::string_view> TakeBytes(absl::string_view* from, uint64_t size) {
  if (size > from->size()) return std::nullopt;
  const absl::string_view bytes = from->substr(0, size);
  from->remove_prefix(size);
  return bytes;
}

// The place of a block in its file.
struct TableBlock {
  uint64_t offset;
  uint64_t bytes;
};

std::optional<TableBlock> TakeBlock(absl::string_view* from) {
  const std::optional<uint64_t> offset = TakeVarint(from);
  const std::optional<uint64_t> bytes = offset ? TakeVarint(from) : std::nullopt;
  if (!bytes) return std::nullopt;
  return TableBlock{*offset, *bytes};
}

// Finds the properties in the block that lists the blocks that are not data.
std::optional<TableBlock> FindProperties(absl::string_view block) {
  std::string key;
  while (!block.empty()) {
    const std::optional<uint64_t> shared = TakeVarint(&block);
    const std::optional<uint64_t> rest = shared ? TakeVarint(&block) : std::nullopt;
    const std::optional<uint64_t> value_bytes = rest ? TakeVarint(&block) : std::nullopt;
    if (!value_bytes || *shared > key.size()) return std::nullopt;
    const std::optional<absl::string_view> suffix = TakeBytes(&block, *rest);
    if (!suffix) return std::nullopt;
    key.resize(*shared);
    key.append(suffix->data(), suffix->size());
    std::optional<absl::string_view> value = TakeBytes(&block, *value_bytes);
    if (!value) return std::nullopt;
    if (key == kProperties) return TakeBlock(&*value);
  }
  return std::nullopt;
}

class TableFile {
 public:
  TableFile(rocksdb::Env* env, const std::string& path) {
    if (!env->GetFileSize(path, &size_).ok()) size_ = 0;
    env->NewRandomAccessFile(path, &file_, rocksdb::EnvOptions()).PermitUncheckedError();
  }

  // nullopt: the file is shorter, or cannot be read.
  std::optional<std::string> Read(uint64_t offset, uint64_t bytes) const {
    if (file_ == nullptr || bytes > kMaxMetaBlockBytes || offset > size_ ||
        bytes > size_ - offset) {
      return std::nullopt;
    }
    std::string buffer(bytes, '\0');
    rocksdb::Slice read;
    if (!file_->Read(offset, bytes, &read, buffer.data()).ok() || read.size() != bytes) {
      return std::nullopt;
    }
    return read.ToString();
  }

  uint64_t size() const { return size_; }

 private:
  uint64_t size_ = 0;
  std::unique_ptr<rocksdb::RandomAccessFile> file_;
};

// The last word of the properties' block; nullopt if they are not found.
std::optional<uint32_t> LastWordOfProperties(const TableFile& file) {
  if (file.size() < kFooterBytes) return std::nullopt;
  const std::optional<std::string> footer = file.Read(file.size() - kFooterBytes, kFooterBytes);
  if (!footer || LoadLittle64(footer->data() + kFooterBytes - kMagicBytes) != kMagic) {
    return std::nullopt;
  }
  absl::string_view places = absl::string_view(*footer).substr(1);
  const std::optional<TableBlock> list = TakeBlock(&places);
  const std::optional<std::string> block =
      list ? file.Read(list->offset, list->bytes) : std::nullopt;
  if (!block || block->size() < sizeof(uint32_t)) return std::nullopt;
  // It ends with the places of restarts, and their number.
  const uint64_t restarts = LoadLittle32(block->data() + block->size() - sizeof(uint32_t));
  const uint64_t tail = (restarts + 1) * sizeof(uint32_t);
  if (tail > block->size()) return std::nullopt;
  const std::optional<TableBlock> properties =
      FindProperties(absl::string_view(*block).substr(0, block->size() - tail));
  if (!properties || properties->offset > file.size() || properties->bytes > file.size() ||
      properties->bytes < sizeof(uint32_t)) {
    return std::nullopt;
  }
  const std::optional<std::string> word =
      file.Read(properties->offset + properties->bytes - sizeof(uint32_t), sizeof(uint32_t));
  return word ? std::optional(LoadLittle32(word->data())) : std::nullopt;
}

}  // namespace

absl::Status CheckTables(rocksdb::Env* env, const std::string& directory) {
  for (const std::string& name : TablesIn(env, directory)) {
    const std::string path = absl::StrCat(directory, "/", name);
    const std::optional<uint32_t> word = LastWordOfProperties(TableFile(env, path));
    if (word && (*word & kHashIndex) != 0) {
      return absl::DataLossError(
          absl::StrCat("the table ", path, " is damaged in its properties; restore a backup"));
    }
  }
  return absl::OkStatus();
}

std::string DamagedTables(rocksdb::Env* env, const std::string& directory) {
  rocksdb::Options options;
  options.env = env;
  std::string found;
  for (const std::string& name : TablesIn(env, directory)) {
    rocksdb::SstFileReader table(options);
    const rocksdb::Status opened = table.Open(absl::StrCat(directory, "/", name));
    if (opened.ok()) continue;
    absl::StrAppend(&found, found.empty() ? "" : "; ", name, ": ", opened.ToString());
  }
  return found;
}

}  // namespace eventhub
