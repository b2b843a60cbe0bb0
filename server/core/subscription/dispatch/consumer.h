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
#include "server/core/subscription/cursor/partition_cursor.h"
#include "server/core/subscription/dispatch/event_source.h"
#include "server/core/subscription/dispatch/request_memory.h"
#include "server/core/subscription/dispatch/settlement.h"

namespace eventhub {

// The contents of one response to a consumer.
struct ConsumeFrame {
  v1::ConsumeResponse control;  // Everything but the batches.
  std::vector<Delivery> deliveries;
  size_t bytes = 0;  // Of the events.

  bool empty() const { return deliveries.empty() && control.ByteSizeLong() == 0; }
};

// Notices about one partition. A later notice replaces earlier ones that were not sent, so notices
// stay in order, and are few for a consumer that does not read.
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
  // Called on any thread, without locks held, when a waiting consumer may have work. Must not
  // block.
  absl::AnyInvocable<void()> wake;
  // For its requests; shared by all consumers of its host. Null only if it makes none.
  std::shared_ptr<HostShares::Account> memory = nullptr;
};

// Guarded by the subscription's mutex, except for constants.
struct Consumer {
  Consumer(ConsumerId consumer_id, uint64_t consumer_session, ConsumerOptions consumer_options,
           absl::Time now)
      : id(consumer_id),
        session(consumer_session),
        options(std::move(consumer_options)),
        requests(std::make_shared<RequestMemory>(options.memory)),
        connect_time(now) {}

  bool CreditLeft() const { return out.events < credit.events && out.bytes < credit.bytes; }

  const ConsumerId id;
  const uint64_t session;   // Its id for clients.
  ConsumerOptions options;  // Constant.
  const std::shared_ptr<RequestMemory> requests;
  const absl::Time connect_time;

  Usage credit{1000, int64_t{16} << 20};
  Usage out;

  // To be sent with the next frame.
  v1::ConsumeResponse notices;        // Without settlements.
  std::vector<SettleAnswer> answers;  // In the order of settling.
  absl::btree_map<PartitionId, PartitionNews> news;
  bool has_notices = false;
  bool waiting = false;         // Idle until it is woken.
  bool queued = false;          // In ConsumerGroup's queue for events.
  bool short_of_bytes = false;  // The next event, on the disk, exceeds the remaining credit.
  bool leaving = false;
  bool leaving_at_once = false;  // Without waiting for events in flight.
  bool closed = false;
  bool stalled = false;          // A lease expired, and nothing was received since.
  bool alone = false;            // Its event in flight is delivered in isolation.
  int64_t probe_budget = 0;      // QUEUE, stalled: the number of events that it still gets.
  bool caught_up = false;        // Reported, and nothing was delivered since.
  bool may_fall_behind = false;  // Was caught up, and has been served from memory since.
  int unsettled = 0;             // Requests without a settlement yet.

  // Used by the polling thread only. The maximum size of the frame in progress, and whether it has
  // its notices: they come before its events, so nothing is added to it after later ones.
  size_t frame_bytes = 0;
  bool adds_on = false;
  std::optional<EventFetch> fetch;  // In progress, or to be carried out next.

  uint64_t acked = 0;
  uint64_t nacked = 0;
  absl::Time last_ack = absl::InfinitePast();
};

}  // namespace eventhub
