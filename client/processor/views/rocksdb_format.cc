#include "client/processor/views/rocksdb_format.h"

#include <bit>
#include <cstddef>

#include "client/processor/fields.h"

namespace eventhub::processor::internal {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kGenerationBytes = 8;
enum class Tag : uint8_t { kNull = 0, kInteger = 1, kReal = 2, kBytes = 3 };

void PutValue(const Value& value, std::string& to) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    PutNumber(static_cast<uint8_t>(Tag::kInteger), 1, to);
    PutNumber(static_cast<uint64_t>(*integer), 8, to);
  } else if (const auto* real = std::get_if<double>(&value)) {
    PutNumber(static_cast<uint8_t>(Tag::kReal), 1, to);
    PutNumber(std::bit_cast<uint64_t>(*real), 8, to);
  } else if (const auto* bytes = std::get_if<std::string>(&value)) {
    PutNumber(static_cast<uint8_t>(Tag::kBytes), 1, to);
    PutNumber(bytes->size(), 4, to);
    to += *bytes;
  } else {
    PutNumber(static_cast<uint8_t>(Tag::kNull), 1, to);
  }
}

bool TakeValue(Fields& fields, Value& value) {
  switch (static_cast<Tag>(fields.Number(1))) {
    case Tag::kNull:
      value = {};
      break;
    case Tag::kInteger:
      value = static_cast<int64_t>(fields.Number(8));
      break;
    case Tag::kReal:
      value = std::bit_cast<double>(fields.Number(8));
      break;
    case Tag::kBytes:
      value = std::string(fields.Bytes(fields.Number(4)));
      break;
    default:
      return false;
  }
  return fields.ok();
}

std::string Prefix(char kind, uint64_t generation) {
  std::string key(1, kind);
  PutNumber(generation, kGenerationBytes, key);
  return key;
}

}  // namespace

std::string EncodeViewMeta(const ViewMeta& meta) {
  std::string bytes;
  PutNumber(kVersion, 1, bytes);
  PutNumber(meta.generation, kGenerationBytes, bytes);
  PutNumber(meta.building, kGenerationBytes, bytes);
  return bytes + meta.revision;
}

std::optional<ViewMeta> DecodeViewMeta(std::string_view bytes) {
  Fields fields(bytes);
  if (fields.Number(1) != kVersion) return std::nullopt;
  ViewMeta meta;
  meta.generation = fields.Number(kGenerationBytes);
  meta.building = fields.Number(kGenerationBytes);
  meta.revision = fields.Rest();
  if (!fields.ok()) return std::nullopt;
  return meta;
}

std::string ViewPositionPrefix(uint64_t generation) { return Prefix('p', generation); }

std::string ViewRowPrefix(uint64_t generation) { return Prefix('r', generation); }

std::string ViewPositionKey(uint64_t generation, uint32_t partition) {
  std::string key = ViewPositionPrefix(generation);
  PutNumber(partition, 4, key);
  return key;
}

std::optional<uint32_t> PartitionInKey(std::string_view key) {
  Fields fields(key);
  fields.Bytes(1 + kGenerationBytes);
  const uint64_t partition = fields.Number(4);
  if (!fields.done()) return std::nullopt;
  return static_cast<uint32_t>(partition);
}

std::string EncodeViewPosition(int64_t offset) {
  std::string bytes;
  PutNumber(static_cast<uint64_t>(offset), 8, bytes);
  return bytes;
}

std::optional<int64_t> DecodeViewPosition(std::string_view bytes) {
  Fields fields(bytes);
  const auto offset = static_cast<int64_t>(fields.Number(8));
  if (!fields.done()) return std::nullopt;
  return offset;
}

std::string EncodeStoredRow(const RowWrite& write) {
  std::string bytes;
  PutNumber(static_cast<uint64_t>(write.version), 8, bytes);
  PutNumber(static_cast<uint64_t>(write.offset), 8, bytes);
  PutNumber(write.row.deleted ? 1 : 0, 1, bytes);
  if (write.row.deleted) return bytes;
  for (const Value& value : write.row.values) PutValue(value, bytes);
  return bytes;
}

bool DecodeStoredRow(std::string_view bytes, bool with_values, StoredRow& row) {
  Fields fields(bytes);
  row.version = static_cast<int64_t>(fields.Number(8));
  row.offset = static_cast<int64_t>(fields.Number(8));
  row.deleted = fields.Number(1) != 0;
  if (!with_values) return fields.ok();
  row.values.clear();
  while (fields.ok() && !fields.done()) {
    if (!TakeValue(fields, row.values.emplace_back())) return false;
  }
  return fields.ok();
}

}  // namespace eventhub::processor::internal
