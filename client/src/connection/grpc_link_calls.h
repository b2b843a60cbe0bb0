// LinkCalls over gRPC.
#pragma once

#include <string>

#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/link_calls.h"
#include "eventhub/v1/link.grpc.pb.h"

namespace eventhub::client {

// The links of a hub, through LinkService. Thread-safe.
class GrpcLinkCalls final : public LinkCalls {
 public:
  // `caller` must outlive this object.
  explicit GrpcLinkCalls(GrpcCaller& caller) : service_(caller) {}

  absl::StatusOr<Link> CreateLink(const Link& link, absl::Duration timeout) override;
  absl::StatusOr<LinkDescription> GetLink(const std::string& name, absl::Duration timeout) override;
  absl::StatusOr<Page<LinkDescription>> ListLinks(uint32_t page_size, const std::string& page_token,
                                                  absl::Duration timeout) override;
  absl::StatusOr<Link> UpdateLink(const std::string& name, const LinkUpdate& update,
                                  absl::Duration timeout) override;
  absl::Status DeleteLink(const std::string& name, absl::Duration timeout) override;

 private:
  using Stub = v1::LinkService::Stub;

  GrpcService<v1::LinkService> service_;
};

}  // namespace eventhub::client
