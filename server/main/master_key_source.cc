#include "server/main/master_key_source.h"

#include <openssl/crypto.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

constexpr size_t kMaxKeyText = size_t{64} << 10;

// Parses what the stream has; `what` names it.
absl::StatusOr<MasterKeys> ParseFrom(std::FILE* stream, const std::string& what) {
  std::setvbuf(stream, nullptr, _IONBF, 0);  // Keys stay in no buffer but this.
  std::string text(kMaxKeyText + 1, '\0');
  const size_t size = std::fread(text.data(), 1, text.size(), stream);
  absl::StatusOr<MasterKeys> keys;
  if (std::ferror(stream) != 0) {
    keys = absl::InvalidArgumentError(std::strerror(errno));
  } else if (size > kMaxKeyText) {
    keys = absl::InvalidArgumentError("it has more than 64 KiB");
  } else {
    keys = MasterKeys::Parse(absl::string_view(text).substr(0, size));
  }
  OPENSSL_cleanse(text.data(), text.size());
  if (keys.ok()) return keys;
  return absl::InvalidArgumentError(absl::StrCat(what, ": ", keys.status().message()));
}

}  // namespace

absl::StatusOr<MasterKeys> ReadMasterKeyFile(const std::string& path) {
  const std::string what = absl::StrCat("cannot read master keys from ", path);
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", std::strerror(errno)));
  }
  absl::StatusOr<MasterKeys> keys = ParseFrom(file, what);
  std::fclose(file);
  return keys;
}

absl::StatusOr<MasterKeys> RunMasterKeyCommand(const std::string& command) {
  const std::string what = absl::StrCat("cannot get master keys from the command '", command, "'");
  std::FILE* const output = popen(command.c_str(), "re");
  if (output == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", std::strerror(errno)));
  }
  absl::StatusOr<MasterKeys> keys = ParseFrom(output, what);
  if (pclose(output) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": it failed"));
  }
  return keys;
}

}  // namespace eventhub
