#include "server/rpc/link_service.h"

#include <utility>

#include "server/rpc/rpc_status.h"

namespace eventhub {
namespace {

// Ends a call, later, with an outcome that is the link in the response.
template <typename Response>
LinkDone FinishWithLink(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<v1::Link> outcome) {
    const grpc::Status status = ToGrpcStatus(outcome.status());
    if (outcome.ok()) *response->mutable_link() = *std::move(outcome);
    reactor->Finish(status);
  };
}

// Ends a call with an outcome that is all of the response.
template <typename Response>
grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context,
                                    absl::StatusOr<Response> outcome, Response* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const grpc::Status status = ToGrpcStatus(outcome.status());
  if (outcome.ok()) *response = *std::move(outcome);
  reactor->Finish(status);
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* LinkService::CreateLink(grpc::CallbackServerContext* context,
                                                  const v1::CreateLinkRequest* request,
                                                  v1::CreateLinkResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  links_.Create(*request, FinishWithLink(reactor, response));
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
  links_.Update(*request, FinishWithLink(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* LinkService::DeleteLink(grpc::CallbackServerContext* context,
                                                  const v1::DeleteLinkRequest* request,
                                                  v1::DeleteLinkResponse* /*response*/) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  links_.Delete(request->name(),
                [reactor](const absl::Status& status) { reactor->Finish(ToGrpcStatus(status)); });
  return reactor;
}

}  // namespace eventhub
