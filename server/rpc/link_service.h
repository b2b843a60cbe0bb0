// LinkService: passes messages to and from core's links.
#pragma once

#include "eventhub/v1/link.grpc.pb.h"
#include "server/core/link/links.h"
#include "server/rpc/calls.h"
#include "server/rpc/unary_service.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. No method reads the disk.
class LinkService final : public UnaryService<v1::LinkService> {
 public:
  LinkService(Links& links, const Calls& calls);
};

}  // namespace eventhub
