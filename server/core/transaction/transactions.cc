#include "server/core/transaction/transactions.h"

#include <optional>
#include <utility>

#include "server/core/base/errors.h"
#include "server/core/subscription/subscription.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

bool WantsSync(const v1::TransactRequest& head, bool by_default) {
  return head.durability() == v1::DURABILITY_SYNCED ||
         (head.durability() == v1::DURABILITY_UNSPECIFIED && by_default);
}

}  // namespace

Transactions::Transactions(const LogStore& store, LogWriter& writer, const TopicCatalog& topics,
                           const SubscriptionCatalog& subscriptions, DelayedTable& delayed,
                           std::function<absl::Status(size_t)> admit)
    : writer_(writer),
      topics_(topics),
      subscriptions_(subscriptions),
      delayed_(delayed),
      admit_(std::move(admit)),
      done_before_(std::make_shared<TransactionTable>(store)) {}

MemoryBudget* Transactions::Transact(const Caller& caller, const TransactionRequest& request,
                                     TransactDone done) {
  absl::StatusOr<CheckedTransaction> checked = Check(request);
  if (!checked.ok()) {
    std::move(done)(checked.status());
    return nullptr;
  }
  MemoryBudget* const flow = checked->flow;
  writer_.Submit(std::make_unique<TransactTask>(done_before_, *std::move(checked), std::move(done)),
                 caller.flow());
  return flow;
}

absl::StatusOr<CheckedTransaction> Transactions::Check(const TransactionRequest& request) const {
  size_t bytes = 0;
  for (const PublishRequest& append : request.appends) bytes += append.events.size();
  RETURN_IF_ERROR(admit_(bytes));
  const v1::TransactRequest& head = request.head;
  CheckedTransaction checked;
  checked.id = head.transaction_id();
  if (head.has_acks()) RETURN_IF_ERROR(AddAcks(head, &checked));
  for (const v1::OffsetCheck& check : head.checks()) RETURN_IF_ERROR(AddCheck(check, &checked));
  size_t budget = kMaxWorkOnReceipt;
  for (const PublishRequest& append : request.appends) {
    RETURN_IF_ERROR(AddAppend(head, append, &budget, &checked));
  }
  return checked;
}

absl::Status Transactions::AddAcks(const v1::TransactRequest& head,
                                   CheckedTransaction* checked) const {
  ASSIGN_OR_RETURN(checked->subscription,
                   subscriptions_.Require("acks.subscription", head.acks().subscription()));
  checked->acks = head.acks();
  checked->synced =
      WantsSync(head, checked->subscription->settings().ack_durability() == v1::DURABILITY_SYNCED);
  return absl::OkStatus();
}

absl::Status Transactions::AddCheck(const v1::OffsetCheck& check,
                                    CheckedTransaction* checked) const {
  ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic, topics_.Require("checks.topic", check.topic()));
  const std::shared_ptr<const TopicView> view = topic->view();
  if (check.partition() >= view->partitions.size()) {
    return PartitionNotFound(check.topic(), check.partition(), view->partitions.size());
  }
  checked->checks.push_back({std::move(topic), view->partitions[check.partition()],
                             Offset(check.expected_offset()), check.expected_run()});
  return absl::OkStatus();
}

absl::Status Transactions::AddAppend(const v1::TransactRequest& head, const PublishRequest& append,
                                     size_t* budget, CheckedTransaction* checked) const {
  ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic,
                   topics_.Require("appends.topic", append.head.topic()));
  if (!append.head.producer_id().empty()) {
    return InvalidField("appends.producer_id", "is for Publish; a transaction has an id");
  }
  ASSIGN_OR_RETURN(CheckedPublish publish, CheckPublish(append, *topic, delayed_, budget));
  if (MemoryBudget* const flow = FlowOf(*topic, publish); flow != nullptr) checked->flow = flow;
  checked->synced |= WantsSync(head, publish.synced);
  std::optional<Offset> expected;
  if (append.head.has_expected_offset()) expected = Offset(append.head.expected_offset());
  checked->appends.push_back(
      {std::move(topic), expected, append.head.expected_run(), std::move(publish)});
  return checked->Count(checked->appends.back());
}

}  // namespace eventhub
