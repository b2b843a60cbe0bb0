// The facade of transactions: EventHubService.Transact, without the network.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/base/caller.h"
#include "server/core/publish/delayed_table.h"
#include "server/core/subscription/subscription_catalog.h"
#include "server/core/topic/topic_catalog.h"
#include "server/core/transaction/transaction.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// Thread-safe. The arguments outlive this object.
class Transactions {
 public:
  // `admit` accounts for bytes to append; it returns why they are refused, or OK.
  Transactions(const LogStore& store, LogWriter& writer, const TopicCatalog& topics,
               const SubscriptionCatalog& subscriptions, DelayedTable& delayed,
               std::function<absl::Status(size_t bytes)> admit);

  // Makes changes to several topics and a subscription together. `done` may be called before this
  // returns.
  MemoryBudget* Transact(const Caller& caller, const TransactionRequest& request,
                         TransactDone done);

 private:
  // Checks what can be checked before the commit.
  absl::StatusOr<CheckedTransaction> Check(const TransactionRequest& request) const;
  absl::Status AddAcks(const v1::TransactRequest& head, CheckedTransaction* checked) const;
  absl::Status AddCheck(const v1::OffsetCheck& check, CheckedTransaction* checked) const;
  // `budget`: that of CheckPublish.
  absl::Status AddAppend(const v1::TransactRequest& head, const PublishRequest& append,
                         size_t* budget, CheckedTransaction* checked) const;

  LogWriter& writer_;
  const TopicCatalog& topics_;
  const SubscriptionCatalog& subscriptions_;
  DelayedTable& delayed_;
  const std::function<absl::Status(size_t)> admit_;
  const std::shared_ptr<TransactionTable> done_before_;
};

}  // namespace eventhub
