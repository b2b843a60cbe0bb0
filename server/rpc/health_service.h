// The standard gRPC health service. gRPC's own implementation has no descriptor, so reflection
// could not describe it.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/calls.h"
#include "storage/base/mutex.h"

namespace eventhub {

class HealthWatch;

// Answers for the hub as a whole (the empty name), for each of its gRPC services, which share its
// state, and for two checks of a supervisor:
//
//   "ready"  whether the hub accepts writes, like the empty name: not with a full or failing disk.
//            A hub that is not ready should get no traffic.
//   "live"   whether the hub works without a restart. A hub with a full disk is live, since only
//            free space helps; one whose store failed is not, since only a restart helps.
//
// Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `calls` outlives the service.
  explicit HealthService(const Calls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

  // Registers a gRPC service of the server. Called before the server starts.
  void AddService(absl::string_view name);

  struct State {
    bool ready = false;
    bool live = false;
  };
  // Before the first call, the hub is neither live nor ready.
  void SetState(State state);

  // Reports not serving from now on, whatever is set; ends all watches.
  void Shutdown();

 private:
  friend class HealthWatch;

  enum class Question { kUnknown, kReady, kLive };

  Question QuestionOf(absl::string_view service) const;
  grpc::health::v1::HealthCheckResponse::ServingStatus Answer(Question question) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell();

  const Calls& calls_;
  absl::flat_hash_set<std::string> services_;  // Constant while the server runs.
  Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  bool shutdown_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<HealthWatch*, std::weak_ptr<HealthWatch>> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
