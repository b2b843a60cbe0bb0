#include "storage/base/tls_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <sstream>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) != 0) return absl::ErrnoToStatus(errno, path);
  if (!S_ISREG(about.st_mode)) return absl::InvalidArgumentError(path + ": is not a file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.good() && !file.eof()) return absl::ErrnoToStatus(errno != 0 ? errno : EIO, path);
  return std::move(text).str();
}

Bio Memory(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Refuses keys with a passphrase: a prompt on the terminal would block the process.
int NoPassphrase(char*, int, int, void*) { return -1; }

absl::StatusOr<Certificate> ReadCertificate(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Certificate certificate(PEM_read_bio_X509(Memory(text).get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (certificate != nullptr) return certificate;
  return absl::InvalidArgumentError(path + ": holds no certificate in PEM");
}

absl::StatusOr<Key> ReadKey(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Key key(PEM_read_bio_PrivateKey(Memory(text).get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (key != nullptr) return key;
  return absl::InvalidArgumentError(path + ": holds no private key in PEM without a passphrase");
}

}  // namespace

absl::Status CheckCertificates(const std::string& path) { return ReadCertificate(path).status(); }

absl::Status CheckIdentity(const std::string& certificate_path, const std::string& key_path) {
  ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(certificate_path));
  ASSIGN_OR_RETURN(const Key key, ReadKey(key_path));
  const bool match = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (!match) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_path, ": is not the key of the certificate in ", certificate_path));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    return absl::FailedPreconditionError(certificate_path + ": the certificate has expired");
  }
  if (X509_cmp_current_time(X509_get0_notBefore(certificate.get())) > 0) {
    return absl::FailedPreconditionError(certificate_path + ": the certificate is not valid yet");
  }
  return absl::OkStatus();
}

}  // namespace eventhub
