#include "client/src/call_back.h"

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "client/src/locate.h"

namespace eventhub::client {
namespace {

void CallBackWithPlaces(Finished& finished) {
  const std::optional<std::vector<PublishedEvent>> places =
      LocateEvents(finished.batch->body().view, finished.batch->events(), finished.reply);
  for (PendingResult& result : finished.results) {
    if (places) {
      std::move(result.done)((*places)[result.index]);
    } else {
      std::move(result.done)(absl::InternalError(
          "the event is accepted, but the hub's reply does not add up to where it is"));
    }
  }
}

}  // namespace

void CallBack(Finished& finished, const std::function<void(const BatchResult&)>& on_batch_done) {
  if (on_batch_done) {
    on_batch_done({.status = finished.status,
                   .events = finished.events,
                   .placements = finished.reply.placements,
                   .duplicates = finished.reply.duplicates,
                   .delayed = finished.reply.delayed});
  }
  if (finished.status.ok()) {
    if (!finished.results.empty()) CallBackWithPlaces(finished);
  } else {
    for (PendingResult& result : finished.results) std::move(result.done)(finished.status);
  }
  finished.results.clear();
}

}  // namespace eventhub::client
