// Operations on the dead letters of subscriptions, and the subscriptions that need a topic for
// theirs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
#include "server/core/base/long_call.h"
#include "server/core/subscription/dead_letter/letter_closing.h"
#include "server/core/subscription/submit_change.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_catalog.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Thread-safe.
class DeadLetters {
 public:
  // The arguments outlive this.
  DeadLetters(const SubscriptionContext& context, const SubscriptionCatalog& catalog,
              WorkPool& background, const AdminLog& admin_log)
      : context_(context), catalog_(catalog), background_(background), admin_log_(admin_log) {}

  // These block on the disk.
  absl::StatusOr<v1::ListDeadLettersResponse> List(const Caller& caller,
                                                   const v1::ListDeadLettersRequest& request) const;
  absl::StatusOr<v1::CountDeadLettersResponse> Count(
      const Caller& caller, const v1::CountDeadLettersRequest& request) const;
  // These cover the letters that exist at the call, in pieces on `pool`, which outlives the call.
  // If the caller does not wait that long, part of it may be done.
  void Redrive(const Caller& caller, const v1::RedriveDeadLettersRequest& request, WorkPool& pool,
               ResponseDone<v1::RedriveDeadLettersResponse> done);
  void Discard(const Caller& caller, const v1::DiscardDeadLettersRequest& request, WorkPool& pool,
               ResponseDone<v1::DiscardDeadLettersResponse> done);
  // Discards the letters of all subscriptions in a topic that receives no more letters, in pieces
  // on the background thread, until the caller does not wait any more.
  void DiscardIn(const Caller& caller, std::shared_ptr<Topic> topic, StatusDone done);

  // Deletes the records of letters that were closed before `limit`. Returns CANCELLED soon after
  // `cancelled` returns true. Blocks on the disk.
  absl::Status ForgetClosed(absl::Time limit, absl::FunctionRef<bool()> cancelled);

  // The subscriptions that may need events of the topic for their dead letters, and the first
  // offset of a partition that one of them needs; nullopt if none needs any. Both block on the
  // disk.
  absl::StatusOr<SubscriptionCatalog::Subscriptions> Holders(const Topic& topic) const;
  absl::StatusOr<std::optional<Offset>> FirstOf(const SubscriptionCatalog::Subscriptions& holders,
                                                const Topic& topic, PartitionId partition) const;
  // Names, in words, the subscriptions that need events before `limits`; with `keeps_until_acked`,
  // including those that have not acked all of them. Blocks on the disk.
  absl::StatusOr<std::string> DescribeHolders(const Topic& topic, bool keeps_until_acked,
                                              const std::vector<NeededFrom>& limits) const;

 private:
  using TakePage = absl::FunctionRef<void(const Subscription&, DeadLetterPage)>;

  // Passes the letters of the subscription, or of all subscriptions if `name` is empty, to `take`,
  // from `page_token` on. Returns the next token.
  template <typename Request>
  absl::StatusOr<std::string> Visit(const Request& request, bool with_events, bool with_data,
                                    size_t limit, TakePage take) const;
  absl::StatusOr<std::string> VisitAll(const DeadLetterQuery& query, const std::string& token,
                                       TakePage take) const;

  // What Redrive and Discard have in common.
  template <typename Request>
  void Close(const Caller& caller, const Request& request, WorkPool& pool, LetterAction action,
             LetterClosing::Done done);
  void DiscardNextIn(std::shared_ptr<Topic> topic, LongCall call, StatusDone done);

  const SubscriptionContext& context_;
  const SubscriptionCatalog& catalog_;
  WorkPool& background_;
  const AdminLog& admin_log_;
};

}  // namespace eventhub
