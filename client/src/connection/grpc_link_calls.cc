// The calls of LinkService.

#include "client/src/admin/link_proto.h"
#include "client/src/connection/grpc_connection.h"

namespace eventhub::client {

using LinkStub = v1::LinkService::Stub;

absl::StatusOr<Link> GrpcConnection::CreateLink(const Link& link, absl::Duration timeout) {
  v1::CreateLinkRequest request;
  *request.mutable_link() = ToProto(link);
  const auto response = Call(links_, &LinkStub::CreateLink, request, timeout);
  if (!response.ok()) return response.status();
  return FromProto(response->link());
}

absl::StatusOr<LinkDescription> GrpcConnection::GetLink(const std::string& name,
                                                        absl::Duration timeout) {
  v1::GetLinkRequest request;
  request.set_name(name);
  const auto response = Query(links_, &LinkStub::GetLink, request, timeout);
  if (!response.ok()) return response.status();
  return LinkDescription{FromProto(response->link()), FromProto(response->status())};
}

absl::StatusOr<Page<LinkDescription>> GrpcConnection::ListLinks(uint32_t page_size,
                                                                const std::string& page_token,
                                                                absl::Duration timeout) {
  v1::ListLinksRequest request;
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  const auto response = Query(links_, &LinkStub::ListLinks, request, timeout);
  if (!response.ok()) return response.status();
  Page<LinkDescription> page{.next_page_token = response->next_page_token()};
  for (int i = 0; i < response->links_size(); ++i) {
    LinkDescription& item = page.items.emplace_back();
    item.link = FromProto(response->links(i));
    if (i < response->statuses_size()) item.status = FromProto(response->statuses(i));
  }
  return page;
}

absl::StatusOr<Link> GrpcConnection::UpdateLink(const std::string& name, const LinkUpdate& update,
                                                absl::Duration timeout) {
  const auto response = Call(links_, &LinkStub::UpdateLink, ToProto(name, update), timeout);
  if (!response.ok()) return response.status();
  return FromProto(response->link());
}

absl::Status GrpcConnection::DeleteLink(const std::string& name, absl::Duration timeout) {
  v1::DeleteLinkRequest request;
  request.set_name(name);
  return Call(links_, &LinkStub::DeleteLink, request, timeout).status();
}

}  // namespace eventhub::client
