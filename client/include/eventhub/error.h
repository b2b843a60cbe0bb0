// Details of errors beyond their status codes.
//
// Every absl::Status that comes from the hub carries the hub's machine-readable detail as a
// payload; these functions read it. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace eventhub::client {

// The reason of an error, more precise than its status code. The numbers are those of
// eventhub.v1.ErrorDetail.Reason.
enum class ErrorReason {
  kUnspecified = 0,            // None of the reasons below, or an error that the hub did not raise.
  kInvalidField = 1,           // A field or event is not valid: `field`, `event_index`.
  kTopicNotFound = 2,          // The topic does not exist.
  kPartitionNotFound = 3,      // The topic has no such partition.
  kTopicExists = 4,            // A topic of that name exists.
  kOffsetOutOfRange = 5,       // Trimmed, or beyond the end: `earliest_offset`, `end_offset`.
  kOffsetMismatch = 6,         // `expected_offset` does not match: `end_offset`.
  kStaleEpoch = 7,             // A newer instance of the producer exists: `producer_epoch`.
  kSequenceGap = 8,            // Sequences are missing before this one: `expected_sequence`.
  kUnknownProducer = 9,        // The hub does not know the producer, or forgot it.
  kSequenceTooOld = 10,        // Accepted before, but so long ago that the offsets are forgotten.
  kTooMuchInFlight = 11,       // Too many publish bytes are in flight: `retry_delay`.
  kStoreFailed = 12,           // The store refuses writes after a disk error, until a restart.
  kDiskFull = 13,              // The hub's disk is nearly full: `retry_delay`.
  kShuttingDown = 14,          // The hub is shutting down: `retry_delay`.
  kSubscriptionNotFound = 15,  // The subscription does not exist.
  kSubscriptionExists = 16,    // A subscription of that name exists.
  kLeaseLost = 17,             // The events are not, or no longer, leased to this consumer.
  kSnapshotNotFound = 18,      // The subscription has no such snapshot.
  kSnapshotExists = 19,        // The subscription has a snapshot of that name.
  kTopicInUse = 20,            // The topic has subscriptions or routes, or is a target.
  kRouteNotFound = 21,         // The route does not exist.
  kRouteExists = 22,           // A route of that name exists.
  kRouteLoop = 23,             // The route would close a loop, or make a chain too long.
  kRouteTargetUnavailable = 24,  // A topic that a route copies to cannot take an event.
  kTopicKeepsNothing = 25,       // The topic keeps no events, so it cannot be read.
  kTopicFull = 26,               // The topic is at its size limit.
  kLinkNotFound = 27,            // The link does not exist.
  kLinkExists = 28,              // A link of that name exists.
  kOtherLog = 29,                // A position belongs to another log: `agreed_offset`.
  kOtherSubscription = 30,       // The subscription was deleted and created again.
  kTooManyPartitions = 31,       // The hub is at its limit of partitions.
  kOpenDeadLetters = 32,         // The topic has open dead letters, which would be lost with it.
  kRequestTooLarge = 33,         // The request exceeds a limit of its size.
  kTooManyStreams = 34,          // The hub, or this host, is at its limit of open streams.
  kTooMuchForFilters = 35,       // Filters are at their limit of the hub's memory.
  kTooManyPendingRanges = 36,    // Unsettled events are in too many pieces for the hub's memory.
  kTooMuchForReaders = 37,       // Readers are at their limit of the hub's memory: `retry_delay`.
  kKeyNotFound = 38,             // There is no event with the key, or it is a delete marker.
  kTopicHasNoLatest = 39,        // The topic does not keep the latest event per key.
  kTopicKeepsLatest = 40,        // The topic keeps only those, so it cannot take dead letters.
  kTooManyLinks = 41,            // The hub has as many links as it may have.
  kCopiesInFlight = 42,          // Too many copies of requests are in flight: `retry_delay`.
  kTooManyCopies = 43,           // The copies of the request exceed the hub's memory for them.
  kLakeUnavailable = 44,         // Older events are in the hub's lake, which does not answer.
  kLakeDamaged = 45,             // Older events are damaged or missing in the hub's lake.
  kReplayInProgress = 46,        // Another replay, with another filter, is not done.
  kNotArchived = 50,             // The hub's lake lacks events that would be lost.
  kArchiveBehind = 51,           // No room for events until the hub's lake has earlier ones.
  kNoMasterKey = 52,             // The hub cannot seal the data of events about a subject.
};

// The reason's name in the contract without its prefix, e.g. "TOPIC_NOT_FOUND"; "UNSPECIFIED" for
// numbers that are not reasons.
std::string_view ErrorReasonName(ErrorReason reason);

// The hub's detail of one error. Fields that do not apply to the reason are unset.
struct ErrorInfo {
  ErrorReason reason = ErrorReason::kUnspecified;
  std::string field{};                          // The invalid field, e.g. "events[3].source".
  std::optional<uint32_t> event_index{};        // The invalid event, by its index in the request.
  std::optional<uint32_t> partition{};          // The partition of the offsets below.
  std::optional<int64_t> earliest_offset{};     // The first offset that can be read.
  std::optional<int64_t> end_offset{};          // The offset that the next event will get.
  std::optional<uint64_t> producer_epoch{};     // The producer's current epoch.
  std::optional<uint64_t> expected_sequence{};  // The sequence that the hub expects next.
  std::optional<absl::Duration> retry_delay{};  // Wait this long before a retry.
  std::optional<int64_t> agreed_offset{};       // Both logs have the same events before it.
};

// Returns the detail of `status`, if it carries one.
//
// Example:
//
//     if (auto info = GetErrorInfo(status); info && info->earliest_offset) { … }
std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status);

// Returns the reason of `status`; kUnspecified if it carries none.
ErrorReason GetErrorReason(const absl::Status& status);

// Whether the request may have taken effect, or may still do so, in spite of `error`. To find out,
// repeat it under the same producer sequence, `expected_offset` or transaction id, or look at the
// result. False: the request had no effect.
//
// The outcome is unknown after an UNAVAILABLE of the hub, whose store failed during the request,
// and after any error that came not from the hub but from gRPC or an intermediary (UNAVAILABLE,
// DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED or another), unless the request never left this process or
// asked for no change (a query, a dry run).
//
// Example:
//
//     if (OutcomeIsUnknown(created.status())) { … }  // Check whether the topic exists.
bool OutcomeIsUnknown(const absl::Status& error);

// Attaches `info` to `status`, for mocks that play the hub. An OK status is left unchanged.
void SetErrorInfo(const ErrorInfo& info, absl::Status& status);

}  // namespace eventhub::client
