// AdminService: passes messages to and from the broker.
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "eventhub/v1/admin.grpc.pb.h"
#include "server/core/broker.h"
#include "server/rpc/calls.h"
#include "server/rpc/memory_report.h"
#include "server/rpc/unary_service.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object.
class AdminService final : public UnaryService<v1::AdminService> {
 public:
  AdminService(Broker& broker, const Calls& calls, const MemoryReport& memory, std::string version,
               absl::Time start);

  // Sets the addresses that GetStats reports, once they are known.
  void SetListeners(std::vector<v1::Listener> listeners);

 private:
  v1::GetStatsResponse Stats(const Caller& caller);

  Broker& broker_;
  const MemoryReport memory_;
  const std::string version_;
  const absl::Time start_;

  Mutex mutex_;
  std::vector<v1::Listener> listeners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
