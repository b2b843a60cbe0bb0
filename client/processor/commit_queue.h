// Commits the events that pipelines publish, together with the acks of the events that caused them.
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
// Each bundle succeeds or fails independently. A group that the hub refuses is committed again as
// two halves, until the bundles that cause the refusal are alone. Such a bundle is lost if its
// events are no longer leased. It has failed if the hub does not accept one of its events. If it is
// refused for another reason, e.g. a missing topic, it is held back with all bundles for the same
// topics, and these are retried one at a time, with growing delays.
//
// A transaction without a reply is repeated under its id until there is one.
class CommitQueue {
 public:
  // Starts transactions for the queue, and receives their outcomes.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Starts one attempt to commit. The answer is passed to OnAnswer, on the strand.
    virtual void Commit(client::Transaction transaction) = 0;
    // The bundle is in the log. `acked`: so are the acks of its events without faults.
    virtual void OnCommitted(Bundle& bundle, bool acked) = 0;
    virtual void OnLost(Bundle& bundle) = 0;
    // The hub does not accept an event that `task` emitted; null: that any of the tasks emitted.
    virtual void OnRefused(Bundle& bundle, Task* task, const absl::Status& error) = 0;
    // The pipelines of a bundle wait, or are broken; kRunning: they no longer are.
    virtual void OnState(const Bundle& bundle, PipelineState::Kind kind, const std::string& what,
                         const std::string& because) = 0;
    // The session of the present leases.
    virtual uint64_t session() const = 0;
    virtual bool IsLost(const Trigger& trigger) const = 0;
    virtual bool closing() const = 0;
  };

  CommitQueue(Owner& owner, Strand& strand, const Clock& clock, std::string subscription,
              const CommitWindow& window);

  // Adds a bundle that publishes events.
  void Add(Bundle bundle);
  // Commits bundles that are due. Called when the strand has nothing else to do.
  void OnIdle();
  void OnAnswer(const absl::Status& status);
  // From now on, transactions do not wait for more bundles.
  void Drain() { draining_ = true; }

 private:
  struct Group {
    std::vector<Bundle> bundles;
    Task* piece = nullptr;  // The one task to commit of a piecewise bundle.
    std::string id{};
    uint64_t session = 0;  // Set when it is started.
  };
  // Bundles for the same topics, which the hub refuses at present.
  struct Stall {
    client::RetryOptions delays{.initial_delay = absl::Milliseconds(100),
                                .max_delay = absl::Seconds(30)};
    client::Backoff backoff{delays};
    std::deque<Bundle> bundles{};
  };

  bool WindowIsFull() const;
  // Sets the timer for the end of the commit window.
  void ArmTimer();
  // Moves the next bundles that may be committed together, at least one, to `ready_`.
  void GatherGroup();
  void AddPieces(Bundle bundle);
  void Start(Group group);

  // Whether an event of the bundle is no longer leased.
  bool IsLost(const Bundle& bundle) const;
  void Lose(Bundle& bundle);
  void OnCommitted(Group group);
  void OnRefused(Group group, const absl::Status& status);
  // Called when a piece of the bundle is done.
  void FinishPiece(Bundle& bundle);
  // Drops the pieces of the bundle that were not started.
  void DropPieces(const Bundle& bundle);
  void Divide(Group group);
  void RetryLater(const absl::Status& status);
  void Hold(Bundle bundle, const absl::Status& status);
  void Release(const std::string& topics);
  // Reports the state to the pipelines of the group in progress.
  void TellState(PipelineState::Kind kind, const std::string& because);

  std::string NewId();
  std::string PieceId(const Task& task);
  // Returns an equal transaction each time. Copies the encoded events, which are needed again if
  // the hub refuses the group.
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
  absl::Duration since_;  // When the first of them was added.
  bool timer_armed_ = false;
  bool draining_ = false;

  std::deque<Group> ready_;
  std::optional<Group> in_progress_;
  client::Backoff backoff_;
  bool retrying_ = false;  // The pipelines in progress were told that they wait.
  std::map<std::string, Stall> stalls_;
};

}  // namespace eventhub::processor::internal
