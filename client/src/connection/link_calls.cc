#include "eventhub/connection/link_calls.h"

#include "client/src/connection/unimplemented.h"

namespace eventhub::client {

absl::StatusOr<Link> LinkCalls::CreateLink(const Link&, absl::Duration) {
  return Unimplemented("CreateLink");
}

absl::StatusOr<LinkDescription> LinkCalls::GetLink(const std::string&, absl::Duration) {
  return Unimplemented("GetLink");
}

absl::StatusOr<Page<LinkDescription>> LinkCalls::ListLinks(uint32_t, const std::string&,
                                                           absl::Duration) {
  return Unimplemented("ListLinks");
}

absl::StatusOr<Link> LinkCalls::UpdateLink(const std::string&, const LinkUpdate&, absl::Duration) {
  return Unimplemented("UpdateLink");
}

absl::Status LinkCalls::DeleteLink(const std::string&, absl::Duration) {
  return Unimplemented("DeleteLink");
}

}  // namespace eventhub::client
