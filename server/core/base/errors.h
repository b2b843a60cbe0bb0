// Errors of the broker: an absl::Status whose payload is the contract's ErrorDetail.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/types.h"

namespace eventhub {

// The key of the payload, as in google.protobuf.Any.
extern const absl::string_view kErrorDetailUrl;

absl::Status WithDetail(absl::Status status, const v1::ErrorDetail& detail);

// Returns the status with another message; its code and detail stay.
absl::Status WithMessage(const absl::Status& status, absl::string_view message);

// Returns the detail of a status; nullopt if it has none.
std::optional<v1::ErrorDetail> DetailOf(const absl::Status& status);

// Returns the status as a message of the contract, for a reply on a stream that continues.
v1::ErrorStatus ToErrorStatus(const absl::Status& status);

// A field of a request is invalid. The message is "FIELD: PROBLEM".
absl::Status InvalidField(absl::string_view field, absl::string_view problem);
// Like InvalidField, for a field of an event, e.g. "events[3].source: is required". An empty field
// means the event itself.
absl::Status InvalidEvent(uint32_t index, absl::string_view field, absl::string_view problem);

// Converts the error of CompileFilter for an invalid filter.
absl::Status InvalidFilter(const absl::Status& status);

// The bytes of a request are not a valid protobuf message.
absl::Status MalformedRequest(absl::string_view problem);
// A request has more bytes than its method accepts.
absl::Status RequestTooLarge(size_t bytes, size_t most);
// Likewise, a request takes more memory than the hub has for one.
absl::Status RequestNeedsTooMuch(size_t bytes, size_t most);

absl::Status TopicNotFound(absl::string_view topic);
// The topic's deletion is in progress: its contents cannot be read, and the deletion is not
// confirmed yet.
absl::Status TopicBeingDeleted(absl::string_view topic);
absl::Status TopicExists(absl::string_view topic);
absl::Status PartitionNotFound(absl::string_view topic, uint32_t partition, size_t partitions);
absl::Status OffsetOutOfRange(absl::string_view topic, PartitionId partition, Offset offset,
                              Offset earliest, Offset end);
absl::Status OffsetMismatch(absl::string_view topic, PartitionId partition, Offset expected,
                            Offset next);
// The position in a request belongs to another log. `agreed`: the offset up to which the logs are
// identical, if known.
absl::Status OtherLog(absl::string_view topic, PartitionId partition, Offset offset,
                      std::optional<Offset> agreed, Offset earliest, Offset end);
// Like OtherLog, for the offset that an append or a transaction expects.
absl::Status ExpectsOtherLog(absl::string_view topic, PartitionId partition, Offset expected);
absl::Status OtherSubscription(absl::string_view subscription);
absl::Status StaleEpoch(absl::string_view producer, uint64_t epoch, uint64_t current);
absl::Status SequenceGap(absl::string_view producer, uint64_t sequence, uint64_t expected);
absl::Status SequenceTooOld(absl::string_view producer, uint64_t sequence, uint64_t expected);
absl::Status UnknownProducer(absl::string_view producer, uint64_t sequence);
absl::Status SubscriptionNotFound(absl::string_view subscription);
absl::Status SubscriptionExists(absl::string_view subscription);
absl::Status LeaseLost(absl::string_view subscription, absl::string_view consumer);
// A consumer's request would need more pending ranges than the partition may have.
absl::Status TooManyPendingRanges(absl::string_view subscription, uint32_t partition);
absl::Status SnapshotNotFound(absl::string_view subscription, absl::string_view snapshot);
absl::Status SnapshotExists(absl::string_view subscription, absl::string_view snapshot);
absl::Status LinkNotFound(absl::string_view link);
absl::Status LinkExists(absl::string_view link);
absl::Status TooManyLinks(size_t max);
absl::Status TopicInUse(absl::string_view topic, absl::string_view why);
// `subscriptions`: those whose dead letters need the topic.
absl::Status TopicHasOpenLetters(absl::string_view topic,
                                 const std::vector<std::string>& subscriptions);
absl::Status TopicKeepsNothing(absl::string_view topic);
// The topic cannot receive dead letters.
absl::Status TopicKeepsOnlyLatest(absl::string_view topic);
absl::Status TopicHasNoLatest(absl::string_view topic);
absl::Status KeyNotFound(absl::string_view topic, absl::string_view key);
absl::Status TooMuchForReaders(size_t wanted, size_t limit, absl::Duration retry_delay);
absl::Status TooMuchForFilters(size_t wanted, size_t limit);
absl::Status TooManyPartitions(size_t more, size_t present, size_t max);
absl::Status TopicFull(absl::string_view topic, uint64_t held_bytes, uint64_t max_bytes,
                       absl::Duration retry_delay);
// The lake lacks events of a topic that is to be deleted or emptied.
absl::Status NotArchived(absl::string_view topic, uint64_t events, absl::string_view why = "");
// The topic takes no further events until the lake has those that retention would delete.
absl::Status ArchiveBehind(absl::string_view topic, absl::Duration retry_delay);
// The history of a topic cannot be read from the lake at the moment; `why` is the lake's error.
absl::Status LakeUnavailable(absl::string_view topic, absl::string_view why);
// What the lake has of the topic is damaged, or missing; `why` names it.
absl::Status LakeDamaged(absl::string_view topic, absl::string_view why);
// The filter of a replay differs from that of replays that are not done.
absl::Status ReplayInProgress(absl::string_view subscription);
absl::Status RouteNotFound(absl::string_view route);
absl::Status RouteExists(absl::string_view route);
// `problem` contains the path.
absl::Status RouteLoop(absl::string_view problem);
absl::Status RouteTargetUnavailable(absl::string_view route, absl::string_view topic,
                                    absl::string_view why);
// What the hub makes of a request (see CopyMemory) is more than its memory allows.
absl::Status TooManyCopies(absl::string_view topic);
// Likewise, for the records that it would add to one commit.
absl::Status TooManyRecords(absl::string_view topic, size_t records, size_t max);
// Like TooManyCopies, because of other requests in flight.
absl::Status CopiesInFlight(absl::string_view topic, absl::Duration retry_delay);
absl::Status TooMuchInFlight(absl::string_view whose, absl::Duration retry_delay);
absl::Status TooManyStreams(size_t most, absl::Duration retry_delay);
// `pending_bytes` of the free ones are for data that was accepted and is still to be written.
absl::Status DiskFull(uint64_t free_bytes, uint64_t pending_bytes, uint64_t wanted_bytes,
                      absl::Duration retry_delay);
// The hub has no master key for the keys of subjects.
absl::Status NoMasterKey();
// The hub has not asked its lake yet who was erased.
absl::Status ErasuresUnknown();
// After this, a hub that shuts down may have been restarted.
inline constexpr absl::Duration kShutdownRetry = absl::Seconds(1);
absl::Status ShuttingDown(absl::Duration retry_delay);

// Whether a message is short enough to be sent unabridged.
bool FitsMessage(absl::string_view message);

// Joins names for a message; lists only the first few of many.
std::string JoinNames(const std::vector<std::string>& names);

// Adds the contract's wording and detail to a failure of the store.
absl::Status StoreFailed(const absl::Status& failure);

// The outcome of a task: its refusal, or OK if it was not refused, unless its commit failed. Then
// the commit's failure is the outcome of all its tasks: a refusal may be due to another task of the
// commit, or of an earlier commit, and it is unknown whether that task was done.
absl::Status OutcomeOf(const absl::Status& refused, const absl::Status& committed);

}  // namespace eventhub
