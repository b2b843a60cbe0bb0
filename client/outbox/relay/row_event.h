// Conversions between an event and its row in an outbox table.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/outbox/relay/row_store.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client::outbox {

// The columns that InsertIntoOutbox sets.
struct NewRow {
  std::string event{};
  std::optional<std::string> deliver_at{};  // As RFC 3339.
};

// INVALID_ARGUMENT, naming the field, if the event or the topic is not valid.
absl::StatusOr<NewRow> RowOfEvent(std::string_view topic, const v1::Event& event);

// INVALID_ARGUMENT if the row is not an event. A missing id is made from the producer's name and
// the row's id; a missing time is the creation time of the row.
absl::StatusOr<v1::Event> EventOfRow(const std::string& producer, const OutboxRow& row);

// INVALID_ARGUMENT if the name is not valid for OutboxRelayOptions.table.
absl::Status CheckTableName(std::string_view table);

}  // namespace eventhub::client::outbox
