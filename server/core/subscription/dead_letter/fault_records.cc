#include "server/core/subscription/dead_letter/fault_records.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/stored_time.h"
#include "server/core/subscription/cursor/cursor_records.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// The number of faults that one commit forgets: each costs the commit thread a lookup.
constexpr size_t kForgottenAtOnce = 256;

class ForgetFaultsTask final : public CommitTask {
 public:
  ForgetFaultsTask(const SubscriptionContext& context, std::shared_ptr<Subscription> subscription,
                   std::vector<std::string> keys, absl::Time limit, StatusDone done)
      : context_(context),
        subscription_(std::move(subscription)),
        keys_(std::move(keys)),
        limit_(limit),
        done_(std::move(done)) {}

  void Prepare(CommitBuilder& commit) override {
    if (subscription_->submitted().closing) return;
    for (const std::string& key : keys_) {
      // It may have been opened again meanwhile, also by this commit.
      if (subscription_->submitted().changed_letters.contains(key)) continue;
      const absl::StatusOr<std::optional<std::string>> value =
          context_.store.Get(Column::kMeta, key);
      if (!value.ok() || !value->has_value()) continue;
      const absl::StatusOr<stored::Fault> fault = ParseFault(*subscription_, **value);
      if (!fault.ok() || fault->state() == stored::Fault::OPEN ||
          absl::FromUnixMicros(fault->close_time_micros()) >= limit_) {
        continue;
      }
      commit.Delete(Column::kMeta, key);
    }
  }
  void Done(const absl::Status& status) override { std::move(done_)(OutcomeOf({}, status)); }
  size_t bytes() const override { return keys_.size() * sizeof(std::string); }
  // If a power loss undoes it, a later run repeats it.
  bool synced() const override { return false; }

 private:
  const SubscriptionContext& context_;
  const std::shared_ptr<Subscription> subscription_;
  const std::vector<std::string> keys_;
  const absl::Time limit_;
  StatusDone done_;
};

}  // namespace

std::string FaultKeyOf(SubscriptionId subscription, absl::string_view id) {
  return FaultKey(subscription, absl::HexStringToBytes(id));
}

absl::StatusOr<stored::Fault> ParseFault(const Subscription& subscription,
                                         absl::string_view value) {
  stored::Fault fault;
  if (!fault.ParseFromArray(value.data(), static_cast<int>(value.size())) || fault.version() != 1 ||
      !IsStoredTime(fault.first_time_micros()) || !IsStoredTime(fault.close_time_micros()) ||
      !IsStoredTime(fault.letter().time_micros()) ||
      !IsStoredTime(fault.letter().first_time_micros())) {
    return absl::DataLossError(absl::StrCat("a fault of ", subscription.name(), " is damaged"));
  }
  return fault;
}

absl::StatusOr<std::optional<stored::Fault>> ReadFault(const LogStore& store,
                                                       const Subscription& subscription,
                                                       absl::string_view id) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   store.Get(Column::kMeta, FaultKeyOf(subscription.id(), id)));
  if (!value.has_value()) return std::nullopt;
  ASSIGN_OR_RETURN(stored::Fault fault, ParseFault(subscription, *value));
  return fault;
}

void OpenFault(CommitBuilder& commit, Subscription& subscription, const std::string& id,
               const std::optional<stored::Fault>& before, const DeadLetterPlace& place,
               stored::DeadLetter letter) {
  letter.set_fault_id(absl::HexStringToBytes(id));
  letter.set_failures(before.has_value() ? before->failures() + 1 : 1);
  letter.set_first_time_micros(before.has_value() ? before->first_time_micros()
                                                  : letter.time_micros());
  if (before.has_value() && before->state() == stored::Fault::OPEN) {
    const DeadLetterPlace old = DecodePlace(before->place());
    const std::string key = DeadLetterKey(subscription.id(), old.topic, old.partition, old.offset);
    // Unless an earlier task of the same commit closed it.
    if (subscription.submitted().changed_letters.insert(key).second) {
      commit.Delete(Column::kCursors, key);
      subscription.NoteLetters(commit, -1);
    }
  }
  stored::Fault fault;
  fault.set_version(1);
  fault.set_state(stored::Fault::OPEN);
  *fault.mutable_place() = EncodePlace(place);
  fault.set_failures(letter.failures());
  fault.set_first_time_micros(letter.first_time_micros());
  const std::string key = FaultKeyOf(subscription.id(), id);
  subscription.submitted().changed_letters.insert(key);
  commit.Put(Column::kMeta, key, fault.SerializeAsString());
  commit.Put(Column::kCursors,
             DeadLetterKey(subscription.id(), place.topic, place.partition, place.offset),
             letter.SerializeAsString());
  subscription.NoteLetters(commit, 1);
}

