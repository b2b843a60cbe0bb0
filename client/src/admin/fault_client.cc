#include "eventhub/fault_client.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "client/src/admin/all_pages.h"

namespace eventhub::client {
namespace {

constexpr uint32_t kClosedAtOnce = 1000;

void Merge(DeadLetterGroup from, DeadLetterGroup& into) {
  if (into.events == 0) {
    into = std::move(from);
    return;
  }
  into.events += from.events;
  into.failed_again += from.failed_again;
  into.first_time = std::min(into.first_time, from.first_time);
  if (from.last_time >= into.last_time) into.message = std::move(from.message);
  into.last_time = std::max(into.last_time, from.last_time);
}

template <typename ClosePage>
absl::StatusOr<RedriveResult> ClosePages(CloseLettersSpec spec, const FaultClient::OnPage& on_page,
                                         const ClosePage& close) {
  if (spec.max_events == 0) spec.max_events = kClosedAtOnce;
  RedriveResult sum;
  do {
    absl::StatusOr<RedriveResult> page = close(spec);
    if (!page.ok()) return page.status();
    sum.events += page->events;
    sum.to_come += page->to_come;
    sum.trimmed += page->trimmed;
    sum.in_flight += page->in_flight;
    sum.next_page_token = page->next_page_token;
    spec.page_token = std::move(page->next_page_token);
    if (on_page != nullptr && !on_page(sum)) break;
  } while (!spec.page_token.empty());
  return sum;
}

}  // namespace

FaultClient::FaultClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::Status FaultClient::List(const std::string& subscription, const DeadLetterSelector& selector,
                               bool with_data, absl::FunctionRef<bool(DeadLetter)> visit) {
  constexpr uint32_t kPageSizeWithData = 100;  // Events with data may be large.
  return VisitPages(
      [&](const std::string& token) {
        return connection_->dead_letters().ListDeadLetters(
            subscription, selector, with_data, with_data ? kPageSizeWithData : kPageSize, token,
            options_.timeout);
      },
      visit);
}

absl::StatusOr<std::vector<DeadLetterGroup>> FaultClient::Count(
    const std::string& subscription, const DeadLetterSelector& selector) {
  std::map<std::tuple<std::string, std::string, std::string, std::string, std::string>,
           DeadLetterGroup>
      groups;
  const absl::Status status = VisitPages(
      [&](const std::string& token) {
        return connection_->dead_letters().CountDeadLetters(subscription, selector, token,
                                                            options_.timeout);
      },
      [&](DeadLetterGroup group) {
        auto& into =
            groups[{group.subscription, group.processor, group.pipeline, group.step, group.error}];
        Merge(std::move(group), into);
        return true;
      });
  if (!status.ok()) return status;
  std::vector<DeadLetterGroup> counted;
  for (auto& [key, group] : groups) counted.push_back(std::move(group));
  return counted;
}

absl::StatusOr<RedriveResult> FaultClient::Resubmit(const std::string& subscription,
                                                    CloseLettersSpec spec, const OnPage& on_page) {
  return ClosePages(std::move(spec), on_page, [&](const CloseLettersSpec& page) {
    return connection_->dead_letters().RedriveDeadLetterPage(subscription, page, options_.timeout);
  });
}

absl::StatusOr<RedriveResult> FaultClient::Discard(const std::string& subscription,
                                                   CloseLettersSpec spec, const OnPage& on_page) {
  return ClosePages(std::move(spec), on_page, [&](const CloseLettersSpec& page) {
    return connection_->dead_letters().DiscardDeadLetterPage(subscription, page, options_.timeout);
  });
}

}  // namespace eventhub::client
