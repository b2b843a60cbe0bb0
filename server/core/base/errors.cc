#include "server/core/base/errors.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "proto/wire/utf8.h"

namespace eventhub {
namespace {

using v1::ErrorDetail;

absl::Status Make(absl::StatusCode code, const std::string& message, ErrorDetail detail,
                  ErrorDetail::Reason reason) {
  detail.set_reason(reason);
  return WithDetail(absl::Status(code, message), detail);
}

// About the duration of a commit.
constexpr absl::Duration kTopicBeingDeletedRetry = absl::Milliseconds(100);

constexpr absl::Duration kLakeRetry = absl::Seconds(1);

ErrorDetail RetryAfter(absl::Duration delay) {
  ErrorDetail detail;
  const timespec ts = absl::ToTimespec(delay);
  detail.mutable_retry_delay()->set_seconds(ts.tv_sec);
  detail.mutable_retry_delay()->set_nanos(static_cast<int32_t>(ts.tv_nsec));
  return detail;
}

std::string InTopic(absl::string_view topic, PartitionId partition) {
  return absl::StrCat("topic ", topic, ", partition ", partition.value());
}

// Messages quote client input and travel twice in trailers, which clients limit to 8 KiB. Each byte
// outside plain ASCII takes three bytes there.
constexpr size_t kMaxMessageBytes = 3072;

size_t BytesSent(char c) { return c >= ' ' && c <= '~' && c != '%' ? 1 : 3; }

// The prefix of a message that is sent.
absl::string_view SentOf(absl::string_view message) {
  size_t sent = 0;
  for (size_t i = 0; i < message.size(); ++i) {
    sent += BytesSent(message[i]);
    if (sent > kMaxMessageBytes) return wire::Shorten(message, i);
  }
  return message;
}

constexpr size_t kNamesShown = 10;

std::string OfProducer(absl::string_view producer) { return absl::StrCat("producer ", producer); }

}  // namespace

const absl::string_view kErrorDetailUrl = "type.googleapis.com/eventhub.v1.ErrorDetail";

absl::Status WithDetail(absl::Status status, const ErrorDetail& detail) {
  status.SetPayload(kErrorDetailUrl, absl::Cord(absl::string_view(detail.SerializeAsString())));
  return status;
}

absl::Status WithMessage(const absl::Status& status, absl::string_view message) {
  absl::Status changed(status.code(), message);
  status.ForEachPayload([&changed](absl::string_view url, const absl::Cord& payload) {
    changed.SetPayload(url, payload);
  });
  return changed;
}

std::optional<ErrorDetail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrorDetailUrl);
  ErrorDetail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

v1::ErrorStatus ToErrorStatus(const absl::Status& status) {
  v1::ErrorStatus error;
  error.set_code(static_cast<int>(status.code()));
  const absl::string_view message = SentOf(status.message());
  error.set_message(message.size() < status.message().size() ? absl::StrCat(message, "...")
                                                             : std::string(message));
  status.ForEachPayload([&error](absl::string_view url, const absl::Cord& payload) {
    google::protobuf::Any& detail = *error.add_details();
    detail.set_type_url(std::string(url));
    detail.set_value(std::string(payload));
  });
  // The contract promises a detail; a detail without a reason says that there is no further
  // information.
  if (error.details().empty()) error.add_details()->PackFrom(v1::ErrorDetail());
  return error;
}

bool FitsMessage(absl::string_view message) { return SentOf(message).size() == message.size(); }

std::string JoinNames(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesShown);
  std::string joined =
      absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", ");
  if (shown < names.size()) absl::StrAppend(&joined, " and ", names.size() - shown, " more");
  return joined;
}

absl::Status InvalidField(absl::string_view field, absl::string_view problem) {
  ErrorDetail detail;
  detail.set_field(field.data(), field.size());
  return Make(absl::StatusCode::kInvalidArgument, absl::StrCat(field, ": ", problem), detail,
              ErrorDetail::REASON_INVALID_FIELD);
}

absl::Status InvalidEvent(uint32_t index, absl::string_view field, absl::string_view problem) {
  const std::string path = absl::StrCat("events[", index, "]", field.empty() ? "" : ".", field);
  ErrorDetail detail;
  detail.set_field(path);
  detail.set_event_index(index);
  return Make(absl::StatusCode::kInvalidArgument, absl::StrCat(path, ": ", problem), detail,
              ErrorDetail::REASON_INVALID_FIELD);
}

absl::Status InvalidFilter(const absl::Status& status) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(status.message(), absl::MaxSplits(": ", 1));
  return InvalidField(parts.first, parts.second);
}

