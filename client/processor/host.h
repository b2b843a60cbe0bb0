// The environment of an engine: a hub, or a test.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "eventhub/processor/internal/stored_state.h"
#include "eventhub/processor/internal/trigger.h"
#include "eventhub/subscriber.h"
#include "eventhub/transaction.h"

namespace eventhub::processor::internal {

// All methods are called on the engine's strand.
class Host {
 public:
  virtual ~Host() = default;

  // Settles the event with an outcome. Events that were read back are not settled.
  virtual void Settle(Trigger& trigger, client::Outcome outcome) = 0;

  // Attempts a transaction, once or more often; calls `done` once, on any thread.
  virtual void Commit(client::Transaction transaction,
                      absl::AnyInvocable<void(absl::Status) &&> done) = 0;

  // Runs `work`, and then `done`, on a thread that may block, in the order of the calls.
  virtual void Block(absl::AnyInvocable<void() &&> work, absl::AnyInvocable<void() &&> done) = 0;

  // Reads the events of the subscription with offsets in [from, to) back from its topic, if the
  // topic still has them, and passes them to Engine::TakeRestored, on the strand. Then calls
  // `done`, on the strand, unless the engine is closed first.
  virtual void ReadBack(uint32_t partition, int64_t from, int64_t to,
                        absl::AnyInvocable<void(absl::Status) &&> done) = 0;

  // Reads the latest event with the key in the topic, in any order; calls `done` once, on any
  // thread. FAILED_PRECONDITION if state by key is not possible with the subscription.
  virtual void ReadState(const std::string& topic, const std::string& key,
                         TakeStoredState done) = 0;
};

}  // namespace eventhub::processor::internal
