#include "server/rpc/server_tls.h"

#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "storage/base/status_macros.h"
#include "storage/base/tls_files.h"

namespace eventhub {
namespace {

// A certificate and its key are two files. Between the replacements of the two, handshakes may
// fail; a client that retries a second later succeeds.
constexpr unsigned kRefreshSeconds = 1;

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> NetworkCredentials(
    const ServerTlsOptions& options) {
  if (!options.enabled()) return grpc::InsecureServerCredentials();
  RETURN_IF_ERROR(CheckIdentity(options.certificate_file, options.key_file));
  if (options.authenticates_clients()) RETURN_IF_ERROR(CheckCertificates(options.client_ca_file));
  grpc::experimental::TlsServerCredentialsOptions tls(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.key_file, options.certificate_file, options.client_ca_file, kRefreshSeconds));
  tls.watch_identity_key_cert_pairs();
  if (options.authenticates_clients()) {
    tls.watch_root_certs();
    tls.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(tls);
}

}  // namespace eventhub
