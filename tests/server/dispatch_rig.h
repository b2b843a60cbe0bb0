// The parts of a subscription that its schedulers work on, without a subscription: cursors on logs
// that a test can grow, consumers, and a clock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/core/subscription/cursor/cursor_set.h"
#include "server/core/subscription/dispatch/aftermath.h"
#include "server/core/subscription/dispatch/dispatch_context.h"
#include "storage/partition_log.h"
#include "tests/support/fake_clock.h"

namespace eventhub {

class DispatchRig {
 public:
  static constexpr uint32_t kEventBytes = 10;

  DispatchRig(const DeliveryRules& given, size_t partitions) : rules(given) {
    for (size_t p = 0; p < partitions; ++p) AddPartition();
    cursors.Grow(topic_);
  }

  void AddPartition() {
    const auto id = PartitionId(static_cast<uint32_t>(logs_.size()));
    logs_.push_back(
        std::make_unique<PartitionLog>(TopicId(1), id, LogBounds(), topic_mark_, commits_));
    topic_.partitions.push_back(logs_.back().get());
  }
  const TopicView& topic() const { return topic_; }

  // Makes `count` more events of a partition visible.
  void Append(size_t partition, uint32_t count) {
    PartitionLog& log = *logs_[partition];
    RecordBatch batch;
    batch.base = log.end();
    batch.header.count = count;
    log.Stage(batch, 0);
    log.MakeVisible(batch);
  }

  // A consumer that waits for events.
  Consumer& Connect(const std::string& name) {
    ConsumerOptions options;
    options.name = name;
    Consumer& consumer = *consumers.Add(++session_, std::move(options), absl::UnixEpoch());
    Wait(consumer);
    return consumer;
  }
  void Wait(Consumer& consumer) {
    consumer.waiting = true;
    consumers.Enqueue(consumer);
  }

  // Leases the next `count` events of a partition, which exist, to the consumer.
  void Lease(size_t partition, Consumer& consumer, uint32_t count, int64_t due) {
    PartitionCursor& cursor = *cursors[partition];
    const Candidate next = cursor.Next(rules, Flow::kLive).value();
    cursor.Lease(next, next.start, count, kEventBytes, consumer.id, due);
    consumer.out.events += count;
    consumer.out.bytes += count * kEventBytes;
  }
  // Acks them on the commit with that number; returns the effects, to be concluded.
  Effects Ack(size_t partition, const Consumer& consumer, int64_t to, int64_t commit) {
    Effects effects(commit);
    cursors[partition]->Ack(
        rules.queue, consumer.id, Offset(0), Offset(to), [](Offset, Offset) {}, &effects);
    return effects;
  }

  // The names of the consumers that were woken since the last call.
  std::vector<std::string> Woken() {
    std::vector<std::string> names;
    for (const auto& consumer : std::exchange(after.wake, {})) {
      names.push_back(consumer->options.name);
      consumer->waiting = true;
    }
    return names;
  }
  int64_t Now() const { return shared.Now(); }

  FakeClock clock;
  std::atomic<uint64_t> epochs{1};
  DeliveryRules rules;
  MemoryMeter memory{size_t{1} << 30};
  CursorSet cursors{SubscriptionId(1), clock, epochs, memory};
  ConsumerGroup consumers;
  SubscriptionCounters counters;
  const DispatchContext shared{cursors, consumers, counters, rules, clock, epochs};
  Aftermath after;

 private:
  Watermark topic_mark_;
  VisibleCommits commits_;
  std::vector<std::unique_ptr<PartitionLog>> logs_;
  TopicView topic_;
  uint64_t session_ = 0;
};

}  // namespace eventhub
