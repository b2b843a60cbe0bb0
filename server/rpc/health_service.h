// The standard gRPC health service. gRPC's own has no descriptor, so that reflection could not
// describe it.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "storage/base/mutex.h"

namespace eventhub {

class HealthWatch;

// Answers for the whole server (the empty name) and for both services, which share one state.
// Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

  // Whether the hub takes writes. Not serving until this is first called.
  void SetServing(bool serving);

  // Not serving from now on, whatever is set; ends all watches.
  void Shutdown();

 private:
  friend class HealthWatch;

  void Tell();

  Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool shutdown_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<HealthWatch*, std::weak_ptr<HealthWatch>> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
