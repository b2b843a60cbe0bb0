#include "server/rpc/link_service.h"

namespace eventhub {

LinkService::LinkService(Links& links, const Calls& calls) : UnaryService(calls) {
  Serve(kSettingsRequest, [&links](const Caller& caller, const v1::CreateLinkRequest& request,
                                   Reply<v1::CreateLinkResponse> reply) {
    links.Create(caller, request, reply.With(&v1::CreateLinkResponse::mutable_link));
  });
  Serve(kNameRequest, [&links](const Caller& caller, const v1::GetLinkRequest& request) {
    return links.Get(caller, request.name());
  });
  Serve(kNameRequest, [&links](const Caller& caller, const v1::ListLinksRequest& request) {
    return links.List(caller, request);
  });
  Serve(kSettingsRequest, [&links](const Caller& caller, const v1::UpdateLinkRequest& request,
                                   Reply<v1::UpdateLinkResponse> reply) {
    links.Update(caller, request, reply.With(&v1::UpdateLinkResponse::mutable_link));
  });
  Serve(kNameRequest, [&links](const Caller& caller, const v1::DeleteLinkRequest& request,
                               Reply<v1::DeleteLinkResponse> reply) {
    links.Delete(caller, request.name(), reply.Empty());
  });
}

}  // namespace eventhub
