// Changes committed together: appends to several topics, acks of a subscription, checks.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/publish/topic_append.h"
#include "server/core/subscription/subscription.h"
#include "storage/base/shared_bytes.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// A parsed request: the generated message holds all but the appends.
struct TransactionRequest {
  v1::TransactRequest head;
  std::vector<PublishRequest> appends;
  // The memory that acks and checks take besides the bytes of the request.
  size_t parsed_bytes = 0;
};

// Parses an encoded v1::TransactRequest; copies no event. INVALID_ARGUMENT if it is malformed or
// the transaction is too large.
absl::StatusOr<TransactionRequest> ParseTransaction(const SharedBytes& message);

// The transactions that were done, with their answers. Records of the current commit are in memory,
// all others in the store, in the column of producers.
//
// Commit thread only.
class TransactionTable final : public CommitHook,
                               public std::enable_shared_from_this<TransactionTable> {
 public:
  explicit TransactionTable(const LogStore& store) : store_(store) {}

  // Returns the answer to a transaction that was done; nullopt if no transaction with that id was.
  absl::StatusOr<std::optional<v1::TransactResponse>> Find(const std::string& id) const;

  void Record(const std::string& id, const v1::TransactResponse& response, CommitBuilder& commit);

  // Returns when the stored record of a transaction was written.
  static absl::StatusOr<absl::Time> TimeOfRecord(absl::string_view value);

  void BeforeWrite(CommitBuilder& commit) override;

 private:
  const LogStore& store_;
  absl::flat_hash_map<std::string, v1::TransactResponse> in_commit_;
};

using TransactDone = absl::AnyInvocable<void(absl::StatusOr<v1::TransactResponse>) &&>;

// A transaction that passed all checks possible before the commit.
struct CheckedTransaction {
  struct Check {
    std::shared_ptr<Topic> topic;
    PartitionLog* log;
    Offset expected;
    uint64_t expected_run;  // 0: any run.
  };

  std::string id;
  std::vector<TopicAppend> appends;
  std::vector<Check> checks;
  std::shared_ptr<Subscription> subscription;  // Null: no acks.
  v1::TransactAcks acks;
  MemoryBudget* flow = nullptr;  // See FlowOf: that of the appends.
  // Of the appends.
  size_t bytes = 0;
  size_t copied = 0;   // Of these, the copies that routes make.
  size_t records = 0;  // See kMaxRequestRecords.
  bool synced = false;

  // Adds the sizes of an append. RESOURCE_EXHAUSTED: they are too large together, which are one
  // write.
  absl::Status Count(const TopicAppend& append);
};

class TransactTask final : public CommitTask {
 public:
  TransactTask(std::shared_ptr<TransactionTable> table, CheckedTransaction transaction,
               TransactDone done);

  Readiness readiness() override;
  void Renew() override;
  void BeginRenewal() override;
  void EndRenewal() override;
  void Refuse() override;
  uint64_t renewal_lane() const override;
  void Prepare(CommitBuilder& commit) override;
  void Done(const absl::Status& status) override;
  size_t bytes() const override { return transaction_.bytes; }
  bool synced() const override { return transaction_.synced; }

 private:
  // Returns whether to carry out the transaction. False if it was done before; then the answer is
  // set.
  absl::StatusOr<bool> Admit(const CommitBuilder& commit);
  absl::Status Apply(CommitBuilder& commit);

  const std::shared_ptr<TransactionTable> table_;
  CheckedTransaction transaction_;
  TransactDone done_;
  v1::TransactResponse response_;
  absl::Status outgrown_;  // Why it must be refused since its plans were renewed.
  absl::Status refused_;
};

}  // namespace eventhub
