// Checks the PEM files of a TLS identity before they are used, because OpenSSL's errors in the
// middle of a handshake do not name the bad file.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace eventhub {

// Checks that `path` contains at least one certificate in PEM. Errors, each with the path:
// NOT_FOUND, PERMISSION_DENIED and others if the file cannot be read; INVALID_ARGUMENT if it
// contains no certificate.
absl::Status CheckCertificates(const std::string& path);

// Checks that a process can identify itself with these files: a certificate that is valid now,
// optionally followed by its chain, and its private key, without a passphrase. Errors as above;
// also INVALID_ARGUMENT if the key does not match the certificate, and FAILED_PRECONDITION if the
// certificate has expired or is not valid yet.
absl::Status CheckIdentity(const std::string& certificate_path, const std::string& key_path);

}  // namespace eventhub
