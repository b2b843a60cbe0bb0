// Operations on the dead letters of subscriptions, and the subscriptions that need a topic for
// theirs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
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
              WorkPool& background)
      : context_(context), catalog_(catalog), background_(background) {}

  // Blocks on the disk.
  absl::StatusOr<v1::ListDeadLettersResponse> List(const v1::ListDeadLettersRequest& request) const;
  // Covers the letters that exist at the call. CANCELLED: part of it may be done.
  void Redrive(const v1::RedriveDeadLettersRequest& request, LongCall call,
               ResponseDone<v1::RedriveDeadLettersResponse> done);
  void Discard(const v1::DiscardDeadLettersRequest& request, LongCall call,
               ResponseDone<v1::DiscardDeadLettersResponse> done);
  // Discards the letters of all subscriptions in a topic that receives no more letters, on the
  // background thread; `cancelled`: see LongCall.
  void DiscardIn(std::shared_ptr<Topic> topic, std::function<bool()> cancelled, StatusDone done);

  // The subscriptions that may need events of the topic for their dead letters, and the first
  // offset of a partition that one of them needs; nullopt if none needs any. Both block on the
  // disk.
  absl::StatusOr<SubscriptionCatalog::Subscriptions> Holders(const Topic& topic) const;
  absl::StatusOr<std::optional<Offset>> FirstOf(const SubscriptionCatalog::Subscriptions& holders,
                                                const Topic& topic, PartitionId partition) const;
  // Names, in words, the subscriptions that need events before `limits`; with `keeps_until_acked`,
  // including those that have not acked all of them. Blocks on the disk.
  absl::StatusOr<std::string> WhoHolds(const Topic& topic, bool keeps_until_acked,
                                       const std::vector<NeededFrom>& limits) const;

 private:
  void Close(const std::string& name, bool has_selector, LongCall call, LetterClosing::Order order,
             LetterClosing::Done done);

  const SubscriptionContext& context_;
  const SubscriptionCatalog& catalog_;
  WorkPool& background_;
};

}  // namespace eventhub
