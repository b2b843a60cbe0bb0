// Who calls the hub, from where, and how long the caller waits for the answer.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/commit_task.h"

namespace eventhub {

// Every call of a facade takes a Caller, so that everything that depends on the caller (permission,
// quotas, audit) is decided from it alone. The network layer creates one per unary call and one per
// stream: requests on a stream cost nothing.
//
// Immutable; thread-safe. Copies are equivalent. A call that continues after its method has
// returned keeps a copy.
class Caller {
 public:
  // Returns OK while the caller waits for the answer, otherwise why not. Thread-safe.
  using Ending = std::function<absl::Status()>;

  // `principal` is the name of the caller, `peer` its address; neither is empty. The caller waits
  // until `deadline`, by the monotonic time of `clock`, which outlives the call. `ending` is not
  // called after the call is answered.
  Caller(std::string principal, std::string peer, const Clock& clock, absl::Duration deadline,
         Ending ending)
      : principal_(std::move(principal)),
        peer_(std::move(peer)),
        clock_(&clock),
        deadline_(deadline),
        ending_(std::move(ending)),
        flow_(SharedFlow()) {}

  // The same caller on a stream whose changes wait in a flow of its own. `flow` is less than 2^63,
  // and not kHubFlow.
  Caller OnStream(CommitFlow flow) && {
    flow_ = flow;
    return std::move(*this);
  }

  // A part of the hub itself, such as "link orders": it always waits for the answer.
  static Caller Internal(absl::string_view part);

  const std::string& principal() const { return principal_; }
  // As gRPC writes it, e.g. "ipv4:10.0.0.7:53122".
  const std::string& peer() const { return peer_; }
  // The host of that address; see HostOf.
  std::string host() const;

  // Changes of one flow are made in the order of the requests; flows take turns (FairQueue). A
  // stream has a flow, all unary calls from one address have one, and each part of the hub has one.
  CommitFlow flow() const { return flow_; }

  // Returns OK while the caller waits for the answer, otherwise why the call should end early:
  // DEADLINE_EXCEEDED, CANCELLED, or UNAVAILABLE if the hub shuts down. The message includes
  // `done`, if any, which describes the part that is done, such as "3 events were added". Must not
  // be called after the call is answered.
  absl::Status Interruption(absl::string_view done = "") const;

 private:
  CommitFlow SharedFlow() const;

  std::string principal_;
  std::string peer_;
  const Clock* clock_;
  absl::Duration deadline_;
  Ending ending_;
  CommitFlow flow_;
};

}  // namespace eventhub
