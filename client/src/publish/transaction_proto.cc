#include "client/src/publish/transaction_proto.h"

#include <string>

#include "client/src/publish/locate.h"
#include "client/src/publish/publish_proto.h"

namespace eventhub::client {
namespace {

void ToProto(const TransactionAck& ack, v1::Ack& proto) {
  proto.set_partition(ack.partition);
  proto.set_lease_epoch(ack.lease_epoch);
  proto.set_exact(true);
  for (const OffsetRange& range : ack.ranges) {
    v1::OffsetRange& to = *proto.add_ranges();
    to.set_start(range.start);
    to.set_end(range.end);
  }
}

void ToProto(const TransactionAppend& append, v1::TransactAppend& proto) {
  proto.set_topic(append.topic);
  if (append.partition) proto.set_partition(*append.partition);
  if (append.expected_offset) proto.set_expected_offset(*append.expected_offset);
  proto.set_expected_run(append.expected_run);
  for (const v1::Event& event : append.events) *proto.add_events() = event;
}

// Encodes the events of an append as consecutive fields.
std::string Body(const TransactionAppend& append) {
  v1::EventBatch batch;
  for (const v1::Event& event : append.events) *batch.add_events() = event;
  return batch.SerializeAsString();
}

}  // namespace

v1::TransactRequest ToProto(const Transaction& transaction) {
  v1::TransactRequest request;
  request.set_transaction_id(transaction.id);
  request.set_durability(static_cast<v1::Durability>(transaction.durability));
  if (!transaction.acks.empty()) {
    v1::TransactAcks& acks = *request.mutable_acks();
    acks.set_subscription(transaction.subscription);
    acks.set_session(transaction.session);
    for (const TransactionAck& ack : transaction.acks) ToProto(ack, *acks.add_acks());
  }
  for (const OffsetCheck& check : transaction.checks) {
    v1::OffsetCheck& proto = *request.add_checks();
    proto.set_topic(check.topic);
    proto.set_partition(check.partition);
    proto.set_expected_offset(check.next_offset);
    proto.set_expected_run(check.expected_run);
  }
  for (const TransactionAppend& append : transaction.appends) {
    ToProto(append, *request.add_appends());
  }
  return request;
}

absl::StatusOr<TransactionResult> FromProto(const v1::TransactResponse& response,
                                            const Transaction& transaction) {
  const absl::Status odd = absl::InternalError("the hub's answer contradicts the transaction");
  TransactionResult result{.duplicate = response.duplicate()};
  if (static_cast<size_t>(response.results_size()) != transaction.appends.size()) return odd;
  for (size_t i = 0; i < transaction.appends.size(); ++i) {
    const TransactionAppend& append = transaction.appends[i];
    PublishReply reply;
    SetResult(response.results(static_cast<int>(i)), reply);
    reply.duplicate = response.duplicate();
    const auto located = LocateEvents(Body(append), append.events.size(), reply);
    if (!located) return odd;
    result.events.insert(result.events.end(), located->begin(), located->end());
  }
  return result;
}

}  // namespace eventhub::client
