#include "eventhub/delayed_event_client.h"

#include <algorithm>
#include <utility>

#include "client/src/admin/all_pages.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

// Smaller than kPageSize, because items contain whole events.
constexpr uint32_t kDelayedPageSize = 100;
// The maximum number of ids in a request.
constexpr size_t kMaxCancelled = 10'000;

}  // namespace

DelayedEventClient::DelayedEventClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::Status DelayedEventClient::List(const std::string& topic, const DueRange& range,
                                      absl::FunctionRef<bool(DelayedEvent)> visit) {
  return VisitPages(
      [&](const std::string& token) {
        return connection_->delayed_events().ListDelayedEvents(topic, range, kDelayedPageSize,
                                                               token, options_.timeout);
      },
      visit);
}

absl::StatusOr<uint64_t> DelayedEventClient::Cancel(const std::string& topic,
                                                    const std::vector<std::string>& delay_ids) {
  uint64_t cancelled = 0;
  auto next = delay_ids.begin();
  do {  // At least once: the hub reports an empty list.
    const auto left = static_cast<size_t>(delay_ids.end() - next);
    const auto end = next + static_cast<ptrdiff_t>(std::min(left, kMaxCancelled));
    ASSIGN_OR_RETURN(const uint32_t count, connection_->delayed_events().CancelDelayedEvents(
                                               topic, {next, end}, options_.timeout));
    cancelled += count;
    next = end;
  } while (next != delay_ids.end());
  return cancelled;
}

}  // namespace eventhub::client
