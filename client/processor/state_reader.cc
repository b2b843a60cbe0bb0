#include "client/processor/state_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "eventhub/admin_client.h"
#include "eventhub/error.h"
#include "eventhub/latest_reader.h"
#include "eventhub/processor/correlate.h"
#include "eventhub/subscription_client.h"
#include "eventhub/topic.h"
#include "eventhub/transaction.h"
#include "server/filter/filter.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor::internal {
namespace {

// A failed read is requested again. The destructor of a processor may wait for one call.
constexpr absl::Duration kReadTimeout = absl::Seconds(2);

// How long what was checked is believed, while nothing says that it changed.
constexpr absl::Duration kCheckInterval = absl::Seconds(5);
constexpr absl::Duration kErrorInterval = absl::Milliseconds(500);

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
  const Place place(key.substr(0, key.find('/')), topic);
  if (auto known = Known(place)) {
    ReadFor(*std::move(known), topic, key, std::move(done));
    return;
  }
  worker_.Run(
      [this, place, topic = std::move(topic), key = std::move(key),
       done = std::move(done)]() mutable { ReadFor(Check(place), topic, key, std::move(done)); });
}

void StateReader::OnAssigned(uint32_t partition) {
  MutexLock lock(mutex_);
  if (partition >= partitions_) checked_.clear();
}

void StateReader::ReadFor(absl::StatusOr<std::string> subscription_topic, const std::string& topic,
                          const std::string& key, TakeStoredState done) {
  if (!subscription_topic.ok()) {
    std::move(done)(subscription_topic.status());
    return;
  }
  if (stopping_) {
    std::move(done)(absl::CancelledError("the processor stops"));
    return;
  }
  client::LatestReader(connection_, {.topic = topic, .timeout = kReadTimeout})
      .GetAsync(key, [subscription_topic = *std::move(subscription_topic),
                      done = std::move(done)](absl::StatusOr<client::LatestEvent> latest) mutable {
        StoredState stored{.subscription_topic = std::move(subscription_topic)};
        if (latest.ok()) {
          stored.event = std::move(latest->event);
        } else if (client::GetErrorReason(latest.status()) != client::ErrorReason::kKeyNotFound) {
          std::move(done)(latest.status());
          return;
        }
        std::move(done)(std::move(stored));
      });
}

std::optional<absl::StatusOr<std::string>> StateReader::Known(const Place& place) {
  MutexLock lock(mutex_);
  const auto checked = checked_.find(place);
  if (checked == checked_.end() || Clock::System().Monotonic() >= checked->second.until) {
    return std::nullopt;
  }
  return checked->second.topic;
}

absl::StatusOr<std::string> StateReader::Check(const Place& place) {
  // Others may have waited for the same.
  if (auto known = Known(place)) return *std::move(known);
  if (stopping_) return absl::CancelledError("the processor stops");
  absl::StatusOr<std::string> topic;
  absl::StatusOr<Source> source = FindSource();
  if (source.ok()) {
    const absl::Status suits = CheckPartitions(place, *source);
    topic = suits.ok() ? absl::StatusOr<std::string>(source->topic) : suits;
  } else {
    topic = source.status();
  }
  MutexLock lock(mutex_);
  if (source.ok()) partitions_ = source->partitions;
  const absl::Duration believed = topic.ok() ? kCheckInterval : kErrorInterval;
  checked_.insert_or_assign(place, Checked{Clock::System().Monotonic() + believed, topic});
  return topic;
}

absl::StatusOr<StateReader::Source> StateReader::FindSource() {
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
  RETURN_IF_ERROR(CheckFilter(subscription, source_));
  ASSIGN_OR_RETURN(const client::TopicDescription topic,
                   client::AdminClient(connection_, options).GetTopic(subscription.topic));
  return Source{subscription.topic, topic.topic.partitions};
}

absl::Status StateReader::CheckPartitions(const Place& place, const Source& source) {
  const auto& [pipeline, state] = place;
  const std::string key = absl::StrCat(pipeline, "/partitions");
  const std::string now = absl::StrCat(source.partitions);
  const absl::StatusOr<client::LatestEvent> latest =
      client::LatestReader(connection_, {.topic = state, .timeout = kReadTimeout}).Get(key);
  if (latest.ok() && latest->event.data() == now) return absl::OkStatus();
  if (latest.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "topic ", source.topic, " has ", now, " partitions, and had ", latest->event.data(),
        " when pipeline ", pipeline, " began to keep state in ", state,
        ": keys have moved away from their state. Give the pipeline another id, which begins anew; "
        "or, to give up the state of keys that moved, publish an event without data to ",
        state, " under the key ", key));
  }
  if (client::GetErrorReason(latest.status()) != client::ErrorReason::kKeyNotFound) {
    return latest.status();
  }
  v1::Event event;
  event.set_id(absl::StrCat(key, "/", now));
  event.set_source(source_);
  event.set_type("eventhub.state.partitions");
  event.set_subject(source.topic);
  event.set_partition_key(key);
  event.set_data(now);
  return client::Commit(*connection_, client::Transaction().Append(state, std::move(event)),
                        {.deadline = kReadTimeout})
      .status();
}

}  // namespace eventhub::processor::internal
