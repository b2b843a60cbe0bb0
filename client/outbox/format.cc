#include "client/outbox/format.h"

#include <cstddef>
#include <type_traits>

#include "absl/strings/str_cat.h"

namespace eventhub::client::outbox {
namespace {

template <typename T>
void AppendBig(T value, std::string& out) {
  for (int shift = 8 * (sizeof(T) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

template <typename T>
T LoadBig(const char* from) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value << 8 | static_cast<uint8_t>(from[i]));
  }
  return value;
}

template <typename T>
void AppendLittle(T value, std::string& out) {
  for (size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void AppendTime(absl::Time time, std::string& out) {
  AppendLittle(static_cast<uint64_t>(absl::ToUnixMicros(time)), out);
}

// Reads the fields of a value from its front. After the first that is cut short, all are 0.
class Fields {
 public:
  explicit Fields(std::string_view value) : rest_(value) {}

  template <typename T>
  T Take() {
    const std::string_view bytes = Take(sizeof(T));
    std::make_unsigned_t<T> value = 0;
    for (size_t i = bytes.size(); i > 0; --i) {
      value = static_cast<std::make_unsigned_t<T>>(value << 8 | static_cast<uint8_t>(bytes[i - 1]));
    }
    return static_cast<T>(value);
  }
  absl::Time TakeTime() { return absl::FromUnixMicros(Take<int64_t>()); }
  std::string_view Take(size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest() const { return rest_; }

  // Whether all fields were there.
  bool ok() const { return ok_; }
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

absl::Status Malformed(std::string_view what) {
  return absl::DataLossError(absl::StrCat("a ", std::string(what), " of the outbox is malformed"));
}

absl::Status CheckVersion(Fields& fields, std::string_view what) {
  const auto version = fields.Take<uint32_t>();
  if (!fields.ok()) return Malformed(what);
  if (version == kVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("a ", std::string(what),
                                                    " of the outbox has version ", version,
                                                    "; this program reads version ", kVersion));
}

}  // namespace

std::string Encode(const OutboxRecord& record) {
  std::string out;
  AppendLittle(kVersion, out);
  return out + record.producer;
}

absl::Status Decode(std::string_view value, OutboxRecord& record) {
  Fields fields(value);
  if (absl::Status status = CheckVersion(fields, "name"); !status.ok()) return status;
  record.producer = fields.rest();
  return record.producer.empty() ? Malformed("name") : absl::OkStatus();
}

std::string Encode(const TopicRecord& record) {
  std::string out;
  AppendLittle(kVersion, out);
  for (const uint64_t value : {record.epoch, record.base, record.head, record.head_event,
                               record.sealed, record.next_event}) {
    AppendLittle(value, out);
  }
  return out + record.name;
}

absl::Status Decode(std::string_view value, TopicRecord& record) {
  Fields fields(value);
  if (absl::Status status = CheckVersion(fields, "topic"); !status.ok()) return status;
  for (uint64_t* field : {&record.epoch, &record.base, &record.head, &record.head_event,
                          &record.sealed, &record.next_event}) {
    *field = fields.Take<uint64_t>();
  }
  record.name = fields.rest();
  return fields.ok() && !record.name.empty() ? absl::OkStatus() : Malformed("topic");
}

std::string Encode(const PartHeader& header) {
  std::string out;
  AppendLittle(kVersion, out);
  AppendTime(header.accepted, out);
  AppendLittle(header.first_event, out);
  AppendLittle(header.events, out);
  AppendLittle(header.span, out);
  AppendLittle(header.bytes, out);
  return out;
}

absl::Status Decode(std::string_view value, PartHeader& header) {
  Fields fields(value);
  if (absl::Status status = CheckVersion(fields, "part"); !status.ok()) return status;
  header.accepted = fields.TakeTime();
  header.first_event = fields.Take<uint64_t>();
  header.events = fields.Take<uint32_t>();
  header.span = fields.Take<uint32_t>();
  header.bytes = fields.Take<uint32_t>();
  return fields.complete() && header.events > 0 && header.span >= header.events ? absl::OkStatus()
                                                                                : Malformed("part");
}

std::string Encode(const RefusedRecord& record) {
  std::string out;
  AppendLittle(kVersion, out);
  AppendTime(record.accepted, out);
  AppendTime(record.refused, out);
  AppendLittle<uint32_t>(record.in_doubt ? 1 : 0, out);
  AppendLittle(static_cast<uint32_t>(record.error.code()), out);
  AppendLittle(static_cast<uint32_t>(record.error.message().size()), out);
  absl::StrAppend(&out, record.error.message(), record.event);
  return out;
}

absl::Status Decode(std::string_view value, RefusedRecord& record) {
  Fields fields(value);
  if (absl::Status status = CheckVersion(fields, "refused event"); !status.ok()) return status;
  record.accepted = fields.TakeTime();
  record.refused = fields.TakeTime();
  record.in_doubt = fields.Take<uint32_t>() != 0;
  const auto code = static_cast<absl::StatusCode>(fields.Take<uint32_t>());
  const std::string_view message = fields.Take(fields.Take<uint32_t>());
  record.error = absl::Status(code, {message.data(), message.size()});
  record.event = fields.rest();
  return fields.ok() && !record.event.empty() ? absl::OkStatus() : Malformed("refused event");
}

std::string TopicKey(TopicNumber topic) {
  std::string key(1, kTopicPrefix);
  AppendBig(topic, key);
  return key;
}

absl::StatusOr<TopicNumber> ParseTopicKey(std::string_view key) {
  if (key.size() != 5 || key[0] != kTopicPrefix) return Malformed("key");
  return LoadBig<uint32_t>(key.data() + 1);
}

std::string Encode(const PartKey& key) {
  std::string out;
  AppendBig(key.topic, out);
  AppendBig(key.request, out);
  AppendBig(key.part, out);
  return out;
}

absl::StatusOr<PartKey> ParsePartKey(std::string_view key) {
  if (key.size() != 16) return Malformed("key");
  const char* const at = key.data();
  return PartKey{LoadBig<uint32_t>(at), LoadBig<uint64_t>(at + 4), LoadBig<uint32_t>(at + 12)};
}

std::string RefusedKey(TopicNumber topic, uint64_t serial) {
  std::string out;
  AppendBig(topic, out);
  AppendBig(serial, out);
  return out;
}

absl::StatusOr<ParsedRefusedKey> ParseRefusedKey(std::string_view key) {
  if (key.size() != 12) return Malformed("key");
  const char* const at = key.data();
  return ParsedRefusedKey{LoadBig<uint32_t>(at), LoadBig<uint64_t>(at + 4)};
}

}  // namespace eventhub::client::outbox
