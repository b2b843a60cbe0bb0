// The results of publish requests, from messages.
#pragma once

#include "eventhub/connection.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {

void SetResult(const v1::PublishResult& result, PublishReply& reply);

}  // namespace eventhub::client
