// Looks into the directory of an outbox without changing it.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/outbox/region.h"
#include "client/outbox/spool.h"
#include "client/outbox/status.h"
#include "eventhub/outbox.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

using outbox::StoredTopic;

class SpoolReader final : public OutboxReader {
 public:
  SpoolReader(std::unique_ptr<outbox::Spool> spool, std::vector<StoredTopic> topics)
      : spool_(std::move(spool)), topics_(std::move(topics)) {}

  OutboxStatus status() const override {
    OutboxStatus all;
    for (const StoredTopic& topic : topics_) {
      OutboxTopicStatus& one = all.topics.emplace_back();
      one.topic = topic.record.name;
      for (const outbox::StoredRequest& request : topic.requests) {
        one.pending_events += request.events;
        one.pending_bytes += request.bytes;
      }
      if (!topic.requests.empty()) one.oldest = topic.requests.front().accepted;
      one.refused_events = topic.refused_events;
      one.refused_bytes = topic.refused_bytes;
      one.lost_events = topic.lost_events;
    }
    outbox::AddUp(all);
    return all;
  }

  absl::Status ForEachPending(
      absl::FunctionRef<absl::Status(const std::string& topic, const v1::Event& event)> visit,
      uint64_t* lost) const override {
    *lost = 0;
    for (const StoredTopic& topic : topics_) {
      *lost += topic.lost_events;
      for (const outbox::StoredRequest& request : topic.requests) {
        RETURN_IF_ERROR(VisitRequest(topic, request.number, visit, lost));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ForEachRefused(
      absl::FunctionRef<absl::Status(const RefusedEvent& event)> visit) const override {
    for (const StoredTopic& topic : topics_) {
      RETURN_IF_ERROR(
          spool_->ForEachRefused(topic.number, [&](uint64_t, const outbox::RefusedRecord& record) {
            RefusedEvent refused{.topic = topic.record.name,
                                 .refused_at = record.refused,
                                 .error = record.error,
                                 .in_doubt = record.in_doubt};
            return outbox::ForEachEvent(record.event, [&](const v1::Event& event) {
              refused.event = event;
              return visit(refused);
            });
          }));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status VisitRequest(
      const StoredTopic& topic, uint64_t request,
      absl::FunctionRef<absl::Status(const std::string& topic, const v1::Event& event)> visit,
      uint64_t* lost) const {
    ASSIGN_OR_RETURN(const std::vector<outbox::StoredPart> parts,
                     spool_->ReadParts(topic.number, request));
    for (const outbox::StoredPart& part : parts) {
      if (absl::IsDataLoss(part.events.status())) {
        *lost += part.header.events;
        continue;
      }
      RETURN_IF_ERROR(part.events.status());
      RETURN_IF_ERROR(outbox::ForEachEvent(part.events->view, [&](const v1::Event& event) {
        return visit(topic.record.name, event);
      }));
    }
    return absl::OkStatus();
  }

  const std::unique_ptr<outbox::Spool> spool_;
  const std::vector<StoredTopic> topics_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OutboxReader>> OutboxReader::Open(const std::string& directory) {
  ASSIGN_OR_RETURN(auto spool, outbox::Spool::OpenForReading(directory));
  ASSIGN_OR_RETURN(auto topics, spool->Load());
  return std::make_unique<SpoolReader>(std::move(spool), std::move(topics));
}

}  // namespace eventhub::client
