#include "server/core/subscription/dead_letter/dead_letters.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/subscription/dead_letter/dead_letter_office.h"
#include "server/core/subscription/dead_letter/fault_records.h"
#include "server/core/subscription/dead_letter/letter_counts.h"
#include "storage/base/status_macros.h"

namespace eventhub {

namespace {

// The number of subscriptions with letters that one call over all subscriptions looks at.
constexpr size_t kMaxSubscriptions = 1'000;

// Separates the place among the letters of a subscription from its name, which has no such
// character.
constexpr char kAtName = '@';

}  // namespace

absl::StatusOr<std::string> DeadLetters::VisitAll(const DeadLetterQuery& query,
                                                  const std::string& token, TakePage take) const {
  std::string after;
  std::string name;
  if (!token.empty()) {
    const size_t at = token.find(kAtName);
    if (at == std::string::npos) return InvalidField("page_token", "was not returned by this call");
    after = token.substr(0, at);
    name = token.substr(at + 1);
  }
  size_t found = 0;
  size_t looked_at = 0;
  const auto next = [&](const std::string& place, const Subscription& subscription) {
    return absl::StrCat(place, std::string(1, kAtName), subscription.name());
  };
  // The subscription of the token may have been deleted meanwhile.
  SubscriptionCatalog::Subscriptions subscriptions = catalog_.List(name, SIZE_MAX);
  if (std::shared_ptr<Subscription> first = catalog_.Find(name)) {
    subscriptions.insert(subscriptions.begin(), std::move(first));
  } else {
    after.clear();
  }
  for (const std::shared_ptr<Subscription>& subscription : subscriptions) {
    if (!query.filter.takes_closed() && !subscription->may_have_letters()) continue;
    if (found == query.limit || query.budget->spent() || ++looked_at > kMaxSubscriptions) {
      return next("", *subscription);
    }
    DeadLetterQuery part = query;
    part.limit = query.limit - found;
    ASSIGN_OR_RETURN(DeadLetterPage page,
                     FindDeadLetters(context_, *subscription, part, std::exchange(after, "")));
    found += page.found.size();
    const std::string rest = page.next;
    take(*subscription, std::move(page));
    if (!rest.empty()) return next(rest, *subscription);
  }
  return "";
}

template <typename Request>
absl::StatusOr<std::string> DeadLetters::Visit(const Request& request, bool with_events,
                                               bool with_data, size_t limit, TakePage take) const {
  ASSIGN_OR_RETURN(const LetterFilter filter,
                   LetterFilter::Create(request.selector(), /*may_be_closed=*/true));
  SearchBudget budget = PageBudget(filter, with_events);
  const DeadLetterQuery query{filter, with_events, with_data, limit, nullptr, &budget};
  std::string next;
  if (request.subscription().empty()) {
    ASSIGN_OR_RETURN(next, VisitAll(query, request.page_token(), take));
    RETURN_IF_ERROR(OutcomeOf({}, context_.writer.AwaitVisible()));
    return next;
  }
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   catalog_.Require("subscription", request.subscription()));
  ASSIGN_OR_RETURN(DeadLetterPage page,
                   FindDeadLetters(context_, *subscription, query, request.page_token()));
  // A missing letter may have been redriven or discarded by a commit that is not visible.
  RETURN_IF_ERROR(OutcomeOf({}, context_.writer.AwaitVisible()));
  if (page.found.empty() && page.next.empty() && request.page_token().empty()) {
    RETURN_IF_ERROR(CheckPartitions(context_.topics, *subscription, request.selector()));
  }
  next = page.next;
  take(*subscription, std::move(page));
  return next;
}

absl::StatusOr<v1::ListDeadLettersResponse> DeadLetters::List(
    const Caller& /*caller*/, const v1::ListDeadLettersRequest& request) const {
  v1::ListDeadLettersResponse response;
  const auto take = [&response](const Subscription&, DeadLetterPage page) {
    for (v1::DeadLetter& letter : page.letters) {
      *response.add_dead_letters() = std::move(letter);
    }
  };
  ASSIGN_OR_RETURN(*response.mutable_next_page_token(),
                   Visit(request, /*with_events=*/true, request.with_data(),
                         PageSize(request.page_size()), take));
  return response;
}

