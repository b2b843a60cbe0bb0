// The calls of DelayedEventService.

#include <utility>

#include "client/src/base/proto_time.h"
#include "client/src/connection/grpc_connection.h"

namespace eventhub::client {
namespace {

using DelayedStub = v1::DelayedEventService::Stub;

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

absl::StatusOr<Page<DelayedEvent>> GrpcConnection::ListDelayedEvents(const std::string& topic,
                                                                     const DueRange& range,
                                                                     uint32_t page_size,
                                                                     const std::string& page_token,
                                                                     absl::Duration timeout) {
  v1::ListDelayedEventsRequest request;
  request.set_topic(topic);
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  if (range.from) ToProto(*range.from, *request.mutable_due_from());
  if (range.before) ToProto(*range.before, *request.mutable_due_before());
  auto response = Query(delayed_, &DelayedStub::ListDelayedEvents, request, timeout);
  if (!response.ok()) return response.status();
  Page<DelayedEvent> page{.next_page_token = response->next_page_token()};
  for (v1::DelayedEvent& event : *response->mutable_events()) {
    page.items.push_back(DelayedFromProto(std::move(event)));
  }
  return page;
}

absl::StatusOr<uint32_t> GrpcConnection::CancelDelayedEvents(
    const std::string& topic, const std::vector<std::string>& delay_ids, absl::Duration timeout) {
  v1::CancelDelayedEventsRequest request;
  request.set_topic(topic);
  for (const std::string& id : delay_ids) request.add_delay_ids(id);
  const auto response = Call(delayed_, &DelayedStub::CancelDelayedEvents, request, timeout);
  if (!response.ok()) return response.status();
  return response->cancelled();
}

}  // namespace eventhub::client
