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
#include "storage/base/status_macros.h"

namespace eventhub {

absl::StatusOr<v1::ListDeadLettersResponse> DeadLetters::List(
    const Caller& /*caller*/, const v1::ListDeadLettersRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Subscription> subscription,
                   catalog_.Require("subscription", request.subscription()));
  v1::ListDeadLettersResponse response;
  const DeadLetterQuery query{request.selector(), true, request.with_data(),
                              PageSize(request.page_size())};
  ASSIGN_OR_RETURN(DeadLetterPage page,
                   FindDeadLetters(context_, *subscription, query, request.page_token()));
  // A missing letter may have been redriven or discarded by a commit that is not visible.
  RETURN_IF_ERROR(OutcomeOf({}, context_.writer.AwaitVisible()));
  if (page.found.empty() && page.next.empty() && request.page_token().empty()) {
    RETURN_IF_ERROR(CheckPartitions(context_.topics, *subscription, request.selector()));
  }
  for (v1::DeadLetter& letter : page.letters) *response.add_dead_letters() = std::move(letter);
  response.set_next_page_token(page.next);
  return response;
}

template <typename Request>
void DeadLetters::Close(const Caller& caller, const Request& request, WorkPool& pool, bool redrive,
                        LetterClosing::Done done) {
  if (!request.has_selector()) {
    return std::move(done)(InvalidField("selector", "is required; an empty one selects all"));
  }
  absl::StatusOr<std::shared_ptr<Subscription>> subscription =
      catalog_.Require("subscription", request.subscription());
  if (!subscription.ok()) return std::move(done)(subscription.status());
  if (!request.dry_run()) {
    done = admin_log_.NotingParts(
        caller,
        absl::StrCat(redrive ? "redrove" : "discarded", " dead letters of subscription ",
                     request.subscription()),
        std::move(done));
  }
  LetterClosing::Start(context_, *std::move(subscription), LongCall(pool, caller),
                       {request.selector(), redrive, request.dry_run()}, std::move(done));
}

void DeadLetters::Redrive(const Caller& caller, const v1::RedriveDeadLettersRequest& request,
                          WorkPool& pool, ResponseDone<v1::RedriveDeadLettersResponse> done) {
  Close(caller, request, pool, /*redrive=*/true,
        [done = std::move(done)](const absl::StatusOr<LetterCounts>& counts) mutable {
          if (!counts.ok()) return std::move(done)(counts.status());
          v1::RedriveDeadLettersResponse response;
          response.set_events(counts->closed);
          response.set_to_come(counts->to_come);
          response.set_trimmed(counts->trimmed);
          std::move(done)(std::move(response));
        });
}

void DeadLetters::Discard(const Caller& caller, const v1::DiscardDeadLettersRequest& request,
                          WorkPool& pool, ResponseDone<v1::DiscardDeadLettersResponse> done) {
  Close(caller, request, pool, /*redrive=*/false,
        [done = std::move(done)](const absl::StatusOr<LetterCounts>& counts) mutable {
          if (!counts.ok()) return std::move(done)(counts.status());
          v1::DiscardDeadLettersResponse response;
          response.set_events(counts->closed);
          std::move(done)(std::move(response));
        });
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
                             const absl::StatusOr<LetterCounts>& counts) mutable {
                           // The topic or the subscription was deleted meanwhile.
                           if (absl::IsNotFound(counts.status())) {
                             return std::move(done)(absl::OkStatus());
                           }
                           if (!counts.ok()) return std::move(done)(counts.status());
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