absl::Status MalformedRequest(absl::string_view problem) {
  return Make(absl::StatusCode::kInvalidArgument, absl::StrCat("the request ", problem), {},
              ErrorDetail::REASON_INVALID_FIELD);
}

absl::Status RequestTooLarge(size_t bytes, size_t most) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("the request has ", bytes, " bytes; this method accepts at most ", most),
              {}, ErrorDetail::REASON_REQUEST_TOO_LARGE);
}

absl::Status RequestNeedsTooMuch(size_t bytes, size_t most) {
  return Make(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("the request takes ", bytes, " bytes of memory; the hub accepts at most ", most,
                   ", half of its --max_in_flight"),
      {}, ErrorDetail::REASON_REQUEST_TOO_LARGE);
}

absl::Status TopicNotFound(absl::string_view topic) {
  return Make(absl::StatusCode::kNotFound, absl::StrCat("topic ", topic, " does not exist"), {},
              ErrorDetail::REASON_TOPIC_NOT_FOUND);
}

absl::Status TopicBeingDeleted(absl::string_view topic) {
  return Make(absl::StatusCode::kUnavailable, absl::StrCat("topic ", topic, " is being deleted"),
              RetryAfter(kTopicBeingDeletedRetry), ErrorDetail::REASON_TOPIC_NOT_FOUND);
}

absl::Status TopicExists(absl::string_view topic) {
  return Make(absl::StatusCode::kAlreadyExists, absl::StrCat("topic ", topic, " exists already"),
              {}, ErrorDetail::REASON_TOPIC_EXISTS);
}

absl::Status PartitionNotFound(absl::string_view topic, uint32_t partition, size_t partitions) {
  ErrorDetail detail;
  detail.set_partition(partition);
  return Make(absl::StatusCode::kNotFound,
              absl::StrCat("topic ", topic, " has ", partitions,
                           partitions == 1 ? " partition" : " partitions", ", but no partition ",
                           partition),
              detail, ErrorDetail::REASON_PARTITION_NOT_FOUND);
}

absl::Status OffsetOutOfRange(absl::string_view topic, PartitionId partition, Offset offset,
                              Offset earliest, Offset end) {
  ErrorDetail detail;
  detail.set_partition(partition.value());
  detail.set_earliest_offset(earliest.value());
  detail.set_end_offset(end.value());
  return Make(absl::StatusCode::kOutOfRange,
              absl::StrCat(InTopic(topic, partition), ": offset ", offset.value(),
                           offset < earliest ? " is trimmed" : " is beyond the end",
                           "; the earliest is ", earliest.value(), ", the end ", end.value()),
              detail, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE);
}

absl::Status OffsetMismatch(absl::string_view topic, PartitionId partition, Offset expected,
                            Offset next) {
  ErrorDetail detail;
  detail.set_partition(partition.value());
  detail.set_end_offset(next.value());
  return Make(absl::StatusCode::kAborted,
              absl::StrCat(InTopic(topic, partition), ": expected_offset is ", expected.value(),
                           ", the next offset ", next.value()),
              detail, ErrorDetail::REASON_OFFSET_MISMATCH);
}

absl::Status OtherLog(absl::string_view topic, PartitionId partition, Offset offset,
                      std::optional<Offset> agreed, Offset earliest, Offset end) {
  ErrorDetail detail;
  detail.set_partition(partition.value());
  detail.set_earliest_offset(earliest.value());
  detail.set_end_offset(end.value());
  if (agreed.has_value()) detail.set_agreed_offset(agreed->value());
  return Make(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat(InTopic(topic, partition), ": offset ", offset.value(),
                   " belongs to another log: the topic was recreated, or this is another hub, one "
                   "restored from a backup, or one that lost events in a power loss; ",
                   agreed.has_value()
                       ? absl::StrCat("both logs agree before offset ", agreed->value())
                       : std::string("where the logs diverge is unknown"),
                   "; the earliest is ", earliest.value(), ", the end ", end.value()),
      detail, ErrorDetail::REASON_OTHER_LOG);
}

absl::Status ExpectsOtherLog(absl::string_view topic, PartitionId partition, Offset expected) {
  ErrorDetail detail;
  detail.set_partition(partition.value());
  detail.set_end_offset(expected.value());
  return Make(absl::StatusCode::kAborted,
              absl::StrCat(InTopic(topic, partition), ": expected_offset ", expected.value(),
                           " is the next offset, but in another log: the event before it does not "
                           "belong to expected_run"),
              detail, ErrorDetail::REASON_OTHER_LOG);
}

