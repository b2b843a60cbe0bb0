// Links, to and from the contract's messages.
#pragma once

#include <string>

#include "eventhub/link.h"
#include "eventhub/v1/link.pb.h"

namespace eventhub::client {

Link FromProto(const v1::Link& proto);
v1::Link ToProto(const Link& link);
// The changed fields and the mask that names them.
v1::UpdateLinkRequest ToProto(const std::string& name, const LinkUpdate& update);
LinkStatus FromProto(const v1::LinkStatus& proto);

}  // namespace eventhub::client
