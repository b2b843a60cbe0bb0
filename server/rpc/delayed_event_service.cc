#include "server/rpc/delayed_event_service.h"

namespace eventhub {

DelayedEventService::DelayedEventService(DelayedEvents& delayed, WorkPool& pool, const Calls& calls)
    : UnaryService(calls) {
  ServeOn(pool, kNameRequest,
          [&delayed](const Caller& caller, const v1::ListDelayedEventsRequest& request) {
            return delayed.List(caller, request);
          });
  Serve(kListRequest,
        [&delayed](const Caller& caller, const v1::CancelDelayedEventsRequest& request,
                   Reply<v1::CancelDelayedEventsResponse> reply) {
          delayed.Cancel(caller, request, reply);
        });
}

}  // namespace eventhub