absl::StatusOr<v1::CountDeadLettersResponse> DeadLetters::Count(
    const Caller& /*caller*/, const v1::CountDeadLettersRequest& request) const {
  v1::CountDeadLettersResponse response;
  LetterGroups groups;
  const auto take = [&groups](const Subscription& subscription, DeadLetterPage page) {
    for (const OpenDeadLetter& letter : page.found) groups.Add(subscription.name(), letter);
  };
  ASSIGN_OR_RETURN(*response.mutable_next_page_token(),
                   Visit(request, /*with_events=*/false, /*with_data=*/false, SIZE_MAX, take));
  groups.AddTo(response);
  return response;
}

template <typename Request>
void DeadLetters::Close(const Caller& caller, const Request& request, WorkPool& pool,
                        LetterAction action, LetterClosing::Done done) {
  if (!request.has_selector()) {
    return std::move(done)(InvalidField("selector", "is required; an empty one selects all"));
  }
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      catalog_.Require("subscription", request.subscription());
  if (!subscription.ok()) return std::move(done)(subscription.status());
  if (!request.dry_run()) {
    done = admin_log_.NotingParts(
        caller,
        absl::StrCat(action.redrive ? "redrove" : "discarded", " dead letters of subscription ",
                     request.subscription()),
        std::move(done));
  }
  LetterClosing::Start(context_, *std::move(subscription), LongCall(pool, caller),
                       {.selector = request.selector(),
                        .action = std::move(action),
                        .dry_run = request.dry_run(),
                        .max_letters = request.max_events(),
                        .page_token = request.page_token()},
                       std::move(done));
}

void DeadLetters::Redrive(const Caller& caller, const v1::RedriveDeadLettersRequest& request,
                          WorkPool& pool, ResponseDone<v1::RedriveDeadLettersResponse> done) {
  LetterAction action{.redrive = true, .all_pipelines = request.all_pipelines()};
  if (request.has_rate_limit()) action.rate_limit = request.rate_limit();
  Close(caller, request, pool, std::move(action),
        [done = std::move(done)](absl::StatusOr<LetterClosing::Result> result) mutable {
          if (!result.ok()) return std::move(done)(result.status());
          v1::RedriveDeadLettersResponse response;
          response.set_events(result->counts.closed);
          response.set_to_come(result->counts.to_come);
          response.set_trimmed(result->counts.trimmed);
          response.set_in_flight(result->counts.in_flight);
          response.set_next_page_token(std::move(result->next));
          std::move(done)(std::move(response));
        });
}

void DeadLetters::Discard(const Caller& caller, const v1::DiscardDeadLettersRequest& request,
                          WorkPool& pool, ResponseDone<v1::DiscardDeadLettersResponse> done) {
  Close(caller, request, pool, {},
        [done = std::move(done)](absl::StatusOr<LetterClosing::Result> result) mutable {
          if (!result.ok()) return std::move(done)(result.status());
          v1::DiscardDeadLettersResponse response;
          response.set_events(result->counts.closed);
          response.set_next_page_token(std::move(result->next));
          std::move(done)(std::move(response));
        });
}

absl::Status DeadLetters::ForgetClosed(absl::Time limit, absl::FunctionRef<bool()> cancelled) {
  absl::Status first;
  for (const std::shared_ptr<Subscription>& subscription : catalog_.List("", SIZE_MAX)) {
    const absl::Status status = ForgetFaults(context_, subscription, limit, cancelled);
    if (absl::IsCancelled(status)) return status;
    first.Update(status);
  }
  return first;
}

