// The PEM files of a TLS identity, checked before they are used: what OpenSSL says of a bad file in
// the middle of a handshake helps nobody.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace eventhub {

// Whether `path` holds at least one certificate in PEM. Errors, each with the path: NOT_FOUND,
// PERMISSION_DENIED and others if the file cannot be read; INVALID_ARGUMENT if there is no
// certificate in it.
absl::Status CheckCertificates(const std::string& path);

// Whether a process can identify itself by these: a certificate, optionally followed by its chain,
// that is valid now, and the private key that belongs to it, without a passphrase. Errors as above;
// INVALID_ARGUMENT also if the two do not belong together, and FAILED_PRECONDITION if the
// certificate has expired or is not valid yet.
absl::Status CheckIdentity(const std::string& certificate_path, const std::string& key_path);

}  // namespace eventhub
