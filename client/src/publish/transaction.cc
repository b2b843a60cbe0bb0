#include "eventhub/transaction.h"

#include <thread>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "client/src/base/backoff.h"
#include "client/src/base/failure.h"
#include "eventhub/error.h"
#include "storage/base/clock.h"

namespace eventhub::client {
namespace {

std::string NewId() {
  absl::BitGen random;
  return absl::StrCat(absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16),
                      absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

TransactionAck& AckFor(Transaction& transaction, uint32_t partition, uint64_t lease_epoch) {
  for (TransactionAck& ack : transaction.acks) {
    if (ack.partition == partition && ack.lease_epoch == lease_epoch) return ack;
  }
  return transaction.acks.emplace_back(
      TransactionAck{.partition = partition, .lease_epoch = lease_epoch});
}

void AddOffset(int64_t offset, TransactionAck& ack) {
  if (!ack.ranges.empty() && ack.ranges.back().end == offset) {
    ++ack.ranges.back().end;
  } else {
    ack.ranges.push_back({.start = offset, .end = offset + 1});
  }
}

absl::Status CheckOptions(const CommitOptions& options) {
  if (options.deadline <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("deadline: must be more than 0");
  }
  return CheckRetryOptions(options.retry);
}

// Only Connection::CancelCalls makes a call return CANCELLED.
bool MayTryAgain(const absl::Status& status) {
  return MayPass(status) && !absl::IsCancelled(status);
}

}  // namespace

Transaction::Transaction() : id(NewId()) {}

Transaction& Transaction::Append(const std::string& topic, v1::Event event) {
  const bool more = !appends.empty() && appends.back().topic == topic &&
                    !appends.back().partition && !appends.back().expected_offset;
  if (!more) appends.push_back({.topic = topic});
  appends.back().events.push_back(std::move(event));
  return *this;
}

Transaction& Transaction::Ack(const std::string& subscription_name, const ReceivedEvent& event) {
  subscription = subscription_name;
  session = event.session();
  AddOffset(event.offset(), AckFor(*this, event.partition(), event.lease_epoch()));
  return *this;
}

Transaction& Transaction::Ack(const std::string& subscription_name, const EventBatch& batch) {
  for (const ReceivedEvent& event : batch) Ack(subscription_name, event);
  return *this;
}

Transaction& Transaction::Expect(const std::string& topic, uint32_t partition,
                                 int64_t next_offset) {
  checks.push_back({.topic = topic, .partition = partition, .next_offset = next_offset});
  return *this;
}

absl::StatusOr<TransactionResult> Commit(Connection& hub, const Transaction& transaction,
                                         const CommitOptions& options) {
  if (const absl::Status status = CheckOptions(options); !status.ok()) return status;
  const Clock& clock = Clock::System();
  const absl::Duration end = clock.Monotonic() + options.deadline;
  Backoff backoff(options.retry);
  bool in_doubt = false;
  for (;;) {
    absl::StatusOr<TransactionResult> result =
        hub.transactions().Transact(transaction, end - clock.Monotonic());
    if (result.ok()) return result;
    // The error of one attempt says nothing about earlier attempts.
    if (in_doubt) result = WithUnknownOutcome(result.status());
    in_doubt |= OutcomeIsUnknown(result.status());
    if (transaction.id.empty() || !MayTryAgain(result.status())) return result;
    const absl::Duration delay = backoff.DelayAfter(result.status());
    if (clock.Monotonic() + delay >= end) return result;
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(delay));
  }
}

}  // namespace eventhub::client
