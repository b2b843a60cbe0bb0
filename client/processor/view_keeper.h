// Keeps the views of a processor up to date with the partitions that it has.
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

// Holds the events of a partition back until the views have all before them, and writes positions
// when events were settled without rows. On the strand only.
//
// When the first event of a lease comes, or the partition is assigned, the views are asked how far
// they are. What they do not have is read back from the topic and goes through the pipelines like
// any event, except that it is not settled and that nothing is published for it.
//
// That are all events that were ever delivered, not only those before the first unsettled one:
// events are settled out of order, and what another owner has settled beyond it is not delivered
// here. Those in between that are not settled are read back and delivered.
class ViewKeeper {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // The event may go on.
    virtual void TakeNow(Delivered delivered) = 0;
    // The lowest offset in flight of the partition, without those of replays; or `otherwise`.
    virtual int64_t LowestInFlight(uint32_t partition, int64_t otherwise) const = 0;
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

  // Whether the event may go on now. If not, it is taken, and given to TakeNow later, or dropped
  // because its lease ended.
  bool Admit(Delivered& delivered);
  // The partition is assigned from this offset on; what is delivered before or after says the same.
  void OnAssigned(const client::AssignedPartition& next);
  void OnRevoked(uint32_t partition);
  // All leases ended.
  void Clear();

  // An event that was read back began, and is done.
  void OnRestored(const Arrival& arrival);
  void OnRestoredDone(uint32_t partition);
  void OnSettled(const Arrival& arrival);

  // How far the view is when what is in flight is not, in the generation that is known here.
  PositionsInView PositionsOf(const View& view, const std::vector<uint32_t>& partitions) const;
  // A write went to this generation.
  void OnWritten(const View& view, uint64_t generation);
  // Some view may have a new generation.
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
    // What is being read back.
    int64_t from = 0;
    int64_t target = 0;
    int64_t read_to = 0;
    uint64_t restored = 0;
    size_t restoring = 0;      // In flight.
    bool read = false;         // All of it was read.
    absl::Time told;           // The progress.
    bool redelivered = false;  // What the check in progress is told.
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
  std::map<uint32_t, int> reads_;  // In progress, by partition: also those that nobody waits for.
  uint64_t last_check_ = 0;
  std::set<uint32_t> settled_;  // Since positions were written.
  bool timer_armed_ = false;
};

}  // namespace eventhub::processor::internal