absl::Status OtherSubscription(absl::string_view subscription) {
  return Make(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("subscription ", subscription,
                   " is not the one consumed before: it was recreated, or this is another hub"),
      ErrorDetail(), ErrorDetail::REASON_OTHER_SUBSCRIPTION);
}

absl::Status StaleEpoch(absl::string_view producer, uint64_t epoch, uint64_t current) {
  ErrorDetail detail;
  detail.set_producer_epoch(current);
  return Make(absl::StatusCode::kAborted,
              absl::StrCat(OfProducer(producer), ": epoch ", epoch,
                           " has ended; the current epoch is ", current),
              detail, ErrorDetail::REASON_STALE_EPOCH);
}

absl::Status SequenceGap(absl::string_view producer, uint64_t sequence, uint64_t expected) {
  ErrorDetail detail;
  detail.set_expected_sequence(expected);
  return Make(absl::StatusCode::kAborted,
              absl::StrCat(OfProducer(producer), ": sequence ", sequence,
                           " leaves a gap; the expected sequence is ", expected),
              detail, ErrorDetail::REASON_SEQUENCE_GAP);
}

absl::Status SequenceTooOld(absl::string_view producer, uint64_t sequence, uint64_t expected) {
  ErrorDetail detail;
  detail.set_expected_sequence(expected);
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat(OfProducer(producer), ": sequence ", sequence,
                           " was accepted too long ago to report its offsets"),
              detail, ErrorDetail::REASON_SEQUENCE_TOO_OLD);
}

absl::Status UnknownProducer(absl::string_view producer, uint64_t sequence) {
  ErrorDetail detail;
  detail.set_expected_sequence(0);
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat(OfProducer(producer), " is unknown, so sequence ", sequence,
                           " cannot follow; start a new epoch at sequence 0"),
              detail, ErrorDetail::REASON_UNKNOWN_PRODUCER);
}

absl::Status SubscriptionNotFound(absl::string_view subscription) {
  return Make(absl::StatusCode::kNotFound,
              absl::StrCat("subscription ", subscription, " does not exist"), {},
              ErrorDetail::REASON_SUBSCRIPTION_NOT_FOUND);
}

absl::Status SubscriptionExists(absl::string_view subscription) {
  return Make(absl::StatusCode::kAlreadyExists,
              absl::StrCat("subscription ", subscription, " exists already"), {},
              ErrorDetail::REASON_SUBSCRIPTION_EXISTS);
}

absl::Status LeaseLost(absl::string_view subscription, absl::string_view consumer) {
  return Make(
      absl::StatusCode::kAborted,
      absl::StrCat("subscription ", subscription, ": these events are not leased to consumer ",
                   consumer, ", or no longer"),
      {}, ErrorDetail::REASON_LEASE_LOST);
}

absl::Status TooManyPendingRanges(absl::string_view subscription, uint32_t partition) {
  return Make(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("subscription ", subscription, " has too many gaps in partition ", partition,
                   ": settle events at the begin or the end of what was delivered in a "
                   "row, or let their lease end"),
      {}, ErrorDetail::REASON_TOO_MANY_PENDING_RANGES);
}

absl::Status SnapshotNotFound(absl::string_view subscription, absl::string_view snapshot) {
  return Make(absl::StatusCode::kNotFound,
              absl::StrCat("subscription ", subscription, " has no snapshot ", snapshot), {},
              ErrorDetail::REASON_SNAPSHOT_NOT_FOUND);
}

absl::Status SnapshotExists(absl::string_view subscription, absl::string_view snapshot) {
  return Make(absl::StatusCode::kAlreadyExists,
              absl::StrCat("subscription ", subscription, " has a snapshot ", snapshot, " already"),
              {}, ErrorDetail::REASON_SNAPSHOT_EXISTS);
}

absl::Status LinkNotFound(absl::string_view link) {
  return Make(absl::StatusCode::kNotFound, absl::StrCat("link ", link, " does not exist"), {},
              ErrorDetail::REASON_LINK_NOT_FOUND);
}

absl::Status TooManyLinks(size_t max) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("the hub has ", max, " links, as many as it may have"), {},
              ErrorDetail::REASON_TOO_MANY_LINKS);
}

absl::Status LinkExists(absl::string_view link) {
  return Make(absl::StatusCode::kAlreadyExists, absl::StrCat("link ", link, " exists already"), {},
              ErrorDetail::REASON_LINK_EXISTS);
}

