#include "client/src/connection/grpc_erasure_calls.h"

#include "client/src/base/proto_time.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

Erasure ErasureFromProto(const v1::Erasure& proto) {
  return {.subject_hash = proto.subject_hash(),
          .erase_time = FromProto(proto.erase_time()),
          .destroyed_keys = proto.destroyed_keys(),
          .principal = proto.principal()};
}

}  // namespace

absl::StatusOr<Erasure> GrpcErasureCalls::EraseSubject(const std::string& subject,
                                                       absl::Duration timeout) {
  v1::EraseSubjectRequest request;
  request.set_subject(subject);
  ASSIGN_OR_RETURN(const auto response, service_.Call(&Stub::EraseSubject, request, timeout));
  return ErasureFromProto(response.erasure());
}

absl::StatusOr<Page<Erasure>> GrpcErasureCalls::ListErasures(uint32_t page_size,
                                                             const std::string& page_token,
                                                             absl::Duration timeout) {
  v1::ListErasuresRequest request;
  SetPage(page_size, page_token, request);
  ASSIGN_OR_RETURN(const auto response, service_.Query(&Stub::ListErasures, request, timeout));
  Page<Erasure> page{.next_page_token = response.next_page_token()};
  for (const v1::Erasure& erasure : response.erasures()) {
    page.items.push_back(ErasureFromProto(erasure));
  }
  return page;
}

absl::StatusOr<uint64_t> GrpcErasureCalls::RewrapKeys(absl::Duration timeout) {
  ASSIGN_OR_RETURN(const auto response,
                   service_.Call(&Stub::RewrapKeys, v1::RewrapKeysRequest(), timeout));
  return response.rewrapped_keys();
}

}  // namespace eventhub::client
