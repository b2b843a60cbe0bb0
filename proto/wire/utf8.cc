#include "proto/wire/utf8.h"

#include "google/protobuf/stubs/common.h"

namespace eventhub::wire {

size_t Utf8Prefix(absl::string_view bytes) {
  return static_cast<size_t>(
      google::protobuf::internal::UTF8SpnStructurallyValid({bytes.data(), bytes.size()}));
}

bool IsUtf8BeyondAscii(absl::string_view bytes) {
  return google::protobuf::internal::IsStructurallyValidUTF8(bytes.data(),
                                                             static_cast<int>(bytes.size()));
}

}  // namespace eventhub::wire
