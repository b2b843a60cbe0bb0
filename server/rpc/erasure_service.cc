#include "server/rpc/erasure_service.h"

namespace eventhub {

ErasureService::ErasureService(Erasures& erasures, WorkPool& pool, const Calls& calls)
    : UnaryService(calls) {
  Serve(kNameRequest, [&erasures](const Caller& caller, const v1::EraseSubjectRequest& request,
                                  Reply<v1::EraseSubjectResponse> reply) {
    erasures.Erase(caller, request, reply);
  });
  ServeOn(pool, kNameRequest,
          [&erasures](const Caller& caller, const v1::ListErasuresRequest& request) {
            return erasures.List(caller, request);
          });
  Serve(kNameRequest,
        [&erasures](const Caller& caller, const v1::RewrapKeysRequest& /*request*/,
                    Reply<v1::RewrapKeysResponse> reply) { erasures.Rewrap(caller, reply); });
}

}  // namespace eventhub
