#include "client/processor/back_reader.h"

#include <utility>

#include "absl/time/time.h"
#include "eventhub/subscription_client.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor::internal {
namespace {

// A failed read is requested again.
constexpr absl::Duration kPatience = absl::Seconds(5);

}  // namespace

BackReader::BackReader(std::shared_ptr<client::Connection> connection, std::string subscription,
                       size_t max_in_flight, Take take)
    : connection_(std::move(connection)),
      subscription_(std::move(subscription)),
      max_in_flight_(max_in_flight),
      take_(std::move(take)) {}

BackReader::~BackReader() { Stop(); }

void BackReader::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    if (reader_ != nullptr) reader_->Cancel();
  }
  change_.NotifyAll();
}

void BackReader::Read(uint32_t partition, int64_t from, int64_t to, Done done) {
  worker_.Run([this, partition, from, to, done = std::move(done)]() mutable {
    std::move(done)(ReadNow(partition, from, to));
  });
}

void BackReader::OnSettled() {
  {
    MutexLock lock(mutex_);
    --in_flight_;
  }
  change_.NotifyOne();
}

bool BackReader::Reserve(size_t events) {
  MutexLock lock(mutex_);
  while (!stopping_ && in_flight_ > 0 && in_flight_ + events > max_in_flight_) {
    change_.Wait(mutex_);
  }
  if (stopping_) return false;
  in_flight_ += events;
  return true;
}

absl::StatusOr<BackReader::Source> BackReader::FindSource() {
  client::AdminOptions options;
  options.timeout = kPatience;
  ASSIGN_OR_RETURN(
      const client::SubscriptionDescription description,
      client::SubscriptionClient(connection_, options).GetSubscription(subscription_, 1));
  return Source{description.subscription.topic, description.subscription.filter};
}

absl::StatusOr<std::shared_ptr<client::Reader>> BackReader::Open(uint32_t partition, int64_t from,
                                                                 int64_t to) {
  ASSIGN_OR_RETURN(Source source, FindSource());
  client::ReaderOptions options;
  options.topic = source.topic;
  options.filter = std::move(source.filter);
  options.partitions = {partition};
  options.start =
      from == 0 ? client::StartPosition::Earliest() : client::StartPosition::Offset(from);
  options.stop_offset = to;
  options.when_trimmed = client::WhenTrimmed::kSkipToEarliest;
  options.reconnect_deadline = kPatience;
  ASSIGN_OR_RETURN(std::shared_ptr<client::Reader> reader,
                   client::Reader::Create(connection_, std::move(options)));
  MutexLock lock(mutex_);
  if (stopping_) return absl::CancelledError("the processor stops");
  reader_ = reader;
  return reader;
}

absl::Status BackReader::ReadNow(uint32_t partition, int64_t from, int64_t to) {
  ASSIGN_OR_RETURN(const std::shared_ptr<client::Reader> reader, Open(partition, from, to));
  for (;;) {
    ASSIGN_OR_RETURN(const client::EventBatch batch, reader->Next());
    if (batch.done()) return absl::OkStatus();
    if (batch.empty()) continue;
    if (!Reserve(batch.size())) return absl::CancelledError("the processor stops");
    take_(batch);
  }
}

}  // namespace eventhub::processor::internal
