// The standard gRPC health service. gRPC's own implementation has no descriptor, so reflection
// could not describe it.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/calls.h"
#include "server/rpc/publish_limits.h"
#include "server/rpc/unary_service.h"
#include "storage/base/mutex.h"

namespace eventhub {

class HealthWatch;

using RawHealthService =
    grpc::health::v1::Health::WithRawCallbackMethod_Watch<grpc::health::v1::Health::Service>;

// Answers for the hub as a whole (the empty name), for each of its gRPC services, which share its
// state, and for two checks of a supervisor:
//
//   "ready"  whether the hub accepts writes, like the empty name: not with a full or failing disk.
//            A hub that is not ready should get no traffic.
//   "live"   whether the hub works without a restart. A hub with a full disk is live, since only
//            free space helps; one whose store failed is not, since only a restart helps.
//
// Thread-safe.
class HealthService final : public UnaryService<grpc::health::v1::Health, RawHealthService> {
 public:
  // The arguments outlive the service.
  HealthService(const Calls& calls, PublishLimits& limits);

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request) override;

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
  absl::StatusOr<grpc::health::v1::HealthCheckResponse> ServeCheck(
      const grpc::health::v1::HealthCheckRequest& request);
  void Tell();

  PublishLimits& limits_;
  absl::flat_hash_set<std::string> services_;  // Constant while the server runs.
  Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  bool shutdown_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<HealthWatch*, std::weak_ptr<HealthWatch>> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
