#include "client/outbox/relay/row_event.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/src/base/proto_time.h"
#include "client/src/publish/event_check.h"
#include "proto/json/event_json.h"
#include "storage/base/status_macros.h"

namespace eventhub::client::outbox {
namespace {

constexpr size_t kMaxTableNameBytes = 40;

}  // namespace

absl::StatusOr<NewRow> RowOfEvent(std::string_view topic, const v1::Event& event) {
  if (topic.empty()) return absl::InvalidArgumentError("topic must be set");
  RETURN_IF_ERROR(CheckEvent(event));
  if (event.has_deliver_after()) {
    return absl::InvalidArgumentError(
        "deliver_after would count from when the event is published: set deliver_at");
  }
  NewRow row;
  json::AppendEvent(event, {.exact = true}, &row.event);
  if (event.has_deliver_at()) {
    row.deliver_at = absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", FromProto(event.deliver_at()),
                                      absl::UTCTimeZone());
  }
  return row;
}

absl::StatusOr<v1::Event> EventOfRow(const std::string& producer, const OutboxRow& row) {
  ASSIGN_OR_RETURN(v1::Event event,
                   json::ParseEvent(absl::string_view(row.event.data(), row.event.size())));
  if (event.id().empty()) event.set_id(absl::StrCat(producer, "-", row.id));
  if (!event.has_time()) ToProto(row.created_at, *event.mutable_time());
  if (row.deliver_at) ToProto(*row.deliver_at, *event.mutable_deliver_at());
  RETURN_IF_ERROR(CheckEvent(event));
  return event;
}

absl::Status CheckTableName(std::string_view table) {
  const bool valid = !table.empty() && table.size() <= kMaxTableNameBytes &&
                     absl::ascii_islower(table[0]) &&
                     std::all_of(table.begin(), table.end(), [](char c) {
                       return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
                     });
  if (valid) return absl::OkStatus();
  return absl::InvalidArgumentError("table must be 1 to 40 of a-z 0-9 _, beginning with a letter");
}

}  // namespace eventhub::client::outbox
