#include "client/src/subscribe/work_queue.h"

#include <algorithm>
#include <utility>

#include "absl/base/macros.h"
#include "client/src/publish/event_key.h"
#include "client/src/subscribe/lease.h"
#include "eventhub/partition.h"

namespace eventhub::client {

void WorkQueue::Lane::Pop() {
  ++head;
  if (empty()) {
    items.clear();
    head = 0;
  } else if (head >= 64 && head * 2 >= items.size()) {
    items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(head));
    head = 0;
  } else {
    items[head - 1].delivery.reset();
  }
}

WorkQueue::WorkQueue() : shared_(new Lane{.key = 0, .exclusive = false}) {}

WorkQueue::~WorkQueue() = default;

WorkQueue::Lane& WorkQueue::LaneFor(uint64_t key, bool exclusive) {
  if (!exclusive) return *shared_;
  std::unique_ptr<Lane>& lane = lanes_[key];
  if (lane == nullptr) lane.reset(new Lane{.key = key, .exclusive = true});
  return *lane;
}

void WorkQueue::Add(std::shared_ptr<Delivery> delivery) {
  if (order_ == Order::kPerKey) {
    AddByKey(delivery);
    return;
  }
  const EventBatch& batch = delivery->batch();
  Lane& lane = LaneFor(batch.partition(), order_ == Order::kPerPartition);
  Add(lane, {std::move(delivery), batch.begin(), 0, batch.size()});
}

void WorkQueue::AddByKey(const std::shared_ptr<Delivery>& delivery) {
  const EventBatch& batch = delivery->batch();
  size_t i = 0;
  for (auto it = batch.begin(); i < batch.size(); ++it, ++i) {
    const std::string_view key = PartitionKey(it->bytes());
    Lane& lane = LaneFor(KeyHash(key), !key.empty());
    // Consecutive events with the same key, or without keys, form one item.
    if (!lane.empty() && lane.items.back().delivery == delivery && lane.items.back().end == i) {
      ++lane.items.back().end;
    } else {
      Add(lane, {delivery, it, i, i + 1});
    }
  }
}

void WorkQueue::Add(Lane& lane, Item item) {
  lane.items.push_back(std::move(item));
  MakeReady(lane);
}

void WorkQueue::MakeReady(Lane& lane) {
  if (lane.ready || lane.empty() || (lane.exclusive && lane.running > 0)) return;
  lane.ready = true;
  ready_.push_back(&lane);
}

void WorkQueue::ForgetIfIdle(Lane& lane) {
  if (lane.exclusive && lane.empty() && lane.running == 0 && !lane.ready) lanes_.erase(lane.key);
}

bool WorkQueue::DropVoid(Lane& lane, absl::Duration now) {
  const Item& item = lane.items[lane.head];
  Delivery& delivery = *item.delivery;
  if (item.first < delivery.end() && !delivery.expired(now)) return false;
  // Other events of the delivery may be in handlers, and still get outcomes.
  delivery.lease().Forget(delivery, item.first, item.end - item.first);
  dropped_ += item.end - item.first;
  lane.Pop();
  return true;
}

std::optional<WorkQueue::Chunk> WorkQueue::Take(size_t max_events, absl::Duration now) {
  while (!ready_.empty()) {
    Lane& lane = *ready_.front();
    ready_.pop_front();
    lane.ready = false;
    while (!lane.empty() && DropVoid(lane, now)) {
    }
    if (lane.empty()) {
      ForgetIfIdle(lane);
      continue;
    }
    Item& item = lane.items[lane.head];
    const size_t end = std::min(item.end, item.delivery->end());
    Chunk chunk{item.delivery, item.at, item.first, std::min(end - item.first, max_events), &lane};
    if (item.first + chunk.count == item.end) {
      lane.Pop();
    } else {
      for (size_t i = 0; i < chunk.count; ++i) ++item.at;
      item.first += chunk.count;
    }
    ++lane.running;
    MakeReady(lane);
    return chunk;
  }
  return std::nullopt;
}

void WorkQueue::PutBack(const Chunk& chunk, EventBatch::Iterator at, size_t next) {
  Lane& lane = *chunk.lane;
  Item item{chunk.delivery, at, next, chunk.first + chunk.count};
  if (lane.head > 0) {
    lane.items[--lane.head] = std::move(item);
  } else {
    lane.items.insert(lane.items.begin(), std::move(item));
  }
  MakeReady(lane);
}

void WorkQueue::Done(const Chunk& chunk, size_t events) {
  Lane& lane = *chunk.lane;
  ABSL_ASSERT(lane.running >= events);
  lane.running -= events;
  MakeReady(lane);
  ForgetIfIdle(lane);
}

void WorkQueue::Separate(const Chunk& chunk) {
  ABSL_ASSERT(chunk.count == 1 || !chunk.lane->exclusive);
  chunk.lane->running += chunk.count - 1;
}

void WorkQueue::Clear() {
  ready_.clear();
  const auto clear = [this](Lane& lane) {
    for (size_t i = lane.head; i < lane.items.size(); ++i) {
      dropped_ += lane.items[i].end - lane.items[i].first;
    }
    lane.items.clear();
    lane.head = 0;
    lane.ready = false;
  };
  clear(*shared_);
  for (const auto& [key, lane] : lanes_) clear(*lane);
  absl::erase_if(lanes_, [](const auto& entry) { return entry.second->running == 0; });
}

}  // namespace eventhub::client
