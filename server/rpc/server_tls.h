// TLS of the server: its identity, and the clients that it admits.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"

namespace eventhub {

// PEM files, reread within a second of a change, without a restart: new connections use them,
// existing ones are not affected. An expiring certificate is renewed by replacing both files.
struct ServerTlsOptions {
  // The hub's certificate, followed by the rest of its chain, and its private key. Set both or
  // neither.
  std::string certificate_file;
  std::string key_file;
  // If set, a client needs a certificate signed by one of these authorities: without it, the
  // handshake fails.
  std::string client_ca_file;

  bool enabled() const { return !certificate_file.empty(); }
  // Whether only clients with a certificate are admitted.
  bool authenticates_clients() const { return enabled() && !client_ca_file.empty(); }
};

// Returns the credentials of listeners on network addresses: TLS, or plain text if `options` has no
// certificate. Errors: those of CheckIdentity and CheckCertificates.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> NetworkCredentials(
    const ServerTlsOptions& options);

}  // namespace eventhub
