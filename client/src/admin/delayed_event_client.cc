#include "eventhub/delayed_event_client.h"

#include <algorithm>
#include <utility>

#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

// Whole events: fewer of them at a time than of what is small.
constexpr uint32_t kDelayedPageSize = 100;
// What a request takes.
constexpr size_t kMaxCancelled = 10'000;

}  // namespace

DelayedEventClient::DelayedEventClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::Status DelayedEventClient::List(const std::string& topic, const DueRange& range,
                                      absl::FunctionRef<bool(DelayedEvent)> visit) {
  std::string token;
  do {
    ASSIGN_OR_RETURN(Page<DelayedEvent> page,
                     connection_->delayed_events().ListDelayedEvents(topic, range, kDelayedPageSize,
                                                                     token, options_.timeout));
    for (DelayedEvent& event : page.items) {
      if (!visit(std::move(event))) return absl::OkStatus();
    }
    token = std::move(page.next_page_token);
  } while (!token.empty());
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> DelayedEventClient::Cancel(const std::string& topic,
                                                    const std::vector<std::string>& delay_ids) {
  uint64_t cancelled = 0;
  auto next = delay_ids.begin();
  do {  // Once for no ids too: the hub says what is wrong.
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
