#include "client/src/connection/grpc_delayed_event_calls.h"

#include <utility>

#include "client/src/base/proto_time.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

DelayedEvent DelayedFromProto(v1::DelayedEvent proto) {
  DelayedEvent event;
  event.delay_id = proto.delay_id();
  event.due_time = FromProto(proto.due_time());
  if (proto.has_partition()) event.partition = proto.partition();
  if (proto.has_accept_time()) event.accept_time = FromProto(proto.accept_time());
  event.event = std::move(*proto.mutable_event());
  event.refusal = std::move(*proto.mutable_refusal());
  return event;
}

}  // namespace

absl::StatusOr<Page<DelayedEvent>> GrpcDelayedEventCalls::ListDelayedEvents(
    const std::string& topic, const DueRange& range, uint32_t page_size,
    const std::string& page_token, absl::Duration timeout) {
  v1::ListDelayedEventsRequest request;
  request.set_topic(topic);
  SetPage(page_size, page_token, request);
  if (range.from) ToProto(*range.from, *request.mutable_due_from());
  if (range.before) ToProto(*range.before, *request.mutable_due_before());
  ASSIGN_OR_RETURN(auto response, service_.Query(&Stub::ListDelayedEvents, request, timeout));
  Page<DelayedEvent> page{.next_page_token = response.next_page_token()};
  for (v1::DelayedEvent& event : *response.mutable_events()) {
    page.items.push_back(DelayedFromProto(std::move(event)));
  }
  return page;
}

absl::StatusOr<uint32_t> GrpcDelayedEventCalls::CancelDelayedEvents(
    const std::string& topic, const std::vector<std::string>& delay_ids, absl::Duration timeout) {
  v1::CancelDelayedEventsRequest request;
  request.set_topic(topic);
  for (const std::string& id : delay_ids) request.add_delay_ids(id);
  ASSIGN_OR_RETURN(const auto response,
                   service_.Call(&Stub::CancelDelayedEvents, request, timeout));
  return response.cancelled();
}

}  // namespace eventhub::client
