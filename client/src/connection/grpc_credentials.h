// What a channel shows the hub, and whom it trusts.
#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string_view>

#include "eventhub/connection.h"

namespace eventhub::client {

// TLS if the options have it and the address is one of the network, else plain text.
std::shared_ptr<grpc::ChannelCredentials> CredentialsFor(std::string_view address,
                                                         const ConnectionOptions& options);

}  // namespace eventhub::client