void CloseFault(CommitBuilder& commit, Subscription& subscription, const DeadLetterPlace& place,
                const stored::DeadLetter& letter, stored::Fault::State state) {
  if (letter.fault_id().size() != kFaultIdBytes) return;  // An older hub made it.
  stored::Fault fault;
  fault.set_version(1);
  fault.set_state(state);
  *fault.mutable_place() = EncodePlace(place);
  fault.set_failures(letter.failures());
  fault.set_first_time_micros(letter.first_time_micros());
  fault.set_close_time_micros(absl::ToUnixMicros(commit.now()));
  *fault.mutable_letter() = letter;
  const std::string key = FaultKey(subscription.id(), letter.fault_id());
  subscription.submitted().changed_letters.insert(key);
  commit.Put(Column::kMeta, key, fault.SerializeAsString());
}

v1::DeadLetter::State StateOf(const Subscription& subscription, const stored::Fault& fault) {
  switch (fault.state()) {
    case stored::Fault::DISCARDED:
      return v1::DeadLetter::STATE_DISCARDED;
    case stored::Fault::REDRIVEN:
      return subscription.IsUnsettledFor(PartitionId(fault.letter().source_partition()),
                                         Offset(fault.letter().source_offset()),
                                         fault.letter().detail().pipeline())
                 ? v1::DeadLetter::STATE_RESUBMITTED
                 : v1::DeadLetter::STATE_RESOLVED;
    default:
      return fault.failures() > 1 ? v1::DeadLetter::STATE_FAILED_AGAIN : v1::DeadLetter::STATE_OPEN;
  }
}

absl::Status ForgetFaults(const SubscriptionContext& context,
                          const std::shared_ptr<Subscription>& subscription, absl::Time limit,
                          absl::FunctionRef<bool()> cancelled) {
  const std::string prefix = FaultPrefix(subscription->id());
  std::string from = prefix;
  for (bool more = true; more;) {
    if (cancelled()) return absl::CancelledError("the upkeep of faults is cancelled");
    more = false;
    size_t looked_at = 0;
    std::vector<std::string> keys;
    absl::Status status;
    RETURN_IF_ERROR(context.store.ScanFrom(
        Column::kMeta, prefix, from, [&](absl::string_view key, absl::string_view value) {
          if (++looked_at > kForgottenAtOnce) {
            from = std::string(key);
            more = true;
            return false;
          }
          const absl::StatusOr<stored::Fault> fault = ParseFault(*subscription, value);
          status = fault.status();
          if (!status.ok()) return false;
          const bool open = fault->state() == stored::Fault::OPEN ||
                            StateOf(*subscription, *fault) == v1::DeadLetter::STATE_RESUBMITTED;
          if (!open && absl::FromUnixMicros(fault->close_time_micros()) < limit) {
            keys.emplace_back(key);
          }
          return true;
        }));
    RETURN_IF_ERROR(status);
    if (keys.empty()) continue;
    RETURN_IF_ERROR(AwaitOutcome([&](StatusDone done) {
      context.writer.Submit(std::make_unique<ForgetFaultsTask>(
          context, subscription, std::move(keys), limit, std::move(done)));
    }));
  }
  return absl::OkStatus();
}

}  // namespace eventhub
