#include "client/src/connection/grpc_link_calls.h"

#include "client/src/admin/link_proto.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {

absl::StatusOr<Link> GrpcLinkCalls::CreateLink(const Link& link, absl::Duration timeout) {
  v1::CreateLinkRequest request;
  *request.mutable_link() = ToProto(link);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::CreateLink, request, timeout));
  return FromProto(response.link());
}

absl::StatusOr<LinkDescription> GrpcLinkCalls::GetLink(const std::string& name,
                                                       absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Query(&Stub::GetLink, Named<v1::GetLinkRequest>(name), timeout));
  return LinkDescription{FromProto(response.link()), FromProto(response.status())};
}

absl::StatusOr<Page<LinkDescription>> GrpcLinkCalls::ListLinks(uint32_t page_size,
                                                               const std::string& page_token,
                                                               absl::Duration timeout) {
  v1::ListLinksRequest request;
  SetPage(page_size, page_token, request);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::ListLinks, request, timeout));
  Page<LinkDescription> page{.next_page_token = response.next_page_token()};
  for (int i = 0; i < response.links_size(); ++i) {
    LinkDescription& item = page.items.emplace_back();
    item.link = FromProto(response.links(i));
    if (i < response.statuses_size()) item.status = FromProto(response.statuses(i));
  }
  return page;
}

absl::StatusOr<Link> GrpcLinkCalls::UpdateLink(const std::string& name, const LinkUpdate& update,
                                               absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Call(&Stub::UpdateLink, ToProto(name, update), timeout));
  return FromProto(response.link());
}

absl::Status GrpcLinkCalls::DeleteLink(const std::string& name, absl::Duration timeout) {
  return service_.Call(&Stub::DeleteLink, Named<v1::DeleteLinkRequest>(name), timeout).status();
}

}  // namespace eventhub::client
