#include "client/src/commit/commit_queue.h"

#include <algorithm>
#include <utility>

#include "client/src/base/failure.h"
#include "client/src/publish/transaction_proto.h"
#include "eventhub/error.h"

namespace eventhub::client {

void CommitQueue::Push(Held held) {
  bytes_ += held->bytes;
  ready_.push_back(std::move(held));
}

void CommitQueue::MakeReady(Held held) {
  const auto place =
      std::lower_bound(ready_.begin(), ready_.end(), held->number,
                       [](const Held& ready, uint64_t number) { return ready->number < number; });
  ready_.insert(place, std::move(held));
}

HeldTransaction* CommitQueue::Send(absl::Duration now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    Held held = std::move(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    MakeReady(std::move(held));
  }
  if (ready_.empty()) return nullptr;
  sent_.push_back(std::move(ready_.front()));
  ready_.pop_front();
  sent_.back()->sent_at = now;
  return sent_.back().get();
}

bool CommitQueue::OnReply(TransactReply reply, absl::Duration now,
                          std::vector<CommitAnswer>& answers) {
  if (sent_.empty() || sent_.front()->number != reply.correlation_id) return false;
  Held held = std::move(sent_.front());
  sent_.pop_front();
  if (reply.status.ok()) {
    absl::StatusOr<TransactionResult> result = ResultOf(reply, held->transaction);
    Answer(std::move(held), std::move(result), answers);
    return true;
  }
  const bool again = !held->answered && !held->transaction.id.empty() && MayPass(reply.status);
  if (!again) {
    const absl::Status final = OutcomeOf(reply.status, held->in_doubt);
    Answer(std::move(held), final, answers);
    return true;
  }
  held->in_doubt |= OutcomeIsUnknown(reply.status);
  if (held->backoff == nullptr) held->backoff = std::make_unique<Backoff>(retry_);
  delayed_.emplace(now + held->backoff->DelayAfter(reply.status), std::move(held));
  return true;
}

void CommitQueue::OnStreamLost(const absl::Status& status, std::vector<CommitAnswer>& answers) {
  const bool left = !SaysNothingDone(status);
  while (!sent_.empty()) {
    Held held = std::move(sent_.back());
    sent_.pop_back();
    if (held->answered || (left && held->transaction.id.empty())) {
      Answer(std::move(held), WithUnknownOutcome(status), answers);
      continue;
    }
    held->in_doubt |= left;
    MakeReady(std::move(held));
  }
}

void CommitQueue::Expire(absl::Duration now, const absl::Status& status,
                         std::vector<CommitAnswer>& answers) {
  Expire(sent_, /*sent=*/true, now, status, answers);
  Expire(ready_, /*sent=*/false, now, status, answers);
  for (auto it = delayed_.begin(); it != delayed_.end();) {
    if (it->second->deadline > now) {
      ++it;
      continue;
    }
    Held held = std::move(it->second);
    it = delayed_.erase(it);
    const absl::Status given_up = OutcomeOfGivenUp(status, held->in_doubt);
    Answer(std::move(held), given_up, answers);
  }
}

void CommitQueue::Expire(std::deque<Held>& queue, bool sent, absl::Duration now,
                         const absl::Status& status, std::vector<CommitAnswer>& answers) {
  std::deque<Held> rest;
  for (Held& held : queue) {
    if (held->answered || held->deadline > now) {
      rest.push_back(std::move(held));
    } else if (sent) {
      held->answered = true;
      answers.push_back({held->number, std::move(held->done), WithUnknownOutcome(status)});
      rest.push_back(std::move(held));
    } else {
      const absl::Status given_up = OutcomeOfGivenUp(status, held->in_doubt);
      Answer(std::move(held), given_up, answers);
    }
  }
  queue = std::move(rest);
}

void CommitQueue::FailLargest(const absl::Status& status, std::vector<CommitAnswer>& answers) {
  const auto largest = std::max_element(
      sent_.begin(), sent_.end(), [](const Held& a, const Held& b) { return a->bytes < b->bytes; });
  if (largest == sent_.end()) return;
  Held held = std::move(*largest);
  sent_.erase(largest);
  const absl::Status given_up = OutcomeOfGivenUp(status, held->in_doubt);
  Answer(std::move(held), given_up, answers);
}

void CommitQueue::FailAll(const absl::Status& status, std::vector<CommitAnswer>& answers) {
  for (auto& [when, held] : delayed_) MakeReady(std::move(held));
  delayed_.clear();
  while (!ready_.empty()) {
    Held held = std::move(ready_.front());
    ready_.pop_front();
    const absl::Status given_up = OutcomeOfGivenUp(status, held->in_doubt);
    Answer(std::move(held), given_up, answers);
  }
}

void CommitQueue::Answer(Held held, absl::StatusOr<TransactionResult> result,
                         std::vector<CommitAnswer>& answers) {
  bytes_ -= held->bytes;
  if (held->answered) return;
  answers.push_back({held->number, std::move(held->done), std::move(result)});
}

absl::Duration CommitQueue::NextDelayed() const {
  return delayed_.empty() ? absl::InfiniteDuration() : delayed_.begin()->first;
}

absl::Duration CommitQueue::NextDeadline() const {
  // Deadlines ascend with numbers.
  absl::Duration next = ready_.empty() ? absl::InfiniteDuration() : ready_.front()->deadline;
  const auto unanswered =
      std::find_if(sent_.begin(), sent_.end(), [](const Held& held) { return !held->answered; });
  if (unanswered != sent_.end()) next = std::min(next, (*unanswered)->deadline);
  for (const auto& [when, held] : delayed_) next = std::min(next, held->deadline);
  return next;
}

absl::Duration CommitQueue::OldestSentAt() const {
  return sent_.empty() ? absl::InfiniteDuration() : sent_.front()->sent_at;
}

}  // namespace eventhub::client
