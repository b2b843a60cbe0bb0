#include "server/rpc/link_service.h"

namespace eventhub {
grpc::ServerUnaryReactor* LinkService::CreateLink(grpc::CallbackServerContext* context,
                                                  const v1::CreateLinkRequest* request,
                                                  v1::CreateLinkResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    links_.Create(caller, *request,
                  FinishLater(reactor, response, &v1::CreateLinkResponse::mutable_link));
  });
}

grpc::ServerUnaryReactor* LinkService::GetLink(grpc::CallbackServerContext* context,
                                               const v1::GetLinkRequest* request,
                                               v1::GetLinkResponse* response) {
  return calls_.Answer(context, response,
                       [&](const Caller& caller) { return links_.Get(caller, request->name()); });
}

grpc::ServerUnaryReactor* LinkService::ListLinks(grpc::CallbackServerContext* context,
                                                 const v1::ListLinksRequest* request,
                                                 v1::ListLinksResponse* response) {
  return calls_.Answer(context, response,
                       [&](const Caller& caller) { return links_.List(caller, *request); });
}

grpc::ServerUnaryReactor* LinkService::UpdateLink(grpc::CallbackServerContext* context,
                                                  const v1::UpdateLinkRequest* request,
                                                  v1::UpdateLinkResponse* response) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    links_.Update(caller, *request,
                  FinishLater(reactor, response, &v1::UpdateLinkResponse::mutable_link));
  });
}

grpc::ServerUnaryReactor* LinkService::DeleteLink(grpc::CallbackServerContext* context,
                                                  const v1::DeleteLinkRequest* request,
                                                  v1::DeleteLinkResponse* /*response*/) {
  return calls_.Serve(context, [&](const Caller& caller, grpc::ServerUnaryReactor* reactor) {
    links_.Delete(caller, request->name(), FinishLater(reactor));
  });
}

}  // namespace eventhub
