// The credentials of a channel.
#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string_view>

#include "eventhub/connection.h"

namespace eventhub::client {

// Returns TLS credentials if the options set TLS and the address is not `unix:`; otherwise plain
// text.
std::shared_ptr<grpc::ChannelCredentials> CredentialsFor(std::string_view address,
                                                         const ConnectionOptions& options);

}  // namespace eventhub::client
