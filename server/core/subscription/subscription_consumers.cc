// Consumers that connect and disconnect, and the alarm.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "server/core/subscription/cursor_tasks.h"
#include "server/core/subscription/subscription.h"

namespace eventhub {
namespace {

// The maximum number of unsettled requests of a consumer.
constexpr int kMaxUnsettled = 256;

Usage ToUsage(const v1::Credit& credit) {
  return {credit.events(), static_cast<int64_t>(std::min<uint64_t>(credit.bytes(), INT64_MAX))};
}

google::protobuf::Duration ToProto(int64_t micros) {
  return google::protobuf::util::TimeUtil::MicrosecondsToDuration(micros);
}

}  // namespace

std::shared_ptr<Consumer> Subscription::Open(ConsumerOptions options,
                                             const v1::ConsumeRequest& first) {
  Aftermath after;
  std::shared_ptr<Consumer> consumer;
  {
    MutexLock lock(mutex_);
    consumer =
        consumers_.Add(context_.next_epoch.fetch_add(1), std::move(options), context_.clock.Now());
    if (first.has_credit()) consumer->credit = ToUsage(first.credit());
    consumer->leaving = first.leave();
    v1::ConsumeOpened& opened = *consumer->notices.mutable_opened();
    opened.set_consumer(consumer->options.name);
    opened.set_queue(rules_.queue);
    opened.set_session(consumer->session);
    opened.set_subscription_id(incarnation_);
    *opened.mutable_ack_deadline() = ToProto(rules_.ack_deadline);
    consumer->has_notices = true;
    Rebalance(&after);
  }
  CarryOut(std::move(after));
  return consumer;
}

void Subscription::NoteAckDeadline() {
  for (const auto& [id, consumer] : consumers_.members()) {
    *consumer->notices.mutable_ack_deadline() = ToProto(rules_.ack_deadline);
    consumer->has_notices = true;  // It is woken with all others.
  }
}

void Subscription::MarkResponsive(Consumer& consumer, Aftermath* after) {
  if (!std::exchange(consumer.stalled, false)) return;
  if (rules_.queue) {
    consumers_.Wake(consumer, &after->wake);
  } else {
    Rebalance(after);
  }
}

void Subscription::SetCredit(Consumer& consumer, const v1::Credit& credit) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    consumer.credit = ToUsage(credit);
    consumer.short_of_bytes = false;
    MarkResponsive(consumer, &after);
    consumers_.Wake(consumer, &after.wake);
  }
  CarryOut(std::move(after));
}

void Subscription::Leave(Consumer& consumer, bool at_once) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer.closed) return;
    consumer.leaving = true;
    consumer.leaving_at_once |= at_once;
    Rebalance(&after);
    WakeForEvents(&after);  // Another consumer may take the events that it was woken for.
    consumers_.Wake(consumer, &after.wake);
  }
  CarryOut(std::move(after));
}

bool Subscription::Overloaded(const Consumer& consumer) const {
  MutexLock lock(mutex_);
  return consumer.unsettled >= kMaxUnsettled;
}

void Subscription::Close(Consumer& consumer, Ended ended) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (consumer.closed) return;
    consumer.closed = true;
    if (consumer.fetch.has_value()) cursors_[consumer.fetch->partition]->busy = false;
    size_t left = PartitionCursor::kMaxSwept;
    for (const auto& cursor : cursors_) {
      const bool owned = cursor->owner == consumer.id;
      if (owned) {
        cursor->owner = ConsumerId();
        cursor->draining = false;
      }
      const bool may_have = rules_.queue ? cursor->pending().counts().leased > 0 : owned;
      if (!may_have || consumer.out.events == 0) continue;
      Effects effects;
      if (ended == Ended::kByHub) {
        cursor->Recall(rules_, consumer.id, &effects, &left);
      } else {
        cursor->Fail(rules_, consumer.id, "its consumer went away without settling it", &effects,
                     &left);
      }
      Conclude(*cursor, effects, &after);
    }
    consumers_.Remove(consumer.id);
    // Set at once, so that the subscription does not seem unused; the task below writes it.
    last_used_micros_ = absl::ToUnixMicros(context_.clock.Now());
    if (consumers_.empty()) Unregister();
    Rebalance(&after);
    consumers_.WakeAll(&after.wake);
  }
  CarryOut(std::move(after));
  context_.writer.Submit(std::make_unique<TouchTask>(shared_from_this()));
}

void Subscription::Unregister() {
  if (registered_ != nullptr && topic_->mark().Cancel(*this)) registered_.reset();
}

void Subscription::SetDeleted() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    deleted_ = true;
    consumers_.WakeAll(&after.wake);
    Unregister();
  }
  CarryOut(std::move(after));
}

void Subscription::OnAlarm() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    const int64_t now = Now();
    alarm_due_ = INT64_MAX;
    size_t left = PartitionCursor::kMaxSwept;
    bool used_up = false;
    const size_t first = first_swept_ % cursors_.size();
    for (size_t i = 0; i < cursors_.size(); ++i) {
      const size_t p = (first + i) % cursors_.size();
      PartitionCursor* const cursor = cursors_[p].get();
      Effects effects;
      cursor->SweepOn(rules_, &left, &effects);
      cursor->Expire(rules_, now, &effects, &left);
      if (left == 0 && !std::exchange(used_up, true)) first_swept_ = p + 1;  // In turn.
      if (effects.expired > 0) cursor->RenewEpoch(context_.next_epoch.fetch_add(1));
      cursor->KeepPassed();
      Conclude(*cursor, effects, &after);
      // All cursors share one alarm; it may have been set for an earlier event.
      if (cursor->read_failure != nullptr && cursor->read_again_at > now) {
        SetAlarm(cursor->read_again_at, &after);
      }
    }
    RevokeOverdue(now, &left, &after);
    if (now >= join_due_) EndIsolation(&left, &after);
    SetAlarm(join_due_, &after);
    WakeForEvents(&after);  // The rate limit may allow events again.
  }
  CarryOut(std::move(after));
}

}  // namespace eventhub
