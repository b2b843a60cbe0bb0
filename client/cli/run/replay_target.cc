#include "client/cli/run/replay_target.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "eventhub/error.h"
#include "eventhub/reader.h"
#include "eventhub/v1/hub.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/wire/writer.h"
#include "server/lake/object/event_line.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr size_t kSendBytes = size_t{1} << 20;

// The largest events that hubs accept, the default of their requests, and their own default.
constexpr uint32_t kMaxEventBytes[] = {16u << 20, (4u << 20) - 1024, 0};

std::string PlaceText(uint32_t partition, int64_t offset) {
  return absl::StrCat(partition, ":", offset);
}

}  // namespace

ReplayTarget::ReplayTarget(std::shared_ptr<client::Connection> hub, ReplayTargetOptions options)
    : hub_(std::move(hub)), options_(std::move(options)) {}

ReplayTarget::~ReplayTarget() {
  if (in_flight_.valid()) in_flight_.wait();
}

absl::StatusOr<std::unique_ptr<ReplayTarget>> ReplayTarget::Open(
    std::shared_ptr<client::Connection> hub, const ReplayTargetOptions& options) {
  std::unique_ptr<ReplayTarget> target(new ReplayTarget(std::move(hub), options));
  RETURN_IF_ERROR(target->Prepare());
  RETURN_IF_ERROR(target->Locate());
  return target;
}

absl::Status ReplayTarget::Prepare() {
  client::AdminClient admin(hub_, options_.admin);
  absl::StatusOr<client::TopicDescription> found = admin.GetTopic(options_.topic);
  if (absl::IsNotFound(found.status())) {
    // Events that carry where they come from are larger than they were.
    for (const uint32_t max_event_bytes : kMaxEventBytes) {
      const absl::Status created =
          admin
              .CreateTopic({.name = options_.topic,
                            .partitions = options_.partitions,
                            .max_event_bytes = max_event_bytes,
                            .description = absl::StrCat("replay of ", options_.source)})
              .status();
      if (absl::IsInvalidArgument(created) && max_event_bytes != 0) continue;
      return created;
    }
  }
  RETURN_IF_ERROR(found.status());
  const client::Topic& topic = found->topic;
  if (topic.partitions < options_.partitions) {
    return absl::FailedPreconditionError(
        absl::StrCat("topic '", options_.topic, "' has ", topic.partitions,
                     " partitions; the events are in ", options_.partitions));
  }
  if (topic.keep_nothing || topic.latest_per_key ||
      topic.deduplication_window > absl::ZeroDuration()) {
    return absl::FailedPreconditionError(
        absl::StrCat("topic '", options_.topic,
                     "' does not keep every event, so it would not show how far the replay is"));
  }
  return absl::OkStatus();
}

absl::Status ReplayTarget::Locate() {
  client::AdminClient admin(hub_, options_.admin);
  ASSIGN_OR_RETURN(const std::vector<client::PartitionInfo> partitions,
                   admin.ListPartitions(options_.topic));
  client::ReaderOptions last;
  last.topic = options_.topic;
  for (const client::PartitionInfo& partition : partitions) {
    partitions_[partition.partition].end = partition.end_offset;
    if (partition.start_offset > 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("partition ", partition.partition, " of topic '", options_.topic,
                       "' was trimmed, so it does not show how far the replay is"));
    }
    events_ += static_cast<uint64_t>(partition.end_offset);
    if (partition.end_offset == 0) continue;
    last.partitions.push_back(partition.partition);
    last.offsets.push_back({.partition = partition.partition, .offset = partition.end_offset - 1});
  }
  if (last.partitions.empty()) return absl::OkStatus();
  last.reconnect_deadline = options_.admin.timeout;
  ASSIGN_OR_RETURN(const auto reader, client::Reader::Create(hub_, last));
  for (;;) {
    ASSIGN_OR_RETURN(const client::EventBatch batch, reader->Next());
    if (batch.done()) return absl::OkStatus();
    for (const client::ReceivedEvent& event : batch) {
      RETURN_IF_ERROR(Note(event.partition(), event.bytes()));
      // Somebody may have appended since the partitions were listed.
      int64_t& end = partitions_[event.partition()].end;
      if (event.offset() < end) continue;
      end = event.offset() + 1;
      ++events_;
    }
  }
}