void DeadLetters::DiscardIn(const Caller& caller, std::shared_ptr<Topic> topic, StatusDone done) {
  done = admin_log_.NotingParts(
      caller, absl::StrCat("discarded the dead letters in topic ", topic->name()), std::move(done));
  DiscardNextIn(std::move(topic), LongCall(background_, caller), std::move(done));
}

void DeadLetters::DiscardNextIn(std::shared_ptr<Topic> topic, LongCall call, StatusDone done) {
  call.Next([this, topic = std::move(topic), call, done = std::move(done)]() mutable {
    const absl::StatusOr<SubscriptionCatalog::Subscriptions> holders = Holders(*topic);
    std::shared_ptr<Subscription> next;
    for (size_t i = 0; holders.ok() && i < holders->size() && next == nullptr; ++i) {
      const absl::StatusOr<bool> open =
          HasOpenLetters(context_.store, (*holders)[i]->id(), topic->id());
      if (!open.ok()) return std::move(done)(open.status());
      if (*open) next = (*holders)[i];
    }
    if (next == nullptr) return std::move(done)(holders.status());
    LetterClosing::Order order;
    order.selector.set_topic(topic->name());
    LetterClosing::Start(context_, next, call, std::move(order),
                         [this, topic = std::move(topic), call, done = std::move(done)](
                             const absl::StatusOr<LetterClosing::Result>& closed) mutable {
                           // The topic or the subscription was deleted meanwhile.
                           if (absl::IsNotFound(closed.status())) {
                             return std::move(done)(absl::OkStatus());
                           }
                           if (!closed.ok()) return std::move(done)(closed.status());
                           // Continue with the next subscription.
                           DiscardNextIn(std::move(topic), call, std::move(done));
                         });
  });
}

absl::StatusOr<SubscriptionCatalog::Subscriptions> DeadLetters::Holders(const Topic& topic) const {
  SubscriptionCatalog::Subscriptions holders;
  for (const std::shared_ptr<Subscription>& subscription : catalog_.List("", SIZE_MAX)) {
    if (!subscription->may_have_letters()) continue;
    // Read the disk first: a redrive is in memory before it is on disk.
    ASSIGN_OR_RETURN(bool holds, HasOpenLetters(context_.store, subscription->id(), topic.id()));
    holds = holds || subscription->FirstRedrivenFrom(topic.id(), std::nullopt).has_value();
    if (holds) holders.push_back(subscription);
  }
  return holders;
}

absl::StatusOr<std::optional<Offset>> DeadLetters::FirstOf(
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

absl::StatusOr<std::string> DeadLetters::DescribeHolders(
    const Topic& topic, bool keeps_until_acked, const std::vector<NeededFrom>& limits) const {
  std::vector<std::string> of_letters;
  ASSIGN_OR_RETURN(const SubscriptionCatalog::Subscriptions holders, Holders(topic));
  for (const std::shared_ptr<Subscription>& subscription : holders) {
    for (const NeededFrom& limit : limits) {
      ASSIGN_OR_RETURN(const std::optional<Offset> first,
                       FirstOf({subscription}, topic, limit.partition));
      if (!first.has_value() || *first >= limit.first) continue;
      of_letters.push_back(subscription->name());
      break;
    }
  }
  std::vector<std::string> not_acked;
  if (keeps_until_acked) {
    for (const std::shared_ptr<Subscription>& subscription : catalog_.Of(topic)) {
      std::vector<NeededFrom> needed = limits;
      subscription->LowerTo(needed);
      if (needed != limits) not_acked.push_back(subscription->name());
    }
  }
  std::vector<std::string> reasons;
  if (!of_letters.empty()) {
    reasons.push_back(absl::StrCat("for open or redriven dead letters of subscriptions: ",
                                   JoinNames(of_letters)));
  }
  if (!not_acked.empty()) {
    reasons.push_back(
        absl::StrCat("for what is not acked in subscriptions: ", JoinNames(not_acked)));
  }
  return absl::StrJoin(reasons, "; ");
}

}  // namespace eventhub
