// TLS on the hub's side: who it says it is, and whom it lets in.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"

namespace eventhub {

// PEM files, read anew within a second of a change, without a restart: connections made from then
// on use them, others go on. An expiring certificate is renewed by replacing both files.
struct ServerTlsOptions {
  // The hub's certificate, followed by the rest of its chain, and its private key. Both or neither.
  std::string certificate_file;
  std::string key_file;
  // If set, a client needs a certificate that one of these authorities has signed: without, the
  // handshake fails.
  std::string client_ca_file;

  bool enabled() const { return !certificate_file.empty(); }
  // Whether only clients with a certificate get in.
  bool authenticates_clients() const { return enabled() && !client_ca_file.empty(); }
};

// What connections to the addresses of the network are accepted with: TLS, or plain text if
// `options` has no certificate. Errors: those of CheckIdentity and CheckCertificates.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> NetworkCredentials(
    const ServerTlsOptions& options);

}  // namespace eventhub
