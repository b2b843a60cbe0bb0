// Calls that move a subscription to another position, or add events to it again: seek and replay.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eventhub/v1/subscription.pb.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
#include "server/core/subscription/submit_change.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_catalog.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Resolves positions in pieces, in the log as of the call; the commit thread then moves the
// subscription. Thread-safe.
class SubscriptionMoves {
 public:
  // The arguments outlive this object.
  SubscriptionMoves(const SubscriptionContext& context, const SubscriptionCatalog& catalog,
                    const AdminLog& admin_log)
      : context_(context), catalog_(catalog), admin_log_(admin_log) {}

  // The pieces run on `pool`, which outlives the call. If the caller does not wait that long,
  // nothing was changed by a seek, since one that has begun to change cursors is completed; some of
  // the events may have been added by a replay.
  void Seek(const Caller& caller, const v1::SeekSubscriptionRequest& request, WorkPool& pool,
            ResponseDone<v1::SeekSubscriptionResponse> done);
  void Replay(const Caller& caller, const v1::ReplaySubscriptionRequest& request, WorkPool& pool,
              ResponseDone<v1::ReplaySubscriptionResponse> done);
  void CancelReplays(const Caller& caller, const std::string& name,
                     ResponseDone<v1::CancelReplaysResponse> done);

 private:
  // These carry out what was resolved.
  void Move(const std::shared_ptr<Subscription>& subscription, std::vector<SeekPlace> places,
            bool dry_run, const Caller& caller, ResponseDone<v1::SeekSubscriptionResponse> done);
  void Replay(const std::shared_ptr<Subscription>& subscription, PartitionRanges ranges,
              const v1::ReplaySubscriptionRequest& request, const Caller& caller,
              ResponseDone<v1::ReplaySubscriptionResponse> done);

  const SubscriptionContext& context_;
  const SubscriptionCatalog& catalog_;
  const AdminLog& admin_log_;
};

}  // namespace eventhub
