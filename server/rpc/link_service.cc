#include "server/rpc/link_service.h"

#include "server/rpc/unary.h"

namespace eventhub {
grpc::ServerUnaryReactor* LinkService::CreateLink(grpc::CallbackServerContext* context,
                                                  const v1::CreateLinkRequest* request,
                                                  v1::CreateLinkResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  links_.Create(*request, FinishLater(reactor, response, &v1::CreateLinkResponse::mutable_link));
  return reactor;
}

grpc::ServerUnaryReactor* LinkService::GetLink(grpc::CallbackServerContext* context,
                                               const v1::GetLinkRequest* request,
                                               v1::GetLinkResponse* response) {
  return FinishNow(context, links_.Get(request->name()), response);
}

grpc::ServerUnaryReactor* LinkService::ListLinks(grpc::CallbackServerContext* context,
                                                 const v1::ListLinksRequest* request,
                                                 v1::ListLinksResponse* response) {
  return FinishNow(context, links_.List(*request), response);
}

grpc::ServerUnaryReactor* LinkService::UpdateLink(grpc::CallbackServerContext* context,
                                                  const v1::UpdateLinkRequest* request,
                                                  v1::UpdateLinkResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  links_.Update(*request, FinishLater(reactor, response, &v1::UpdateLinkResponse::mutable_link));
  return reactor;
}

grpc::ServerUnaryReactor* LinkService::DeleteLink(grpc::CallbackServerContext* context,
                                                  const v1::DeleteLinkRequest* request,
                                                  v1::DeleteLinkResponse* /*response*/) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  links_.Delete(request->name(), FinishLater(reactor));
  return reactor;
}

}  // namespace eventhub
