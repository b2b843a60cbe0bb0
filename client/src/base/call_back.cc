#include "client/src/base/call_back.h"

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "client/src/base/guarded.h"
#include "client/src/publish/locate.h"

namespace eventhub::client {
namespace {

void Call(PendingResult& pending, absl::StatusOr<PublishedEvent> result, absl::Status& first) {
  first.Update(
      Guarded("a callback of Publish", [&] { std::move(pending.done)(std::move(result)); }));
}

void CallBackWithPlaces(Finished& finished, absl::Status& first) {
  const std::optional<std::vector<PublishedEvent>> places =
      LocateEvents(finished.batch->body().view, finished.batch->events(), finished.reply);
  for (PendingResult& result : finished.results) {
    if (places) {
      Call(result, (*places)[result.index], first);
    } else {
      Call(result,
           absl::InternalError(
               "the event was accepted, but the hub's reply does not say where it is"),
           first);
    }
  }
}

}  // namespace

absl::Status CallBack(Finished& finished,
                      const std::function<void(const BatchResult&)>& on_batch_done) {
  absl::Status first;
  if (on_batch_done) {
    first.Update(Guarded("on_batch_done", [&] {
      on_batch_done({.status = finished.status,
                     .events = finished.events,
                     .placements = finished.reply.placements,
                     .duplicates = finished.reply.duplicates,
                     .delayed = finished.reply.delayed});
    }));
  }
  if (finished.status.ok()) {
    if (!finished.results.empty()) CallBackWithPlaces(finished, first);
  } else {
    for (PendingResult& result : finished.results) Call(result, finished.status, first);
  }
  finished.results.clear();
  return first;
}

}  // namespace eventhub::client
