#include "client/src/connection/grpc_latest_calls.h"

#include <grpcpp/generic/generic_stub.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "client/src/base/proto_time.h"
#include "eventhub/latest_reader.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

constexpr char kGetLatestMethod[] = "/eventhub.v1.EventHubService/GetLatest";

// Fewer than a channel has places for.
constexpr size_t kMaxInProgress = 64;

v1::GetLatestRequest RequestFor(const std::string& topic, const std::string& key,
                                std::optional<uint32_t> partition) {
  v1::GetLatestRequest request;
  request.set_topic(topic);
  request.set_key(key);
  if (partition.has_value()) request.set_partition(*partition);
  return request;
}

LatestEvent LatestIn(v1::GetLatestResponse& response) {
  LatestEvent latest;
  latest.event = std::move(*response.mutable_event());
  latest.partition = response.partition();
  latest.offset = response.offset();
  latest.append_time = FromProto(response.append_time());
  latest.run = response.run();
  return latest;
}

}  // namespace

struct GrpcLatestCalls::Lookup {
  v1::GetLatestRequest request;
  v1::GetLatestResponse response;
  absl::Duration timeout;
  GrpcCaller::Deadline deadline;
  Callback done;
  std::optional<ChannelPool::Place> place;  // While it is in progress.
  std::optional<std::list<LookupPtr>::iterator> waits;
};

GrpcLatestCalls::GrpcLatestCalls(GrpcCaller& caller, TimerThread& timer,
                                 std::shared_ptr<ChannelPool> channels)
    : caller_(caller), timer_(timer), channels_(std::move(channels)), service_(caller) {}

GrpcLatestCalls::~GrpcLatestCalls() = default;

absl::StatusOr<LatestEvent> GrpcLatestCalls::GetLatest(const std::string& topic,
                                                       const std::string& key,
                                                       std::optional<uint32_t> partition,
                                                       absl::Duration timeout) {
  ASSIGN_OR_RETURN(auto response,
                   service_.Query(&Stub::GetLatest, RequestFor(topic, key, partition), timeout));
  return LatestIn(response);
}

void GrpcLatestCalls::StartGetLatest(const std::string& topic, const std::string& key,
                                     std::optional<uint32_t> partition, absl::Duration timeout,
                                     Callback done) {
  auto lookup = std::make_shared<Lookup>();
  lookup->request = RequestFor(topic, key, partition);
  lookup->timeout = timeout;
  lookup->deadline = GrpcCaller::DeadlineAfter(timeout);
  lookup->done = std::move(done);
  {
    MutexLock lock(mutex_);
    if (in_progress_ == kMaxInProgress) {
      lookup->waits = waiting_.insert(waiting_.end(), lookup);
    } else {
      ++in_progress_;
    }
    if (!lookup->waits) {
      lookup->place.emplace(channels_->TakePlace());
    }
  }
  if (lookup->place) {
    Send(lookup);
  } else {
    timer_.RunAfter(timeout, [this, weak = std::weak_ptr<Lookup>(lookup)] {
      if (const LookupPtr late = weak.lock()) Expire(late);
    });
  }
}

void GrpcLatestCalls::Send(const LookupPtr& lookup) {
  caller_.StartQuery(
      [lookup](grpc::ClientContext& context, std::function<void(grpc::Status)> done) {
        grpc::TemplatedGenericStub<v1::GetLatestRequest, v1::GetLatestResponse> stub(
            lookup->place->channel());
        stub.UnaryCall(&context, kGetLatestMethod, {}, &lookup->request, &lookup->response,
                       std::move(done));
      },
      lookup->deadline, [this, lookup](absl::Status status) { OnDone(lookup, std::move(status)); });
}

void GrpcLatestCalls::OnDone(const LookupPtr& lookup, absl::Status status) {
  LookupPtr next;
  {
    MutexLock lock(mutex_);
    lookup->place.reset();
    if (waiting_.empty()) {
      --in_progress_;
    } else {
      next = std::move(waiting_.front());
      waiting_.pop_front();
      next->waits.reset();
      next->place.emplace(channels_->TakePlace());
    }
  }
  if (next != nullptr) Send(next);
  // Last: it may drop the connection.
  if (status.ok()) {
    std::move(lookup->done)(LatestIn(lookup->response));
  } else {
    std::move(lookup->done)(std::move(status));
  }
}

void GrpcLatestCalls::Expire(const LookupPtr& lookup) {
  {
    MutexLock lock(mutex_);
    if (!lookup->waits) return;
    waiting_.erase(*std::exchange(lookup->waits, std::nullopt));
  }
  std::move(lookup->done)(WithNothingDone(absl::DeadlineExceededError(
      absl::StrCat("the look-up was not sent within ", absl::FormatDuration(lookup->timeout),
                   ", because ", kMaxInProgress, " others were in progress"))));
}

}  // namespace eventhub::client
