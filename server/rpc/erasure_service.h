// ErasureService: passes messages to and from core's erasures.
#pragma once

#include "eventhub/v1/erasure.grpc.pb.h"
#include "server/core/admin/erasures.h"
#include "server/rpc/calls.h"
#include "server/rpc/unary_service.h"
#include "storage/base/work_pool.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. Lists are read from disk, on a
// pool.
class ErasureService final : public UnaryService<v1::ErasureService> {
 public:
  ErasureService(Erasures& erasures, WorkPool& pool, const Calls& calls);
};

}  // namespace eventhub
