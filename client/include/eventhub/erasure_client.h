// Erases the data of subjects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/erasure.h"

namespace eventhub::client {

// The erasures of a hub; see eventhub/v1/erasure.proto. Thread-safe; every method blocks. Calls
// wait for the hub like those of AdminClient, and are safe to repeat.
//
// Example:
//
//     ErasureClient erasures(hub);
//     RETURN_IF_ERROR(erasures.Erase("customer-17").status());
class ErasureClient {
 public:
  explicit ErasureClient(std::shared_ptr<Connection> connection, AdminOptions options = {});

  // Destroys the keys of a subject, the value of the attribute `datasubject`, so that the data of
  // its events up to now is erased. After an error it may be erased or not.
  absl::StatusOr<Erasure> Erase(const std::string& subject);

  // Passes all erasures to `visit`, by hash, until it returns false.
  absl::Status List(absl::FunctionRef<bool(Erasure)> visit);

  // Wraps all keys with the hub's present master key. Returns how many had another one.
  absl::StatusOr<uint64_t> RewrapKeys();

 private:
  const std::shared_ptr<Connection> connection_;
  const AdminOptions options_;
};

}  // namespace eventhub::client
