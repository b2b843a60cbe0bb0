// Commits what pipelines publish, together with the acks of the events that caused it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/processor/bundle.h"
#include "client/processor/strand.h"
#include "client/src/base/backoff.h"
#include "eventhub/processor/processor.h"
#include "eventhub/transaction.h"

namespace eventhub::processor::internal {

// Groups bundles into transactions, one of which is in progress at a time. On the strand only.
//
// Whatever becomes of a bundle is its own fate. A group that the hub refuses is committed again as
// two halves, until the bundles that are to blame are alone. Then: a bundle whose events are no
// longer leased is lost; a bundle with an event that the hub does not accept has failed; a bundle
// that is refused because of something else, e.g. a missing topic, is held back with all that go to
// the same topics, and tried again, one at a time, with growing delays.
//
// A transaction without a reply is repeated under its id until there is one.
class CommitQueue {
 public:
  // What the queue needs, and whom it tells.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Starts to commit, once. The answer is given to OnAnswer, on the strand.
    virtual void Commit(client::Transaction transaction) = 0;
    // All of it is in the log. `acked`: so are the acks of the events without faults.
    virtual void OnCommitted(Bundle& bundle, bool acked) = 0;
    virtual void OnLost(Bundle& bundle) = 0;
    // The hub does not accept what `task`, or all tasks if it is null, emitted.
    virtual void OnRefused(Bundle& bundle, Task* task, const absl::Status& error) = 0;
    // The pipelines of a bundle wait, or are broken; kRunning: no longer.
    virtual void OnState(const Bundle& bundle, PipelineState::Kind kind, const std::string& what,
                         const std::string& because) = 0;
    // The session that leases events now.
    virtual uint64_t session() const = 0;
    virtual bool IsLost(const Trigger& trigger) const = 0;
    virtual bool closing() const = 0;
  };

  CommitQueue(Owner& owner, Strand& strand, const Clock& clock, std::string subscription,
              const CommitWindow& window);

  // Adds a bundle that publishes something.
  void Add(Bundle bundle);
  // Commits what is due. Called when the strand has nothing else to do.
  void OnIdle();
  void OnAnswer(const absl::Status& status);
  // Nothing waits for more from here on.
  void Drain() { draining_ = true; }

 private:
  struct Group {
    std::vector<Bundle> bundles;
    Task* piece = nullptr;  // The one task to commit of a piecewise bundle.
    std::string id{};
    uint64_t session = 0;  // Once it was started.
  };
  // Bundles that go to the same topics, which the hub refuses for now.
  struct Stall {
    client::RetryOptions delays{.initial_delay = absl::Milliseconds(100),
                                .max_delay = absl::Seconds(30)};
    client::Backoff backoff{delays};
    std::deque<Bundle> bundles{};
  };

  bool WindowIsFull() const;
  // Makes the strand come back when the window is full.
  void ArmTimer();
  // Moves the next bundles that may go together to `ready_`; there is one at least.
  void GatherGroup();
  void AddPieces(Bundle bundle);
  void Start(Group group);

  // Whether an event of the bundle is no longer leased.
  bool IsLost(const Bundle& bundle) const;
  void Lose(Bundle& bundle);
  void OnCommitted(Group group);
  void OnRefused(Group group, const absl::Status& status);
  // A piece of the bundle is done with.
  void FinishPiece(Bundle& bundle);
  // Forgets the pieces of the bundle that were not started.
  void DropPieces(const Bundle& bundle);
  void Divide(Group group);
  void RetryLater(const absl::Status& status);
  void Hold(Bundle bundle, const absl::Status& status);
  void Release(const std::string& topics);
  // Tells the pipelines of the group in progress.
  void TellState(PipelineState::Kind kind, const std::string& because);

  std::string NewId();
  std::string PieceId(const Task& task);
  // The same each time. Copies the encoded events: they are needed again if the hub refuses the
  // group.
  client::Transaction Build(const Group& group) const;
  static std::string TopicsOf(const Bundle& bundle);

  Owner& owner_;
  Strand& strand_;
  const Clock& clock_;
  const std::string subscription_;
  const CommitWindow window_;
  std::string id_prefix_;
  uint64_t next_id_ = 0;

  std::deque<Bundle> waiting_;
  size_t events_ = 0;  // In waiting_.
  size_t bytes_ = 0;
  absl::Duration since_;  // When the first came.
  bool timer_armed_ = false;
  bool draining_ = false;

  std::deque<Group> ready_;
  std::optional<Group> in_progress_;
  client::Backoff backoff_;
  bool retrying_ = false;  // The pipelines in progress were told that they wait.
  std::map<std::string, Stall> stalls_;
};

}  // namespace eventhub::processor::internal
