// The records of faults: what became of the dead letters of one event in one pipeline.
#pragma once

#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/subscription/cursor/effects.h"
#include "server/core/subscription/records.pb.h"
#include "server/core/subscription/subscription.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

// How long closed faults are kept.
inline constexpr absl::Duration kKeepClosedFaults = absl::Hours(30 * 24);

// Fault ids are hexadecimal outside of the store. The key of a valid id.
std::string FaultKeyOf(SubscriptionId subscription, absl::string_view id);

// Reads one key from disk. DATA_LOSS: the record is damaged.
absl::StatusOr<std::optional<stored::Fault>> ReadFault(const LogStore& store,
                                                       const Subscription& subscription,
                                                       absl::string_view id);
absl::StatusOr<stored::Fault> ParseFault(const Subscription& subscription, absl::string_view value);

// Commit thread. Adds the dead letter at `place`, after ReadFault for its id returned `before`: an
// open letter of the same fault is replaced.
void OpenFault(CommitBuilder& commit, Subscription& subscription, const std::string& id,
               const std::optional<stored::Fault>& before, const DeadLetterPlace& place,
               stored::DeadLetter letter);

// Commit thread. The letter at `place` is redriven or discarded; the caller deletes it.
void CloseFault(CommitBuilder& commit, Subscription& subscription, const DeadLetterPlace& place,
                const stored::DeadLetter& letter, stored::Fault::State state);

// What became of a closed fault.
v1::DeadLetter::State StateOf(const Subscription& subscription, const stored::Fault& fault);

// Deletes closed faults of the subscription whose letters were closed before `limit`, in pieces of
// a commit each, up to where `cancelled`. Blocks on the disk.
absl::Status ForgetFaults(const SubscriptionContext& context,
                          const std::shared_ptr<Subscription>& subscription, absl::Time limit,
                          absl::FunctionRef<bool()> cancelled);

}  // namespace eventhub
