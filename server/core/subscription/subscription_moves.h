// Calls that move a subscription to another position, or add events to it again: seek and replay.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eventhub/v1/subscription.pb.h"
#include "server/core/base/long_call.h"
#include "server/core/subscription/submit_change.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_catalog.h"

namespace eventhub {

// Resolves positions in pieces, in the log as of the call; the commit thread then moves the
// subscription. Thread-safe.
class SubscriptionMoves {
 public:
  // The arguments outlive this object.
  SubscriptionMoves(const SubscriptionContext& context, const SubscriptionCatalog& catalog)
      : context_(context), catalog_(catalog) {}

  // CANCELLED: nothing was changed. A seek that has begun to change cursors is completed.
  void Seek(const v1::SeekSubscriptionRequest& request, LongCall call,
            ResponseDone<v1::SeekSubscriptionResponse> done);
  // CANCELLED: some of the events may have been added.
  void Replay(const v1::ReplaySubscriptionRequest& request, LongCall call,
              ResponseDone<v1::ReplaySubscriptionResponse> done);
  void CancelReplays(const std::string& name, ResponseDone<v1::CancelReplaysResponse> done);

 private:
  // These carry out what was resolved.
  void Move(const std::shared_ptr<Subscription>& subscription, std::vector<SeekPlace> places,
            bool dry_run, const LongCall& call, ResponseDone<v1::SeekSubscriptionResponse> done);
  void Replay(const std::shared_ptr<Subscription>& subscription, PartitionRanges ranges,
              const v1::ReplaySubscriptionRequest& request, const LongCall& call,
              ResponseDone<v1::ReplaySubscriptionResponse> done);

  const SubscriptionContext& context_;
  const SubscriptionCatalog& catalog_;
};

}  // namespace eventhub
