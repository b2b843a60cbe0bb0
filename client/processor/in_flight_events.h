// The events that a processor has and that are not settled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "client/processor/delivered.h"
#include "eventhub/processor/internal/trigger.h"

namespace eventhub::processor::internal {

// Owns them; reuses their memory. On the strand only.
class InFlightEvents {
 public:
  InFlightEvents() = default;
  ~InFlightEvents();
  InFlightEvents(const InFlightEvents&) = delete;
  InFlightEvents& operator=(const InFlightEvents&) = delete;

  // Adds an event with a task for each pipeline; its `event` is not parsed.
  InFlight& Add(Delivered& delivered, size_t pipelines);
  // Its tasks are clear.
  void Remove(Trigger& trigger);

  bool empty() const { return all_.oldest == nullptr; }
  // In the order in which they came: `among_all` has the one after it.
  const Trigger* oldest() const { return all_.oldest; }
  // Lowers the offset of each partition to its lowest one here, without replayed events.
  void LowerToInFlight(std::map<uint32_t, int64_t>& offsets) const;

  // If the event is there: the former delivery is lost. To be called for each event that comes.
  void Supersede(const Delivered& delivered);

 private:
  // Events in the order in which they came.
  template <Trigger::Place Trigger::*place>
  struct List {
    Trigger* oldest = nullptr;
    Trigger* newest = nullptr;

    void Add(Trigger& trigger);
    void Remove(Trigger& trigger);
  };
  struct Partition {
    List<&Trigger::in_partition> events{};  // Without replayed ones.
    bool ascending = true;                  // The offsets.
  };

  std::vector<std::unique_ptr<InFlight>> free_;
  List<&Trigger::among_all> all_;
  std::vector<Partition> partitions_;
  uint64_t next_number_ = 0;
  // Of the events delivered in the newest session: the end of each partition's offsets.
  uint64_t newest_session_ = 0;
  std::vector<int64_t> ends_;
};

}  // namespace eventhub::processor::internal
