#include "client/src/publish/transaction_proto.h"

#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/src/base/failure.h"
#include "client/src/publish/locate.h"
#include "client/src/publish/publish_proto.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"

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

// Without the events.
v1::TransactAppend HeadOf(const TransactionAppend& append) {
  v1::TransactAppend head;
  head.set_topic(append.topic);
  if (append.partition) head.set_partition(*append.partition);
  if (append.expected_offset) head.set_expected_offset(*append.expected_offset);
  head.set_expected_run(append.expected_run);
  return head;
}

// Everything except the appends. Request: v1::TransactRequest or v1::TransactStreamRequest.
template <typename Request>
Request HeadOf(const Transaction& transaction) {
  Request request;
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
  return request;
}

void AppendTo(const TransactionAppend& append, std::string& out) {
  const std::string head = HeadOf(append).SerializeAsString();
  size_t size = head.size() + append.encoded_events.size();
  for (const v1::Event& event : append.events) {
    const size_t event_size = event.ByteSizeLong();
    size += 1 + wire::VarintSize(event_size) + event_size;
  }
  wire::AppendHead(v1::TransactStreamRequest::kAppendsFieldNumber, size, &out);
  out += head;
  for (const v1::Event& event : append.events) {
    const size_t event_size = static_cast<size_t>(event.GetCachedSize());
    wire::AppendHead(wire::kEventsField, event_size, &out);
    const size_t from = out.size();
    out.resize(from + event_size);
    event.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out.data() + from));
  }
  out += append.encoded_events;
}

}  // namespace

absl::StatusOr<v1::TransactRequest> ToProto(const Transaction& transaction) {
  auto request = HeadOf<v1::TransactRequest>(transaction);
  for (const TransactionAppend& append : transaction.appends) {
    v1::TransactAppend& proto = *request.add_appends();
    proto = HeadOf(append);
    for (const v1::Event& event : append.events) *proto.add_events() = event;
    if (!proto.MergeFromString(append.encoded_events)) {
      return WithNothingDone(absl::InvalidArgumentError(
          absl::StrCat("the encoded events for topic ", append.topic, " cannot be parsed")));
    }
  }
  return request;
}

std::string Encode(const Transaction& transaction, uint64_t correlation_id) {
  auto head = HeadOf<v1::TransactStreamRequest>(transaction);
  head.set_correlation_id(correlation_id);
  std::string request = head.SerializeAsString();
  for (const TransactionAppend& append : transaction.appends) AppendTo(append, request);
  return request;
}

void SetResult(const v1::TransactResponse& response, TransactReply& reply) {
  reply.duplicate = response.duplicate();
  for (const v1::PublishResult& result : response.results()) {
    PublishReply& append = reply.appends.emplace_back();
    SetResult(result, append);
    append.duplicate = response.duplicate();
  }
}

absl::StatusOr<TransactionResult> ResultOf(const TransactReply& reply,
                                           const Transaction& transaction) {
  const absl::Status odd = absl::InternalError("the hub's answer contradicts the transaction");
  if (reply.appends.size() != transaction.appends.size()) return odd;
  TransactionResult result{.duplicate = reply.duplicate};
  for (size_t i = 0; i < reply.appends.size(); ++i) {
    if (!transaction.appends[i].encoded_events.empty()) continue;
    auto located = LocateEvents(transaction.appends[i].events, reply.appends[i]);
    if (!located) return odd;
    result.events.insert(result.events.end(), std::make_move_iterator(located->begin()),
                         std::make_move_iterator(located->end()));
  }
  return result;
}

absl::StatusOr<TransactionResult> FromProto(const v1::TransactResponse& response,
                                            const Transaction& transaction) {
  TransactReply reply;
  SetResult(response, reply);
  return ResultOf(reply, transaction);
}

}  // namespace eventhub::client