absl::Status ReplayTarget::Note(uint32_t partition, std::string_view encoded) {
  v1::Event event;
  const bool parsed = event.ParseFromArray(encoded.data(), static_cast<int>(encoded.size()));
  const auto text = [&event](const char* name) -> absl::string_view {
    const auto attribute = event.attributes().find(name);
    if (attribute == event.attributes().end()) return "";
    return attribute->second.string();
  };
  absl::string_view place = text(kReplayOffset);
  int64_t offset = 0;
  if (!parsed || text(kReplayJob).empty() ||
      !absl::ConsumePrefix(&place, absl::StrCat(partition, ":")) ||
      !absl::SimpleAtoi(place, &offset) || offset < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("topic '", options_.topic,
                     "' has events that are not of this replay: name a topic of its own"));
  }
  if (text(kReplayJob) != options_.job) {
    return absl::FailedPreconditionError(absl::StrCat(
        "topic '", options_.topic, "' has a replay of ", text(kReplayTopic),
        " with another selection: name another topic, or go on with the options of that replay"));
  }
  next_offsets_[partition] = offset + 1;
  return absl::OkStatus();
}

absl::Status ReplayTarget::Add(const lake::LakeEvent& event) {
  const lake::EventPosition& at = event.position;
  absl::StatusOr<v1::Event> message = lake::EventOf(event.line);
  if (!message.ok()) {
    return absl::DataLossError(absl::StrCat("the event at ", PlaceText(at.partition, at.offset),
                                            " cannot be read: ", message.status().message()));
  }
  auto& attributes = *message->mutable_attributes();
  attributes[kReplayTopic].set_string(options_.source);
  attributes[kReplayOffset].set_string(PlaceText(at.partition, at.offset));
  *attributes[kReplayTime].mutable_timestamp() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(at.append_micros);
  attributes[kReplayJob].set_string(options_.job);
  Partition& partition = partitions_[at.partition];
  if (partition.count == 0) gathered_.push_back(at.partition);
  const size_t before = partition.events.size();
  wire::AppendBytes(v1::TransactAppend::kEventsFieldNumber, message->SerializeAsString(),
                    &partition.events);
  ++partition.count;
  ++gathered_events_;
  gathered_bytes_ += partition.events.size() - before;
  const bool full =
      gathered_bytes_ >= kSendBytes || gathered_.size() >= client::kMaxTransactionParts;
  return full ? Send() : absl::OkStatus();
}

absl::Status ReplayTarget::Send() {
  RETURN_IF_ERROR(AwaitSent());
  client::Transaction transaction;
  for (const uint32_t number : gathered_) {
    Partition& partition = partitions_[number];
    client::TransactionAppend append;
    append.topic = options_.topic;
    append.partition = number;
    append.expected_offset = partition.end;
    append.encoded_events = std::exchange(partition.events, {});
    partition.end += static_cast<int64_t>(std::exchange(partition.count, 0));
    transaction.appends.push_back(std::move(append));
  }
  gathered_.clear();
  gathered_bytes_ = 0;
  sent_events_ = std::exchange(gathered_events_, 0);
  client::CommitOptions commit;
  commit.deadline = options_.deadline;
  in_flight_ =
      std::async(std::launch::async, [hub = hub_, transaction = std::move(transaction), commit] {
        return client::Commit(*hub, transaction, commit).status();
      });
  return absl::OkStatus();
}

absl::Status ReplayTarget::AwaitSent() {
  if (!in_flight_.valid()) return absl::OkStatus();
  RETURN_IF_ERROR(in_flight_.get());
  events_ += std::exchange(sent_events_, 0);
  return absl::OkStatus();
}

absl::Status ReplayTarget::Flush() {
  if (gathered_events_ > 0) RETURN_IF_ERROR(Send());
  return AwaitSent();
}

}  // namespace eventhub::cli
