// Link calls: how LinkClient reaches the links of a hub.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/link.h"
#include "eventhub/topic.h"

namespace eventhub::client {

// The links of a hub; see LinkClient for the contract of each call. Thread-safe; each call blocks
// until the reply, an error, or `timeout` (DEADLINE_EXCEEDED). A call that a class does not
// override returns UNIMPLEMENTED.
class LinkCalls {
 public:
  virtual ~LinkCalls() = default;

  virtual absl::StatusOr<Link> CreateLink(const Link& link, absl::Duration timeout);
  virtual absl::StatusOr<LinkDescription> GetLink(const std::string& name, absl::Duration timeout);
  virtual absl::StatusOr<Page<LinkDescription>> ListLinks(uint32_t page_size,
                                                          const std::string& page_token,
                                                          absl::Duration timeout);
  virtual absl::StatusOr<Link> UpdateLink(const std::string& name, const LinkUpdate& update,
                                          absl::Duration timeout);
  virtual absl::Status DeleteLink(const std::string& name, absl::Duration timeout);
};

}  // namespace eventhub::client
