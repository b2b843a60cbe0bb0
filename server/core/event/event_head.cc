#include "server/core/event/event_head.h"

#include "eventhub/v1/event.pb.h"
#include "proto/wire/field_reader.h"

namespace eventhub {

EventHead ReadEventHead(absl::string_view event) {
  EventHead head;
  wire::FieldReader field(event);
  while (field.Next()) {
    if (field.Is(v1::Event::kSourceFieldNumber)) head.source = field.bytes();
    if (field.Is(v1::Event::kTypeFieldNumber)) head.type = field.bytes();
    if (field.Is(v1::Event::kPartitionKeyFieldNumber)) head.key = field.bytes();
  }
  return head;
}

}  // namespace eventhub
