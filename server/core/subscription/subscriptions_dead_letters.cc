// Dead letters of subscriptions: listed, redriven, discarded.
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/errors.h"
#include "server/core/field_checks.h"
#include "server/core/subscription/dead_letter_office.h"
#include "server/core/subscription/subscriptions.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr uint32_t kLettersAtOnce = 1000;

// For a selector that picked nothing: whether its ranges are of partitions that there are. Not
// asked before, for dead letters may lie in a topic that was the subscription's once.
absl::Status CheckPartitions(const TopicCatalog& topics, const Subscription& subscription,
                             const v1::DeadLetterSelector& selector) {
  const std::string name = subscription.settings().dead_letter_topic();
  const std::shared_ptr<Topic> topic = topics.Find(name);
  if (topic == nullptr) return absl::OkStatus();
  const size_t partitions = topic->view()->partitions.size();
  for (const auto& range : selector.ranges()) {
    if (range.partition() >= partitions) {
      return PartitionNotFound(name, range.partition(), partitions);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::ListDeadLettersResponse> Subscriptions::ListDeadLetters(
    const v1::ListDeadLettersRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   FindSubscription("subscription", request.subscription()));
  v1::ListDeadLettersResponse response;
  const DeadLetterQuery query{request.selector(), true, request.with_data(),
                              PageSize(request.page_size())};
  ASSIGN_OR_RETURN(DeadLetterPage page,
                   FindDeadLetters(context_, *subscription, query, request.page_token()));
  // What is not there any more was redriven, or discarded.
  RETURN_IF_ERROR(OutcomeOf({}, writer_.AwaitVisible()));
  if (page.found.empty() && page.next.empty() && request.page_token().empty()) {
    RETURN_IF_ERROR(CheckPartitions(context_.topics, *subscription, request.selector()));
  }
  for (v1::DeadLetter& letter : page.letters) *response.add_dead_letters() = std::move(letter);
  response.set_next_page_token(page.next);
  return response;
}

absl::StatusOr<v1::RedriveDeadLettersResponse> Subscriptions::RedriveDeadLetters(
    const v1::RedriveDeadLettersRequest& request, Cancelled cancelled) {
  ASSIGN_OR_RETURN(const uint64_t events,
                   CloseLetters(request.subscription(), request.has_selector(), request.selector(),
                                request.dry_run(), /*redrive=*/true, cancelled));
  v1::RedriveDeadLettersResponse response;
  response.set_events(events);
  return response;
}

absl::StatusOr<v1::DiscardDeadLettersResponse> Subscriptions::DiscardDeadLetters(
    const v1::DiscardDeadLettersRequest& request, Cancelled cancelled) {
  ASSIGN_OR_RETURN(const uint64_t events,
                   CloseLetters(request.subscription(), request.has_selector(), request.selector(),
                                request.dry_run(), /*redrive=*/false, cancelled));
  v1::DiscardDeadLettersResponse response;
  response.set_events(events);
  return response;
}

absl::StatusOr<uint64_t> Subscriptions::CloseLetters(const std::string& name, bool has_selector,
                                                     const v1::DeadLetterSelector& selector,
                                                     bool dry_run, bool redrive,
                                                     Cancelled cancelled) {
  if (!has_selector) return InvalidField("selector", "is required; an empty one picks all");
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   FindSubscription("subscription", name));
  LetterBounds bounds(context_.topics, subscription->settings().dead_letter_topic());
  const DeadLetterQuery query{selector, false, false, kLettersAtOnce, &bounds};
  uint64_t events = 0;
  std::string after;
  do {
    if (cancelled()) {
      return absl::CancelledError(absl::StrCat("the call was cancelled; before that ", events,
                                               " dead letters were ",
                                               dry_run   ? "counted"
                                               : redrive ? "redriven"
                                                         : "discarded"));
    }
    ASSIGN_OR_RETURN(DeadLetterPage page, FindDeadLetters(context_, *subscription, query, after));
    after = page.next;
    if (dry_run || page.found.empty()) {
      events += page.found.size();
      continue;
    }
    std::promise<absl::StatusOr<int64_t>> closed;
    writer_.Submit(std::make_unique<CloseLettersTask>(
        context_, subscription, std::move(page.found), redrive,
        [&closed](absl::StatusOr<int64_t> count) { closed.set_value(std::move(count)); }));
    ASSIGN_OR_RETURN(const int64_t count, closed.get_future().get());
    events += static_cast<uint64_t>(count);
  } while (!after.empty());
  if (events == 0) RETURN_IF_ERROR(CheckPartitions(context_.topics, *subscription, selector));
  return events;
}

absl::StatusOr<SubscriptionCatalog::Subscriptions> Subscriptions::LetterHolders(
    const Topic& topic) const {
  SubscriptionCatalog::Subscriptions holders;
  for (const std::shared_ptr<Subscription>& subscription : catalog_.List("", SIZE_MAX)) {
    // The disk first: a redrive is in memory before it is there.
    ASSIGN_OR_RETURN(bool holds, HasOpenLetters(context_.store, subscription->id(), topic.id()));
    holds = holds || subscription->FirstRedrivenFrom(topic.id(), std::nullopt).has_value();
    if (holds) holders.push_back(subscription);
  }
  return holders;
}

absl::StatusOr<std::optional<Offset>> Subscriptions::FirstLetterOf(
    const SubscriptionCatalog::Subscriptions& holders, const Topic& topic,
    PartitionId partition) const {
  std::optional<Offset> first;
  const auto note = [&first](std::optional<Offset> offset) {
    if (offset.has_value() && (!first.has_value() || *offset < *first)) first = offset;
  };
  for (const std::shared_ptr<Subscription>& subscription : holders) {
    ASSIGN_OR_RETURN(const std::optional<Offset> open,
                     FirstOpenLetter(context_.store, subscription->id(), topic.id(), partition));
    note(open);
    note(subscription->FirstRedrivenFrom(topic.id(), partition));
  }
  return first;
}

}  // namespace eventhub
