#include "client/outbox/region.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/wire/field_reader.h"
#include "storage/base/status_macros.h"

namespace eventhub::client::outbox {

std::string Without(std::string_view region, size_t index, std::string* event) {
  wire::FieldReader<std::string_view> field(region);
  for (size_t i = 0; i <= index; ++i) field.Next();
  *event = field.field();
  return absl::StrCat(std::string(field.before()), std::string(field.after()));
}

Bytes Concatenate(const std::vector<Bytes>& parts) {
  if (parts.size() == 1) return parts.front();
  size_t size = 0;
  for (const Bytes& part : parts) size += part.view.size();
  std::string all;
  all.reserve(size);
  for (const Bytes& part : parts) all += part.view;
  return Bytes::Of(std::move(all));
}

absl::Status ForEachEvent(std::string_view region,
                          absl::FunctionRef<absl::Status(const v1::Event&)> visit) {
  wire::FieldReader<std::string_view> field(region);
  v1::Event event;
  while (field.Next()) {
    const std::string_view bytes = field.bytes();
    if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return absl::DataLossError("an event of the outbox is malformed");
    }
    RETURN_IF_ERROR(visit(event));
  }
  return field.ok() ? absl::OkStatus()
                    : absl::DataLossError("the events of the outbox are malformed");
}

}  // namespace eventhub::client::outbox
