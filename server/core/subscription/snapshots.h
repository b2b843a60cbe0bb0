// Snapshots of subscriptions: the unsettled events, stored under a name to be sought to later.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "eventhub/v1/subscription.pb.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
#include "server/core/subscription/submit_change.h"
#include "server/core/subscription/subscription.h"
#include "server/core/subscription/subscription_catalog.h"

namespace eventhub {

// Thread-safe.
class Snapshots {
 public:
  // The arguments outlive this object.
  Snapshots(const SubscriptionContext& context, const SubscriptionCatalog& catalog,
            const AdminLog& admin_log)
      : context_(context), catalog_(catalog), admin_log_(admin_log) {}

  void Create(const Caller& caller, const v1::CreateSnapshotRequest& request,
              ResponseDone<v1::CreateSnapshotResponse> done);
  // Blocks on the disk.
  absl::StatusOr<v1::ListSnapshotsResponse> List(const Caller& caller,
                                                 const std::string& subscription) const;
  void Delete(const Caller& caller, const v1::DeleteSnapshotRequest& request, StatusDone done);

 private:
  const SubscriptionContext& context_;
  const SubscriptionCatalog& catalog_;
  const AdminLog& admin_log_;
};

}  // namespace eventhub