absl::Status TopicInUse(absl::string_view topic, absl::string_view why) {
  return Make(absl::StatusCode::kFailedPrecondition, absl::StrCat("topic ", topic, " ", why), {},
              ErrorDetail::REASON_TOPIC_IN_USE);
}

absl::Status TopicHasOpenLetters(absl::string_view topic,
                                 const std::vector<std::string>& subscriptions) {
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat("topic ", topic,
                           " has open or unsettled redriven dead letters of subscriptions: ",
                           JoinNames(subscriptions), "; redrive or discard them first"),
              {}, ErrorDetail::REASON_OPEN_DEAD_LETTERS);
}

absl::Status TopicKeepsNothing(absl::string_view topic) {
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat("topic ", topic, " keeps no events (retention.none)"), {},
              ErrorDetail::REASON_TOPIC_KEEPS_NOTHING);
}

absl::Status TopicKeepsOnlyLatest(absl::string_view topic) {
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat("topic ", topic,
                           " keeps only the latest event per key (retention.latest_per_key), so it "
                           "cannot receive dead letters"),
              {}, ErrorDetail::REASON_TOPIC_KEEPS_LATEST);
}

absl::Status TopicHasNoLatest(absl::string_view topic) {
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat("topic ", topic,
                           " does not keep the latest event per key (retention.latest_per_key)"),
              {}, ErrorDetail::REASON_TOPIC_HAS_NO_LATEST);
}

absl::Status KeyNotFound(absl::string_view topic, absl::string_view key) {
  return Make(absl::StatusCode::kNotFound,
              absl::StrCat("topic ", topic, " has no event with the key ", key), {},
              ErrorDetail::REASON_KEY_NOT_FOUND);
}

absl::Status TopicFull(absl::string_view topic, uint64_t held_bytes, uint64_t max_bytes,
                       absl::Duration retry_delay) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("topic ", topic, " is full: it holds ", held_bytes, " bytes of at most ",
                           max_bytes),
              RetryAfter(retry_delay), ErrorDetail::REASON_TOPIC_FULL);
}

absl::Status NotArchived(absl::string_view topic, uint64_t events, absl::string_view why) {
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat("the lake lacks ", events, " events of topic ", topic,
                           ", which would be lost", why.empty() ? "" : ": ", why),
              {}, ErrorDetail::REASON_NOT_ARCHIVED);
}

absl::Status ArchiveBehind(absl::string_view topic, absl::Duration retry_delay) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("topic ", topic,
                           " takes no events until the lake has those that its retention would "
                           "delete: they exceed --lake_max_lag"),
              RetryAfter(retry_delay), ErrorDetail::REASON_ARCHIVE_BEHIND);
}

absl::Status LakeUnavailable(absl::string_view topic, absl::string_view why) {
  return Make(absl::StatusCode::kUnavailable,
              absl::StrCat("the history of topic ", topic, " cannot be read from the lake: ", why),
              RetryAfter(kLakeRetry), ErrorDetail::REASON_LAKE_UNAVAILABLE);
}

absl::Status ReplayInProgress(absl::string_view subscription) {
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat("subscription ", subscription,
                           " has a replay with another filter that is not done: wait for it, or "
                           "cancel it"),
              {}, ErrorDetail::REASON_REPLAY_IN_PROGRESS);
}

absl::Status LakeDamaged(absl::string_view topic, absl::string_view why) {
  return Make(absl::StatusCode::kDataLoss,
              absl::StrCat("the history of topic ", topic, " is damaged in the lake: ", why), {},
              ErrorDetail::REASON_LAKE_DAMAGED);
}

absl::Status RouteNotFound(absl::string_view route) {
  return Make(absl::StatusCode::kNotFound, absl::StrCat("route ", route, " does not exist"), {},
              ErrorDetail::REASON_ROUTE_NOT_FOUND);
}

absl::Status RouteExists(absl::string_view route) {
  return Make(absl::StatusCode::kAlreadyExists, absl::StrCat("route ", route, " exists already"),
              {}, ErrorDetail::REASON_ROUTE_EXISTS);
}

absl::Status RouteLoop(absl::string_view problem) {
  return Make(absl::StatusCode::kFailedPrecondition, std::string(problem), {},
              ErrorDetail::REASON_ROUTE_LOOP);
}

absl::Status RouteTargetUnavailable(absl::string_view route, absl::string_view topic,
                                    absl::string_view why) {
  return Make(absl::StatusCode::kFailedPrecondition,
              absl::StrCat("route ", route, ": topic ", topic, " cannot take the copy: ", why), {},
              ErrorDetail::REASON_ROUTE_TARGET_UNAVAILABLE);
}

