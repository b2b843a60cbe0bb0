// LinkService: passes generated messages to and from core's links.
#pragma once

#include "eventhub/v1/link.grpc.pb.h"
#include "server/core/link/links.h"
#include "server/rpc/calls.h"

namespace eventhub {

// Thread-safe. The constructor's arguments outlive this object. No method reads the disk.
class LinkService final : public v1::LinkService::CallbackService {
 public:
  LinkService(Links& links, const Calls& calls) : links_(links), calls_(calls) {}

  grpc::ServerUnaryReactor* CreateLink(grpc::CallbackServerContext* context,
                                       const v1::CreateLinkRequest* request,
                                       v1::CreateLinkResponse* response) override;
  grpc::ServerUnaryReactor* GetLink(grpc::CallbackServerContext* context,
                                    const v1::GetLinkRequest* request,
                                    v1::GetLinkResponse* response) override;
  grpc::ServerUnaryReactor* ListLinks(grpc::CallbackServerContext* context,
                                      const v1::ListLinksRequest* request,
                                      v1::ListLinksResponse* response) override;
  grpc::ServerUnaryReactor* UpdateLink(grpc::CallbackServerContext* context,
                                       const v1::UpdateLinkRequest* request,
                                       v1::UpdateLinkResponse* response) override;
  grpc::ServerUnaryReactor* DeleteLink(grpc::CallbackServerContext* context,
                                       const v1::DeleteLinkRequest* request,
                                       v1::DeleteLinkResponse* response) override;

 private:
  Links& links_;
  const Calls& calls_;
};

}  // namespace eventhub
