#include "client/src/connection/grpc_credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "storage/base/status_macros.h"
#include "storage/base/tls_files.h"

namespace eventhub::client {
namespace {

constexpr unsigned kRefreshSeconds = 10;

}  // namespace

absl::Status CheckTls(const TlsOptions& options) {
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("a TLS certificate needs its key, and a key its certificate");
  }
  if (!options.ca_file.empty()) RETURN_IF_ERROR(CheckCertificates(options.ca_file));
  if (options.certificate_file.empty()) return absl::OkStatus();
  return CheckIdentity(options.certificate_file, options.key_file);
}

std::shared_ptr<grpc::ChannelCredentials> CredentialsFor(std::string_view address,
                                                         const ConnectionOptions& options) {
  if (!options.tls || address.starts_with("unix:")) {
    return grpc::InsecureChannelCredentials();
  }
  const TlsOptions& files = *options.tls;
  grpc::experimental::TlsChannelCredentialsOptions tls;
  if (!files.ca_file.empty() || !files.certificate_file.empty()) {
    tls.set_certificate_provider(
        std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
            files.key_file, files.certificate_file, files.ca_file, kRefreshSeconds));
  }
  if (!files.ca_file.empty()) tls.watch_root_certs();
  if (!files.certificate_file.empty()) tls.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(tls);
}

}  // namespace eventhub::client
