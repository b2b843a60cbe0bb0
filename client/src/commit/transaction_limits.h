// The limits of one transaction, and how a transaction is brought within them.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "eventhub/transaction.h"

namespace eventhub::client {

// INVALID_ARGUMENT, naming the limit, if no hub takes the transaction as one request; nothing was
// done.
absl::Status CheckTransaction(const Transaction& transaction);

// Joins the acks of each lease, and in them ranges that touch or overlap: events are often acked in
// another order than that of their offsets.
void JoinAcks(Transaction& transaction);

// The requests for a transaction whose acks are joined: one, unless it consists of acks alone and
// has too many of them. Then the parts have ids of their own, derived from its id, so that a retry
// of the transaction repeats the same requests.
std::vector<Transaction> Split(Transaction transaction);

// The size of the request for a transaction, or a little more.
size_t RequestBytes(const Transaction& transaction);

}  // namespace eventhub::client
