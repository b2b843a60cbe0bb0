#include "server/core/base/admin_log.h"

#include <vector>

#include "server/core/base/errors.h"

namespace eventhub {

std::string UpdateNote(absl::string_view kind, absl::string_view name,
                       const google::protobuf::FieldMask& mask) {
  const std::vector<std::string> fields(mask.paths().begin(), mask.paths().end());
  return absl::StrCat("updated ", kind, " ", name, ": ", JoinNames(fields));
}

}  // namespace eventhub
