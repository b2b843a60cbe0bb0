#include "client/src/commit/transaction_limits.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "eventhub/error.h"

namespace eventhub::client {
namespace {

constexpr size_t kMaxIdBytes = 256;
// The suffix of a part's id, of up to a million parts.
constexpr size_t kPartIdBytes = 7;

// The bytes that a request may need for a number, a name's tag and length, or a nested message.
constexpr size_t kFieldBytes = 12;

absl::Status InvalidTransaction(const char* field, const std::string& what) {
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(field, " ", what));
  SetErrorInfo({.reason = ErrorReason::kInvalidField, .field = field}, status);
  return WithNothingDone(std::move(status));
}

bool HasOnlyAcks(const Transaction& transaction) {
  return transaction.appends.empty() && transaction.checks.empty();
}

// Sorts ranges, and joins those that touch or overlap. Ranges that the hub refuses stay as they
// are.
void Join(std::vector<OffsetRange>& ranges) {
  const auto no_range = [](const OffsetRange& range) { return range.start >= range.end; };
  if (std::any_of(ranges.begin(), ranges.end(), no_range)) return;
  std::sort(ranges.begin(), ranges.end(),
            [](const OffsetRange& a, const OffsetRange& b) { return a.start < b.start; });
  size_t joined = 0;
  for (const OffsetRange& range : ranges) {
    if (joined > 0 && range.start <= ranges[joined - 1].end) {
      ranges[joined - 1].end = std::max(ranges[joined - 1].end, range.end);
    } else {
      ranges[joined++] = range;
    }
  }
  ranges.resize(joined);
}

}  // namespace

size_t Transaction::parts() const {
  size_t parts = appends.size() + checks.size();
  for (const TransactionAck& ack : acks) parts += std::max<size_t>(1, ack.ranges.size());
  return parts;
}

absl::Status CheckTransaction(const Transaction& transaction) {
  const size_t parts = transaction.parts();
  if (parts == 0)
    return InvalidTransaction("appends", "or acks are required: there is nothing to commit");
  const bool splittable = HasOnlyAcks(transaction);
  if (parts > kMaxTransactionParts && !splittable) {
    return InvalidTransaction(
        "appends",
        absl::StrCat(", acks and checks have ", parts,
                     " parts together; a transaction takes at most ", kMaxTransactionParts));
  }
  const bool split = parts > kMaxTransactionParts;
  const size_t suffix = split && !transaction.id.empty() ? kPartIdBytes : 0;
  if (transaction.id.size() + suffix > kMaxIdBytes) {
    return InvalidTransaction("id", absl::StrCat("has more than ", kMaxIdBytes - suffix, " bytes"));
  }
  return absl::OkStatus();
}

void JoinAcks(Transaction& transaction) {
  std::vector<TransactionAck>& acks = transaction.acks;
  const auto lease = [](const TransactionAck& ack) {
    return std::tie(ack.partition, ack.lease_epoch);
  };
  std::sort(acks.begin(), acks.end(),
            [&](const TransactionAck& a, const TransactionAck& b) { return lease(a) < lease(b); });
  size_t joined = 0;
  for (size_t i = 0; i < acks.size(); ++i) {
    if (joined > 0 && lease(acks[joined - 1]) == lease(acks[i])) {
      std::vector<OffsetRange>& to = acks[joined - 1].ranges;
      to.insert(to.end(), acks[i].ranges.begin(), acks[i].ranges.end());
    } else {
      if (joined != i) acks[joined] = std::move(acks[i]);
      ++joined;
    }
  }
  acks.resize(joined);
  for (TransactionAck& ack : acks) Join(ack.ranges);
}

std::vector<Transaction> Split(Transaction transaction) {
  std::vector<Transaction> requests;
  if (transaction.parts() <= kMaxTransactionParts || !HasOnlyAcks(transaction)) {
    requests.push_back(std::move(transaction));
    return requests;
  }
  size_t parts = kMaxTransactionParts;  // Of the last request.
  const auto next = [&](const TransactionAck& ack) {
    if (parts == kMaxTransactionParts) {
      const std::string suffix = transaction.id.empty() ? "" : absl::StrCat("/", requests.size());
      Transaction& request = requests.emplace_back(transaction.id + suffix);
      request.durability = transaction.durability;
      request.subscription = transaction.subscription;
      request.session = transaction.session;
      parts = 0;
    }
    requests.back().acks.push_back({.partition = ack.partition, .lease_epoch = ack.lease_epoch});
  };
  for (const TransactionAck& ack : transaction.acks) {
    size_t done = 0;
    do {
      next(ack);
      const size_t count = std::min(kMaxTransactionParts - parts, ack.ranges.size() - done);
      const auto from = ack.ranges.begin() + static_cast<std::ptrdiff_t>(done);
      requests.back().acks.back().ranges.assign(from, from + static_cast<std::ptrdiff_t>(count));
      parts += std::max<size_t>(1, count);
      done += count;
    } while (done < ack.ranges.size());
  }
  return requests;
}

size_t RequestBytes(const Transaction& transaction) {
  size_t bytes = transaction.id.size() + transaction.subscription.size() + 4 * kFieldBytes;
  for (const TransactionAck& ack : transaction.acks) {
    bytes += 3 * kFieldBytes + 2 * kFieldBytes * ack.ranges.size();
  }
  for (const OffsetCheck& check : transaction.checks) bytes += check.topic.size() + 5 * kFieldBytes;
  for (const TransactionAppend& append : transaction.appends) {
    bytes += append.topic.size() + 5 * kFieldBytes + append.encoded_events.size();
    for (const v1::Event& event : append.events) bytes += event.ByteSizeLong() + kFieldBytes;
  }
  return bytes;
}

}  // namespace eventhub::client
