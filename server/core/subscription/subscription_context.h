// What subscriptions depend on.
#pragma once

#include <atomic>
#include <cstdint>

#include "server/core/base/alarm.h"
#include "server/core/base/host_shares.h"
#include "server/core/base/memory_meter.h"
#include "server/core/read/topic_reader.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

class HistoryReads;
class ParkingQueue;

// Outlives the subscriptions.
struct SubscriptionContext {
  const LogStore& store;
  LogWriter& writer;
  const Clock& clock;
  const TopicCatalog& topics;
  ReadCounters& reads;
  Alarm& alarm;
  ParkingQueue& parking;              // Of events that become dead letters.
  HistoryReads& history;              // Reads what the log does not have any more.
  std::atomic<uint64_t>& next_epoch;  // Of leases; also grows across restarts.
  uint64_t generation;                // The number of times the store was opened; starts at 1.
  MemoryMeter& pending_memory;        // Of pending ranges.
  HostShares& request_memory;         // Of consumers' requests and their answers.
  MemoryMeter& filter_memory;         // Of filters, compiled.
};

}  // namespace eventhub
