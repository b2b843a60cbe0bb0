#include "server/core/subscription/dispatch/consumer_group.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/base/macros.h"

namespace eventhub {
namespace {

// Merges ranges trimmed in several steps while the consumer takes no responses.
void AddTrimmed(const std::vector<std::pair<Offset, Offset>>& trimmed, PartitionNews& news) {
  for (const auto& [start, end] : trimmed) {
    if (!news.trimmed.empty() && news.trimmed.back().second == start) {
      news.trimmed.back().second = end;
    } else {
      news.trimmed.emplace_back(start, end);
    }
  }
}

}  // namespace

std::shared_ptr<Consumer> ConsumerGroup::Add(uint64_t session, ConsumerOptions options,
                                             absl::Time now) {
  auto consumer =
      std::make_shared<Consumer>(ConsumerId(++last_id_), session, std::move(options), now);
  members_.emplace(consumer->id, consumer);
  return consumer;
}

Consumer* ConsumerGroup::Find(ConsumerId id) const {
  const auto it = members_.find(id);
  return it == members_.end() ? nullptr : it->second.get();
}

Consumer* ConsumerGroup::FindSession(uint64_t session) const {
  const auto it = absl::c_find_if(
      members_, [&](const auto& entry) { return entry.second->session == session; });
  return it == members_.end() ? nullptr : it->second.get();
}

std::string ConsumerGroup::NameOf(ConsumerId id) const {
  const Consumer* const consumer = Find(id);
  return consumer == nullptr ? "" : consumer->options.name;
}

std::vector<ConsumerId> ConsumerGroup::Assignable() const {
  std::vector<ConsumerId> healthy;
  std::vector<ConsumerId> stalled;
  for (const auto& [id, consumer] : members_) {
    if (!consumer->leaving) (consumer->stalled ? stalled : healthy).push_back(id);
  }
  return healthy.empty() ? stalled : healthy;
}

bool ConsumerGroup::AnyHealthyWithCredit() const {
  return absl::c_any_of(members_, [](const auto& entry) {
    const Consumer& consumer = *entry.second;
    return !consumer.stalled && !consumer.alone && !consumer.leaving && !consumer.closed &&
           consumer.CreditLeft();
  });
}

void ConsumerGroup::Wake(Consumer& consumer, WakeList* wake) {
  if (!consumer.waiting || consumer.closed) return;
  consumer.waiting = false;
  wake->push_back(members_.at(consumer.id));
}

void ConsumerGroup::WakeAll(WakeList* wake) {
  queue_.clear();
  for (const auto& [id, consumer] : members_) {
    consumer->queued = false;
    Wake(*consumer, wake);
  }
}

void ConsumerGroup::WakeNext(WakeList* wake) {
  std::shared_ptr<Consumer> next;
  std::vector<std::shared_ptr<Consumer>> stalled;
  size_t taken = 0;
  while (taken < queue_.size() && next == nullptr) {
    std::shared_ptr<Consumer> consumer = queue_[taken++].lock();
    if (consumer == nullptr) continue;
    consumer->queued = false;
    if (!consumer->waiting || !consumer->CreditLeft()) continue;
    if (consumer->stalled) {
      stalled.push_back(std::move(consumer));
    } else {
      next = std::move(consumer);
    }
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(taken));
  for (const std::shared_ptr<Consumer>& consumer : stalled) {
    if (next == nullptr) {
      next = consumer;
    } else {
      Enqueue(*consumer);
    }
  }
  if (next != nullptr) Wake(*next, wake);
}

void ConsumerGroup::Enqueue(Consumer& consumer) {
  if (!std::exchange(consumer.queued, true)) queue_.push_back(members_.at(consumer.id));
}

void ConsumerGroup::Release(ConsumerId id, const Usage& usage, WakeList* wake) {
  Consumer* const consumer = Find(id);
  if (consumer == nullptr) return;
  consumer->out.events -= usage.events;
  consumer->out.bytes -= usage.bytes;
  ABSL_ASSERT(consumer->out.events >= 0 && consumer->out.bytes >= 0);
  consumer->short_of_bytes = false;
  if (consumer->out.events == 0) {
    consumer->alone = false;
    // With nothing in flight, only another delivery can show whether the consumer responds again.
    if (consumer->stalled) consumer->probe_budget = std::max<int64_t>(consumer->probe_budget, 1);
  }
  Wake(*consumer, wake);
}

void ConsumerGroup::MarkOverdue(ConsumerId id) {
  Consumer* const consumer = Find(id);
  if (consumer == nullptr) return;
  consumer->stalled = true;
  consumer->probe_budget = 1;
}

void ConsumerGroup::NoteTrimmed(PartitionId partition, std::optional<ConsumerId> only,
                                const std::vector<std::pair<Offset, Offset>>& trimmed,
                                WakeList* wake) {
  for (const auto& [id, consumer] : members_) {
    if (only.value_or(id) != id) continue;
    AddTrimmed(trimmed, consumer->news[partition]);
    consumer->has_notices = true;
    Wake(*consumer, wake);
  }
}

}  // namespace eventhub
