// The standard gRPC health service. gRPC's own has no descriptor, so that reflection could not
// describe it.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/stream_limits.h"
#include "storage/base/mutex.h"

namespace eventhub {

class HealthWatch;

// Answers for the hub as a whole (the empty name), for each of its gRPC services, which share its
// state, and for the two questions that who watches over the process has:
//
//   "ready"  whether the hub takes writes, like the empty name: a full disk, or one that fails, is
//            not. Who is not ready gets no traffic.
//   "live"   whether a restart would change nothing for the better. A full disk is live, since only
//            room helps; a store that failed is not, since only a restart helps.
//
// Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `limits` outlives the service: a watch is a stream.
  explicit HealthService(StreamLimits& limits) : limits_(limits) {}

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

  // Makes a gRPC service of the server known. Before the server starts.
  void AddService(absl::string_view name);

  struct State {
    bool ready = false;
    bool live = false;
  };
  // Neither until this is first called.
  void SetState(State state);

  // Not serving from now on, whatever is set; ends all watches.
  void Shutdown();

 private:
  friend class HealthWatch;

  enum class Question { kUnknown, kReady, kLive };

  Question QuestionOf(absl::string_view service) const;
  grpc::health::v1::HealthCheckResponse::ServingStatus Answer(Question question) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell();

  StreamLimits& limits_;
  absl::flat_hash_set<std::string> services_;  // Stays as it is while the server runs.
  Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  bool shutdown_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<HealthWatch*, std::weak_ptr<HealthWatch>> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
