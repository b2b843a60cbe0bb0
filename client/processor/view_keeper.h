// Brings the views of a processor up to date when partitions are assigned to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/processor/delivered.h"
#include "client/processor/strand.h"
#include "client/processor/views/view_core.h"
#include "eventhub/processor/internal/runtime.h"
#include "eventhub/processor/status.h"
#include "eventhub/processor/view.h"
#include "eventhub/processor/view_store.h"
#include "eventhub/subscriber.h"

namespace eventhub::processor::internal {

// Holds back the events of a partition until the views have all earlier events, and writes
// positions when events were settled without rows. On the strand only.
//
// When a partition is assigned, or the first event of a lease arrives, the keeper asks the views
// for their positions. Events that they lack are read back from the topic and run through the
// pipelines like any event, except that they are not settled and nothing is published for them.
//
// All events that were ever delivered are read back, not only those before the first unsettled one:
// events are settled out of order, and events behind it that another owner has settled are not
// delivered here. Unsettled events among them are both read back and delivered.
class ViewKeeper {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Called when the event may be processed.
    virtual void TakeNow(Delivered delivered) = 0;
    // Lowers the offset of each partition to the lowest one in flight, without replayed events.
    virtual void LowerToInFlight(std::map<uint32_t, int64_t>& offsets) const = 0;
    virtual void ReadBack(uint32_t partition, int64_t from, int64_t to,
                          absl::AnyInvocable<void(absl::Status) &&> done) = 0;
    virtual void Block(absl::AnyInvocable<void() &&> work, absl::AnyInvocable<void() &&> done) = 0;
    // Of the pipelines with views.
    virtual void SetViewState(PipelineState::Kind kind, const std::string& what,
                              const std::string& because) = 0;
    virtual bool closing() const = 0;
  };

  // `owner` and `clock` must outlive it.
  ViewKeeper(Owner& owner, Strand& strand, const Clock& clock)
      : owner_(owner), strand_(strand), clock_(clock) {}

  void Add(const std::shared_ptr<View>& view);
  bool active() const { return !views_.empty(); }

  // Returns whether the event may be processed now. If not, the keeper takes it, and later passes
  // it to TakeNow, or drops it if its lease has ended.
  bool Admit(Delivered& delivered);
  // The partition is assigned from this offset on. Events delivered before or after this call
  // report the same offset.
  void OnAssigned(const client::AssignedPartition& next);
  void OnRevoked(uint32_t partition);
  // All leases have ended.
  void Clear();

  // An event that was read back has begun, or is done.
  void OnRestored(const Arrival& arrival);
  void OnRestoredDone(uint32_t partition);
  void OnSettled(const Arrival& arrival);

  // The position of the view without the events in flight, in the generation that is known here.
  PositionsInView PositionsOf(const View& view, const std::vector<uint32_t>& partitions) const;
  // A write was made to this generation.
  void OnWritten(const View& view, uint64_t generation);
  // A view may have a new generation.
  void CheckAll();

 private:
  enum class State { kUnknown, kChecking, kReading, kReady };
  struct Partition {
    State state = State::kUnknown;
    uint64_t lease_epoch = 0;  // 0: not known yet.
    uint64_t check = 0;        // Identifies the check or reading in progress.
    int64_t end = 0;           // After the last event taken.
    int64_t first_new = 0;     // Of the lease, see client::EventBatch.
    std::deque<Delivered> held{};
    // The events being read back.
    int64_t from = 0;
    int64_t target = 0;
    int64_t read_to = 0;
    uint64_t restored = 0;
    size_t restoring = 0;      // In flight.
    bool read = false;         // Whether all of them were read.
    absl::Time told;           // When the progress was last reported.
    bool redelivered = false;  // An argument of the check in progress.
    int failures = 0;          // In a row.
  };

  void Check(uint32_t number, int64_t offset, bool redelivered);
  void OnResumePoints(uint32_t number, int64_t offset,
                      const absl::StatusOr<std::vector<ViewCore::ResumePoint>>& points);
  void OnRead(uint32_t number, uint64_t check, const absl::Status& status);
  void CheckLater(uint32_t number, const absl::Status& error);
  void MayBeReady(uint32_t number);
  void TellProgress(uint32_t number, Partition& partition);
  // Calls `then` with the partition if `check` is still the one in progress.
  template <typename Then>
  void IfCurrent(uint32_t number, uint64_t check, const Then& then);

  void WritePositionsLater();
  void WritePositions();

  Owner& owner_;
  Strand& strand_;
  const Clock& clock_;
  std::vector<std::shared_ptr<View>> views_;
  std::map<const View*, uint64_t> generations_;  // Of the last check or write.
  std::map<uint32_t, Partition> partitions_;
  std::map<uint32_t, int> reads_;  // In progress, by partition, including abandoned ones.
  uint64_t last_check_ = 0;
  std::set<uint32_t> settled_;  // Partitions with events settled since positions were written.
  bool timer_armed_ = false;
};

}  // namespace eventhub::processor::internal
