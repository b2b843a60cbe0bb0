#include "tests/server/broker_rig.h"

#include <algorithm>
#include <future>
#include <ostream>

#include "storage/base/status_macros.h"
#include "tests/support/caller.h"

namespace eventhub {

std::vector<std::string> Delivered::Ids(uint32_t partition) const {
  std::vector<std::string> ids;
  const auto it = events.find(partition);
  if (it == events.end()) return ids;
  for (const Event& event : it->second) ids.push_back(event.id);
  return ids;
}

std::ostream& operator<<(std::ostream& os, const Delivered::Event& event) {
  return os << event.offset << ":" << event.id;
}

BrokerRig::BrokerRig() : disk(FaultEnv::Medium::kMemory) {}

absl::Status BrokerRig::Open() {
  BrokerOptions options;
  options.store.directory = disk.directory() + "/hub";
  options.store.env = env != nullptr ? env : disk.env();
  options.tail_cache_bytes = tail_cache_bytes;
  options.max_partitions = max_partitions;
  options.filter_bytes = filter_bytes;
  options.copy_bytes = copy_bytes;
  options.pending_bytes = pending_bytes;
  options.request_bytes = request_bytes;
  options.reader_bytes = reader_bytes;
  options.master_keys = master_keys;
  options.erasure_topic = erasure_topic;
  options.maintenance = maintenance;
  options.archive = archive;
  if (!real_time) options.clock = &clock;
  options.run_alarm = real_time;  // Otherwise a test moves the clock.
  options.on_writable_change = [this](const absl::Status& status) {
    MutexLock lock(mutex_);
    said_writable_ = status;
  };
  options.on_admin_change = on_admin_change;
  options.on_background_error = [this](const absl::Status& status) {
    MutexLock lock(mutex_);
    background_errors_.push_back(status);
  };
  ASSIGN_OR_RETURN(broker_, Broker::Open(std::move(options)));
  return absl::OkStatus();
}

void BrokerRig::Reopen() {
  Close();
  ASSERT_THAT(Open(), IsOk());
}

absl::Status BrokerRig::said_writable() {
  MutexLock lock(mutex_);
  return said_writable_;
}

std::vector<absl::Status> BrokerRig::background_errors() {
  MutexLock lock(mutex_);
  return background_errors_;
}

absl::StatusOr<v1::PublishResult> BrokerRig::Publish(const v1::PublishStreamRequest& request) {
  return PublishBytes(request.SerializeAsString());
}

absl::StatusOr<v1::PublishResult> BrokerRig::PublishBytes(const std::string& bytes) {
  ASSIGN_OR_RETURN(const PublishRequest request, ParsePublishRequest(SharedBytes::Copy(bytes)));
  std::promise<absl::StatusOr<v1::PublishResult>> outcome;
  broker_->publishing().Publish(kTester, request, [&](absl::StatusOr<v1::PublishResult> result) {
    outcome.set_value(std::move(result));
  });
  return outcome.get_future().get();
}

absl::StatusOr<int64_t> BrokerRig::Publish(const std::string& topic,
                                           const std::vector<std::string>& ids,
                                           uint32_t partition) {
  v1::PublishStreamRequest request = MakeRequest(topic, ids);
  request.set_partition(partition);
  ASSIGN_OR_RETURN(const v1::PublishResult result, Publish(request));
  return result.placements(0).base_offset();
}

absl::StatusOr<v1::Topic> BrokerRig::Create(const v1::Topic& topic) {
  std::promise<absl::StatusOr<v1::Topic>> outcome;
  broker_->topics().Create(kTester, topic,
                           [&](auto result) { outcome.set_value(std::move(result)); });
  return outcome.get_future().get();
}

absl::StatusOr<v1::Topic> BrokerRig::Create(const std::string& name, uint32_t partitions) {
  v1::Topic topic;
  topic.set_name(name);
  topic.set_partitions(partitions);
  return Create(topic);
}

absl::StatusOr<v1::Topic> BrokerRig::Update(const v1::Topic& topic,
                                            const std::vector<std::string>& mask) {
  v1::UpdateTopicRequest request;
  *request.mutable_topic() = topic;
  for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
  std::promise<absl::StatusOr<v1::Topic>> outcome;
  broker_->topics().Update(kTester, request,
                           [&](auto result) { outcome.set_value(std::move(result)); });
  return outcome.get_future().get();
}

absl::Status BrokerRig::Delete(const std::string& name) {
  v1::DeleteTopicRequest request;
  request.set_name(name);
  return Delete(request);
}

absl::Status BrokerRig::Delete(const v1::DeleteTopicRequest& request) {
  std::promise<absl::Status> outcome;
  broker_->topics().Delete(kTester, request,
                           [&](absl::Status status) { outcome.set_value(std::move(status)); });
  return outcome.get_future().get();
}

absl::StatusOr<Delivered> BrokerRig::Drain(TopicReader& reader, int max_frames) {
  Delivered all;
  while (all.frames < max_frames) {
    Frame frame;
    ASSIGN_OR_RETURN(const TopicReader::Step step, reader.Poll(&frame));
    if (step == TopicReader::Step::kWait) return all;
    if (step == TopicReader::Step::kEnd) {
      all.at_end = true;
      return all;
    }
    if (step == TopicReader::Step::kCold) RETURN_IF_ERROR(reader.ReadCold(&frame));
    if (step == TopicReader::Step::kHistory) RETURN_IF_ERROR(reader.ReadHistory(&frame));
    ++all.frames;
    all.caught_up += frame.caught_up ? 1 : 0;
    all.largest_frame = std::max(all.largest_frame, frame.bytes);
    for (const LogPlace& place : frame.start) {
      EXPECT_TRUE(all.start.emplace(place.partition.value(), place.offset.value()).second);
      all.runs[place.partition.value()] = place.run;
    }
    for (const LogPlace& place : frame.passed) {
      all.passed[place.partition.value()] = place.offset.value();
      all.runs[place.partition.value()] = place.run;
    }
    for (const Delivery& delivery : frame.deliveries) {
      std::string region;
      for (const SharedBytes& piece : delivery.events) region.append(piece.data(), piece.size());
      EXPECT_EQ(region.size(), delivery.bytes);
      EXPECT_NE(delivery.run, 0u);
      all.runs[delivery.partition.value()] = delivery.run;
      const std::vector<std::string> ids = IdsOf(region);
      EXPECT_EQ(ids.size(), delivery.count);
      for (size_t i = 0; i < ids.size(); ++i) {
        const size_t delta = delivery.offset_deltas.empty() ? i : delivery.offset_deltas[i];
        all.events[delivery.partition.value()].push_back(
            {delivery.base.value() + static_cast<int64_t>(delta), ids[i]});
      }
    }
  }
  return all;
}

absl::StatusOr<Delivered> BrokerRig::Read(const v1::ReadRequest& request) {
  ASSIGN_OR_RETURN(const std::unique_ptr<TopicReader> reader,
                   broker_->readers().Open(kTester, request));
  return Drain(*reader);
}

absl::StatusOr<Delivered> BrokerRig::Read(const std::string& topic) { return Read(ReadOf(topic)); }

v1::PartitionInfo BrokerRig::Describe(const std::string& topic, uint32_t partition) {
  v1::ListPartitionsRequest request;
  request.set_topic(topic);
  request.set_page_size(1);
  if (partition > 0) request.set_page_token(std::to_string(partition));
  const absl::StatusOr<v1::ListPartitionsResponse> response =
      broker_->topics().ListPartitions(kTester, request);
  EXPECT_THAT(response, IsOk());
  return response.ok() && response->partitions_size() == 1 ? response->partitions(0)
                                                           : v1::PartitionInfo();
}

}  // namespace eventhub
