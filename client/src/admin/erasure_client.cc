#include "eventhub/erasure_client.h"

#include <utility>

#include "client/src/admin/all_pages.h"

namespace eventhub::client {

ErasureClient::ErasureClient(std::shared_ptr<Connection> connection, AdminOptions options)
    : connection_(std::move(connection)), options_(options) {}

absl::StatusOr<Erasure> ErasureClient::Erase(const std::string& subject) {
  return connection_->erasures().EraseSubject(subject, options_.timeout);
}

absl::Status ErasureClient::List(absl::FunctionRef<bool(Erasure)> visit) {
  return VisitPages(
      [&](const std::string& token) {
        return connection_->erasures().ListErasures(kPageSize, token, options_.timeout);
      },
      visit);
}

absl::StatusOr<uint64_t> ErasureClient::RewrapKeys() {
  return connection_->erasures().RewrapKeys(options_.timeout);
}

}  // namespace eventhub::client
