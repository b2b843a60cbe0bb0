#include "server/core/subscription/dispatch/notices.h"

#include <utility>

#include "google/protobuf/util/time_util.h"

namespace eventhub {
namespace {

using google::protobuf::util::TimeUtil;

v1::PartitionLease Describe(const PartitionCursor& cursor) {
  v1::PartitionLease lease;
  lease.set_partition(cursor.id().value());
  lease.set_lease_epoch(cursor.epoch());
  return lease;
}

// Adds the notices about a partition.
void AddNews(PartitionId partition, PartitionNews news, v1::ConsumeResponse* response) {
  if (news.revoked.has_value()) *response->add_revoked() = *std::move(news.revoked);
  if (news.assigned.has_value()) *response->add_assigned() = *std::move(news.assigned);
  if (news.draining.has_value()) *response->add_draining() = *std::move(news.draining);
  for (const auto& [start, end] : news.trimmed) {
    v1::TrimmedRange& trimmed = *response->add_trimmed();
    trimmed.set_partition(partition.value());
    trimmed.mutable_range()->set_start(start.value());
    trimmed.mutable_range()->set_end(end.value());
  }
}

// Moves answers into the response, at least one, up to about the size of a frame.
void TakeAnswers(Consumer& consumer, v1::ConsumeResponse* response) {
  size_t bytes = 0;
  auto answer = consumer.answers.begin();
  for (; answer != consumer.answers.end() && bytes <= consumer.frame_bytes; ++answer) {
    v1::Settlement& settlement = *response->add_settlements();
    settlement.set_correlation_id(answer->correlation_id);
    answer->refused.AddTo(&settlement);
    bytes += answer->refused.encoded_bytes();
    --consumer.unsettled;
  }
  consumer.answers.erase(consumer.answers.begin(), answer);
}

}  // namespace

void NoteRevoked(const PartitionCursor& cursor, Consumer& consumer) {
  PartitionNews& news = consumer.news[cursor.id()];
  news.revoked = Describe(cursor);
  news.assigned.reset();
  news.draining.reset();
  consumer.has_notices = true;
}

void NoteAssigned(const PartitionCursor& cursor, Consumer& consumer) {
  PartitionNews& news = consumer.news[cursor.id()];
  news.assigned = Describe(cursor);
  news.assigned->set_next_offset(cursor.acked().value());
  news.assigned->set_first_new_offset(cursor.next().value());
  news.draining.reset();
  consumer.has_notices = true;
}

void NoteDraining(const PartitionCursor& cursor, int64_t micros, Consumer& consumer) {
  v1::PartitionLease& lease = consumer.news[cursor.id()].draining.emplace(Describe(cursor));
  *lease.mutable_time_left() = TimeUtil::MicrosecondsToDuration(micros);
  consumer.has_notices = true;
}

void NoteRewound(const PartitionCursor& cursor, Offset to, Consumer& consumer) {
  v1::PartitionOffset& rewound = *consumer.notices.add_rewound();
  rewound.set_partition(cursor.id().value());
  rewound.set_offset(to.value());
  consumer.has_notices = true;
}

void NoteAckDeadline(int64_t micros, Consumer& consumer) {
  *consumer.notices.mutable_ack_deadline() = TimeUtil::MicrosecondsToDuration(micros);
  consumer.has_notices = true;
}

bool TakeNotices(Consumer& consumer, ConsumeFrame* frame) {
  if (!std::exchange(consumer.has_notices, false)) return false;
  TakeAnswers(consumer, &frame->control);
  consumer.has_notices = !consumer.answers.empty();
  frame->control.MergeFrom(consumer.notices);
  consumer.notices.Clear();
  for (auto& [partition, news] : consumer.news)
    AddNews(partition, std::move(news), &frame->control);
  consumer.news.clear();
  return true;
}

}  // namespace eventhub
