#include "client/processor/state_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "eventhub/error.h"
#include "eventhub/latest_reader.h"
#include "eventhub/processor/correlate.h"
#include "eventhub/subscription_client.h"
#include "server/filter/filter.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor::internal {
namespace {

// A failed read is requested again. The destructor of a processor may wait for one call.
constexpr absl::Duration kReadTimeout = absl::Seconds(2);

absl::Status CheckFilter(const client::Subscription& subscription, const std::string& source) {
  if (!subscription.filter) return absl::OkStatus();
  ASSIGN_OR_RETURN(const CompiledFilter filter,
                   CompileFilter(subscription.filter->proto(), "filter"));
  v1::Event timer;
  timer.set_id("1");
  timer.set_source(source);
  timer.set_type(kTimerType);
  if (filter.Matches(timer.SerializeAsString())) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the filter of subscription ",
                                                    subscription.name,
                                                    " has to pass events of type ", kTimerType));
}

}  // namespace

StateReader::StateReader(std::shared_ptr<client::Connection> connection, std::string subscription,
                         std::string source)
    : connection_(std::move(connection)),
      subscription_(std::move(subscription)),
      source_(std::move(source)) {}

StateReader::~StateReader() { Stop(); }

void StateReader::Read(std::string topic, std::string key, TakeStoredState done) {
  workers_[next_++ % kThreads].Run(
      [this, topic = std::move(topic), key = std::move(key), done = std::move(done)]() mutable {
        std::move(done)(ReadNow(topic, key));
      });
}

absl::StatusOr<StoredState> StateReader::ReadNow(const std::string& topic, const std::string& key) {
  if (stopping_) return absl::CancelledError("the processor stops");
  StoredState stored;
  ASSIGN_OR_RETURN(stored.subscription_topic, FindTopic());
  absl::StatusOr<client::LatestEvent> latest =
      client::LatestReader(connection_, {.topic = topic, .timeout = kReadTimeout}).Get(key);
  if (latest.ok()) {
    stored.event = std::move(latest->event);
  } else if (client::GetErrorReason(latest.status()) != client::ErrorReason::kKeyNotFound) {
    return latest.status();
  }
  return stored;
}

absl::StatusOr<std::string> StateReader::FindTopic() {
  {
    MutexLock lock(mutex_);
    if (topic_) return *topic_;
  }
  client::AdminOptions options;
  options.timeout = kReadTimeout;
  ASSIGN_OR_RETURN(
      const client::SubscriptionDescription description,
      client::SubscriptionClient(connection_, options).GetSubscription(subscription_, 1));
  const client::Subscription& subscription = description.subscription;
  if (subscription.kind != client::SubscriptionKind::kStream) {
    return absl::FailedPreconditionError(
        absl::StrCat("state by key needs a STREAM subscription, and ", subscription_, " is none"));
  }
  if (absl::Status status = CheckFilter(subscription, source_); !status.ok()) return status;
  MutexLock lock(mutex_);
  topic_ = subscription.topic;
  return subscription.topic;
}

}  // namespace eventhub::processor::internal