absl::Status TooManyCopies(absl::string_view topic) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("the copies that routes make of the request to topic ", topic,
                           ", or its delayed events or identities, need more memory than the hub "
                           "has for them; publish fewer events at once"),
              {}, ErrorDetail::REASON_TOO_MANY_COPIES);
}

absl::Status TooManyRecords(absl::string_view topic, size_t records, size_t max) {
  return Make(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("the request to topic ", topic, " would add ", records,
                   " records to the store at once, for partitions, delayed events, identities and "
                   "latest events of keys, of which it may add ",
                   max, "; publish fewer events at once"),
      {}, ErrorDetail::REASON_TOO_MANY_COPIES);
}

absl::Status CopiesInFlight(absl::string_view topic, absl::Duration retry_delay) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("the copies that routes make of requests in flight, and their delayed "
                           "events and identities, leave no memory for those of the request to "
                           "topic ",
                           topic),
              RetryAfter(retry_delay), ErrorDetail::REASON_COPIES_IN_FLIGHT);
}

absl::Status TooMuchForReaders(size_t wanted, size_t limit, absl::Duration retry_delay) {
  return Make(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("the reader would need ", wanted, " bytes of memory, more than is left of the ",
                   limit, " for all readers, or than one host may have of it"),
      RetryAfter(retry_delay), ErrorDetail::REASON_TOO_MUCH_FOR_READERS);
}

absl::Status TooMuchForFilters(size_t wanted, size_t limit) {
  return Make(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("the filter would need ", wanted, " bytes of memory, more than is left of the ",
                   limit, " for the filters of subscriptions and routes"),
      {}, ErrorDetail::REASON_TOO_MUCH_FOR_FILTERS);
}

absl::Status TooManyPartitions(size_t more, size_t present, size_t max) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat(more, " more partitions exceed the limit: the hub has ", present, " of ",
                           max, " allowed (--max_partitions)"),
              {}, ErrorDetail::REASON_TOO_MANY_PARTITIONS);
}

absl::Status TooMuchInFlight(absl::string_view whose, absl::Duration retry_delay) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("too many bytes wait to be committed for ", whose),
              RetryAfter(retry_delay), ErrorDetail::REASON_TOO_MUCH_IN_FLIGHT);
}

absl::Status DiskFull(uint64_t free_bytes, uint64_t pending_bytes, uint64_t wanted_bytes,
                      absl::Duration retry_delay) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("the hub's disk has ", free_bytes, " bytes free; ", pending_bytes,
                           " are for pending writes, and ", wanted_bytes,
                           " must stay free (--min_free_disk, or more for compactions). Writes are "
                           "refused until topics are "
                           "deleted or trimmed, or the disk has more space"),
              RetryAfter(retry_delay), ErrorDetail::REASON_DISK_FULL);
}

absl::Status TooManyStreams(size_t most, absl::Duration retry_delay) {
  return Make(absl::StatusCode::kResourceExhausted,
              absl::StrCat("too many streams are open: the hub allows ", most,
                           " (--max_streams), and one host at most as many as are left for others"),
              RetryAfter(retry_delay), ErrorDetail::REASON_TOO_MANY_STREAMS);
}

absl::Status NoMasterKey() {
  return Make(absl::StatusCode::kFailedPrecondition,
              "the hub has no master key, so it cannot seal the data of events about a subject: "
              "start it with --erasure_master_key_file or --erasure_master_key_command",
              {}, ErrorDetail::REASON_NO_MASTER_KEY);
}

absl::Status ErasuresUnknown() {
  return Make(absl::StatusCode::kUnavailable,
              "sealed data cannot be read until the hub's lake, which does not answer, has said "
              "whose data was erased",
              RetryAfter(kLakeRetry), ErrorDetail::REASON_LAKE_UNAVAILABLE);
}

absl::Status ShuttingDown(absl::Duration retry_delay) {
  return Make(absl::StatusCode::kUnavailable, "the hub is shutting down", RetryAfter(retry_delay),
              ErrorDetail::REASON_SHUTTING_DOWN);
}

absl::Status StoreFailed(const absl::Status& failure) {
  ErrorDetail detail;
  detail.set_reason(ErrorDetail::REASON_STORE_FAILED);
  return WithDetail(failure, detail);
}

absl::Status OutcomeOf(const absl::Status& refused, const absl::Status& committed) {
  return committed.ok() ? refused : StoreFailed(committed);
}

}  // namespace eventhub
