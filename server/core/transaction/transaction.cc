#include "server/core/transaction/transaction.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/message_fields.h"
#include "server/core/base/errors.h"
#include "server/core/topic/topic_log.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr size_t kMaxIdBytes = 256;
constexpr size_t kMaxParts = 4096;
// An ack of one range has six.
constexpr size_t kMaxHeadFields = 8 * kMaxParts;
constexpr uint32_t kVersion = 1;
constexpr size_t kTransactionHeader = 12;

absl::Status MalformedTransaction() { return MalformedRequest("is not well-formed protobuf"); }

absl::Status CheckHead(const v1::TransactRequest& head, size_t appends) {
  if (head.transaction_id().size() > kMaxIdBytes) {
    return InvalidField("transaction_id", "has more than 256 bytes");
  }
  if (head.durability() < v1::DURABILITY_UNSPECIFIED || head.durability() > v1::DURABILITY_SYNCED) {
    return InvalidField("durability", absl::StrCat("has the unknown value ", head.durability()));
  }
  size_t parts = appends + static_cast<size_t>(head.checks_size());
  for (const v1::Ack& ack : head.acks().acks()) {
    parts += static_cast<size_t>(std::max(1, ack.ranges_size()));
  }
  if (parts > kMaxParts) {
    return InvalidField("appends", absl::StrCat("acks and checks are more than ", kMaxParts));
  }
  if (appends == 0 && !head.has_acks()) {
    return InvalidField("appends", "or acks are required: there is nothing to do");
  }
  if (head.has_acks() && head.acks().acks().empty()) {
    return InvalidField("acks.acks", "is empty");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TransactionRequest> ParseTransaction(const SharedBytes& message) {
  TransactionRequest request;
  std::string head;
  wire::FieldReader field(message.view());
  while (field.Next()) {
    if (field.Is(v1::TransactRequest::kAppendsFieldNumber)) {
      if (request.appends.size() == kMaxParts) {
        return InvalidField("appends", absl::StrCat("are more than ", kMaxParts));
      }
      ASSIGN_OR_RETURN(PublishRequest append, ParsePublishRequest(message.Sub(field.bytes())));
      request.appends.push_back(std::move(append));
    } else {
      head.append(field.field().data(), field.field().size());
    }
  }
  if (!field.ok()) return MalformedTransaction();
  const std::optional<wire::MessageFields> fields =
      wire::CountFields(*v1::TransactRequest::descriptor(), head, kMaxHeadFields);
  if (!fields.has_value()) return MalformedTransaction();
  if (fields->count > kMaxHeadFields) {
    return InvalidField("appends", absl::StrCat("acks and checks are more than ", kMaxParts));
  }
  if (!request.head.ParseFromString(head)) return MalformedTransaction();
  if (fields->unknown > 0) request.head.DiscardUnknownFields();
  request.parsed_bytes = fields->parsed_bytes;
  RETURN_IF_ERROR(CheckHead(request.head, request.appends.size()));
  return request;
}

absl::StatusOr<absl::Time> TransactionTable::TimeOfRecord(absl::string_view value) {
  if (value.size() < kTransactionHeader || LoadLittle32(value.data()) != kVersion) {
    return absl::DataLossError(absl::StrCat("transaction record of ", value.size(),
                                            " bytes does not have version ", kVersion));
  }
  return absl::FromUnixMicros(static_cast<int64_t>(LoadLittle64(value.data() + 4)));
}

absl::StatusOr<std::optional<v1::TransactResponse>> TransactionTable::Find(
    const std::string& id) const {
  const auto it = in_commit_.find(id);
  if (it != in_commit_.end()) return it->second;
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   store_.Get(Column::kProducers, TransactionKey(id)));
  if (!value.has_value()) return std::nullopt;
  RETURN_IF_ERROR(TimeOfRecord(*value).status());
  v1::TransactResponse response;
  if (!response.ParseFromString(value->substr(kTransactionHeader))) {
    return absl::DataLossError(absl::StrCat("the record of transaction ", id, " is damaged"));
  }
  return response;
}

void TransactionTable::Record(const std::string& id, const v1::TransactResponse& response,
                              CommitBuilder& commit) {
  std::string value;
  AppendLittle32(&value, kVersion);
  AppendLittle64(&value, static_cast<uint64_t>(absl::ToUnixMicros(commit.now())));
  response.AppendToString(&value);
  commit.Put(Column::kProducers, TransactionKey(id), value);
  in_commit_[id] = response;
  commit.AddHook(shared_from_this());
}

void TransactionTable::BeforeWrite(CommitBuilder&) { in_commit_.clear(); }

TransactTask::TransactTask(std::shared_ptr<TransactionTable> table, CheckedTransaction transaction,
                           TransactDone done)
    : table_(std::move(table)), transaction_(std::move(transaction)), done_(std::move(done)) {}

CommitTask::Readiness TransactTask::readiness() {
  return PlansAreCurrent(absl::MakeConstSpan(transaction_.appends)) ? Readiness::kReady
                                                                    : Readiness::kOutdated;
}

void TransactTask::Renew() {
  for (TopicAppend& append : transaction_.appends) RenewPlan(append);
  transaction_.bytes = 0;
  transaction_.copied = 0;
  transaction_.records = 0;
  outgrown_ = absl::OkStatus();
  for (const TopicAppend& append : transaction_.appends) {
    if (outgrown_.ok()) outgrown_ = transaction_.Count(append);
  }
}

void TransactTask::BeginRenewal() { eventhub::BeginRenewal(absl::MakeSpan(transaction_.appends)); }

void TransactTask::EndRenewal() { eventhub::EndRenewal(absl::MakeSpan(transaction_.appends)); }

void TransactTask::Refuse() { refused_ = ShuttingDown(kShutdownRetry); }

uint64_t TransactTask::renewal_lane() const {
  return transaction_.appends.empty() ? 0 : transaction_.appends.front().topic->id().value();
}

absl::Status CheckedTransaction::Count(const TopicAppend& append) {
  const Topic& topic = *append.topic;
  bytes += BytesOf(append.publish);
  copied += BytesOfCopies(append.publish.routes.get());
  if (topic.copies() != nullptr && copied > topic.copies()->limit()) {
    return TooManyCopies(topic.name());
  }
  records += append.publish.records;
  if (records > kMaxRequestRecords) {
    return TooManyRecords(topic.name(), records, kMaxRequestRecords);
  }
  return absl::OkStatus();
}

void TransactTask::Prepare(CommitBuilder& commit) {
  const absl::StatusOr<bool> admitted = Admit(commit);
  refused_ = admitted.ok() ? absl::OkStatus() : admitted.status();
  if (admitted.ok() && *admitted) refused_ = Apply(commit);
}

absl::StatusOr<bool> TransactTask::Admit(const CommitBuilder& commit) {
  if (!transaction_.id.empty()) {
    ASSIGN_OR_RETURN(std::optional<v1::TransactResponse> done, table_->Find(transaction_.id));
    if (done.has_value()) {
      response_ = *std::move(done);
      response_.set_duplicate(true);
      return false;
    }
  }
  RETURN_IF_ERROR(outgrown_);
  for (const CheckedTransaction::Check& check : transaction_.checks) {
    if (check.topic->closing()) return TopicNotFound(check.topic->name());
    RETURN_IF_ERROR(
        CheckExpected(*check.topic, *check.log, check.expected, check.expected_run, commit));
  }
  for (TopicAppend& append : transaction_.appends) {
    RETURN_IF_ERROR(AdmitAppend(append, commit));
    RETURN_IF_ERROR(SettleAppend(append, commit));
  }
  return true;
}

absl::Status TransactTask::Apply(CommitBuilder& commit) {
  // The last step that may refuse; nothing fails from here on.
  if (Subscription* const subscription = transaction_.subscription.get(); subscription != nullptr) {
    if (subscription->submitted().closing) return SubscriptionNotFound(subscription->name());
    RETURN_IF_ERROR(subscription->AckAll(commit, transaction_.acks));
  }
  for (TopicAppend& append : transaction_.appends) {
    ApplyAppend(append, commit);
    *response_.add_results() = append.publish.result;
  }
  if (!transaction_.id.empty()) table_->Record(transaction_.id, response_, commit);
  return absl::OkStatus();
}

void TransactTask::Done(const absl::Status& status) {
  const absl::Status outcome = OutcomeOf(refused_, status);
  for (const TopicAppend& append : transaction_.appends) {
    if (!outcome.ok()) {
      append.topic->counters().refused_requests.Add();
    } else if (!response_.duplicate()) {
      CountAppend(append);
    }
  }
  if (outcome.ok()) {
    std::move(done_)(std::move(response_));
  } else {
    std::move(done_)(outcome);
  }
}

}  // namespace eventhub
