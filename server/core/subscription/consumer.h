// A consumer of a subscription, as the subscription sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/read/topic_reader.h"
#include "server/core/subscription/event_source.h"
#include "server/core/subscription/partition_cursor.h"

namespace eventhub {

// What one response to a consumer holds.
struct ConsumeFrame {
  v1::ConsumeResponse control;  // All but the batches.
  std::vector<Delivery> deliveries;
  size_t bytes = 0;  // Of the events.

  bool empty() const { return deliveries.empty() && control.ByteSizeLong() == 0; }
};

// What a consumer is to be told of a partition. What comes later makes void what was not said yet:
// so it is said in order, and stays small at a consumer that takes nothing.
struct PartitionNews {
  std::optional<v1::PartitionLease> revoked;
  std::optional<v1::PartitionLease> assigned;  // After that.
  std::optional<v1::PartitionLease> draining;  // After that.
  std::vector<std::pair<Offset, Offset>> trimmed;
};

struct ConsumerOptions {
  std::string name;
  std::string address;
  size_t max_frame_bytes = size_t{1} << 20;
  // Called, on any thread and without a lock held, when a consumer that had nothing to do may have
  // something. Must not block.
  absl::AnyInvocable<void()> wake;
};

// Guarded by the subscription's mutex, but for what is constant.
struct Consumer {
  Consumer(ConsumerId consumer_id, uint64_t consumer_session, ConsumerOptions consumer_options,
           absl::Time now)
      : id(consumer_id),
        session(consumer_session),
        options(std::move(consumer_options)),
        connect_time(now) {}

  bool CreditLeft() const { return out.events < credit.events && out.bytes < credit.bytes; }

  const ConsumerId id;
  const uint64_t session;   // What clients know it by.
  ConsumerOptions options;  // Constant.
  const absl::Time connect_time;

  Usage credit{1000, int64_t{16} << 20};
  Usage out;

  // To be said with the next frame.
  v1::ConsumeResponse notices;
  absl::btree_map<PartitionId, PartitionNews> news;
  bool has_notices = false;
  bool waiting = false;         // Nothing to do until it is woken.
  bool queued = false;          // In ConsumerGroup's queue for events.
  bool short_of_bytes = false;  // The next event, on the disk, does not fit what credit is left.
  bool leaving = false;
  bool leaving_at_once = false;  // Without waiting for what is out.
  bool closed = false;
  bool stalled = false;          // Lost a lease for want of acks, and was not heard of since.
  bool alone = false;            // What is out is to be out alone.
  int64_t probe_budget = 0;      // QUEUE, stalled: events that it gets nevertheless.
  bool caught_up = false;        // Said so, and nothing was delivered since.
  bool may_fall_behind = false;  // Was caught up, and has been served from memory since.
  int unsettled = 0;             // Requests without a settlement yet.

  // Of whoever polls: the size of the frame that is being made, at most.
  size_t frame_bytes = 0;
  std::optional<EventFetch> fetch;  // Under way, or to be carried out next.

  uint64_t acked = 0;
  uint64_t nacked = 0;
  absl::Time last_ack = absl::InfinitePast();
};

}  // namespace eventhub
