// LatestCalls over gRPC.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "client/src/base/timer_thread.h"
#include "client/src/connection/channel_pool.h"
#include "client/src/connection/grpc_caller.h"
#include "eventhub/connection/latest_calls.h"
#include "eventhub/v1/hub.grpc.pb.h"
#include "storage/base/mutex.h"

namespace eventhub::client {

// Looks up events through EventHubService. Thread-safe.
class GrpcLatestCalls final : public LatestCalls {
 public:
  // `caller` must outlive this object. `timer` must be destroyed before it, and may be constructed
  // after it.
  GrpcLatestCalls(GrpcCaller& caller, TimerThread& timer, std::shared_ptr<ChannelPool> channels);
  ~GrpcLatestCalls() override;

  absl::StatusOr<LatestEvent> GetLatest(const std::string& topic, const std::string& key,
                                        std::optional<uint32_t> partition,
                                        absl::Duration timeout) override;
  void StartGetLatest(const std::string& topic, const std::string& key,
                      std::optional<uint32_t> partition, absl::Duration timeout,
                      Callback done) override;

 private:
  using Stub = v1::EventHubService::Stub;
  struct Lookup;
  using LookupPtr = std::shared_ptr<Lookup>;

  // Sends a look-up, which counts as in progress.
  void Send(const LookupPtr& lookup);
  void OnDone(const LookupPtr& lookup, absl::Status status);
  // Gives up on a look-up that still waits to be sent.
  void Expire(const LookupPtr& lookup);

  GrpcCaller& caller_;
  TimerThread& timer_;
  const std::shared_ptr<ChannelPool> channels_;
  GrpcService<v1::EventHubService> service_;

  Mutex mutex_;
  size_t in_progress_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<LookupPtr> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::client
