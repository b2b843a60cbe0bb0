// What a program may want to know of an error beyond its status code.
//
// Every absl::Status that comes from the hub carries the hub's machine-readable detail as a
// payload; these functions read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace eventhub::client {

// Why; more precise than the status code. The numbers are those of eventhub.v1.ErrorDetail.Reason.
enum class ErrorReason {
  kUnspecified = 0,        // Not one of the reasons below, or an error that the hub did not raise.
  kInvalidField = 1,       // A field or event is not valid: `field`, `event_index`.
  kTopicNotFound = 2,      // The topic does not exist.
  kPartitionNotFound = 3,  // The topic has no such partition.
  kTopicExists = 4,        // A topic of that name exists.
  kOffsetOutOfRange = 5,   // Trimmed, or beyond the end: `earliest_offset`, `end_offset`.
  kOffsetMismatch = 6,     // `expected_offset` did not hold: `end_offset`.
  kStaleEpoch = 7,         // A newer life of the producer exists: `producer_epoch`.
  kSequenceGap = 8,        // Sequences are missing before this one: `expected_sequence`.
  kUnknownProducer = 9,    // The hub does not know the producer (any more).
  kSequenceTooOld = 10,    // Accepted before, but so long ago that the offsets are forgotten.
  kTooMuchInFlight = 11,   // Too many publish bytes are in flight: `retry_delay`.
  kStoreFailed = 12,       // The store refuses writes since a disk error, until a restart.
  kDiskFull = 13,          // The hub's disk is nearly full: `retry_delay`.
  kShuttingDown = 14,      // The hub is shutting down: `retry_delay`.
  kSubscriptionNotFound = 15,    // The subscription does not exist.
  kSubscriptionExists = 16,      // A subscription of that name exists.
  kLeaseLost = 17,               // The events are not leased to this consumer (any more).
  kSnapshotNotFound = 18,        // The subscription has no such snapshot.
  kSnapshotExists = 19,          // The subscription has a snapshot of that name.
  kTopicInUse = 20,              // The topic has subscriptions or routes, or something leads to it.
  kRouteNotFound = 21,           // The route does not exist.
  kRouteExists = 22,             // A route of that name exists.
  kRouteLoop = 23,               // The route would close a loop, or make a chain that is too long.
  kRouteTargetUnavailable = 24,  // A topic that a route copies to cannot take an event.
  kTopicKeepsNothing = 25,       // The topic keeps no events, so it cannot be read.
  kTopicFull = 26,               // The topic holds as much as it may.
  kLinkNotFound = 27,            // The link does not exist.
  kLinkExists = 28,              // A link of that name exists.
  kOtherLog = 29,                // A position is of another log than this one: `agreed_offset`.
  kOtherSubscription = 30,       // The subscription is another one than that of its name before.
  kTooManyPartitions = 31,       // The hub is at its limit of partitions.
  kOpenDeadLetters = 32,         // The topic has open dead letters, which would be gone with it.
  kRequestTooLarge = 33,         // More than the hub receives at once (`--max_request`).
  kTooManyStreams = 34,          // The hub, or this host, has as many streams open as it may.
  kTooMuchForFilters = 35,       // Filters take as much of the hub's memory as they may.
};

// The name as in the contract without its prefix, e.g. "TOPIC_NOT_FOUND"; "UNSPECIFIED" for others.
std::string_view ErrorReasonName(ErrorReason reason);

// The hub's detail of one error. What does not belong to the reason is not set.
struct ErrorInfo {
  ErrorReason reason = ErrorReason::kUnspecified;
  std::string field{};                          // The field at fault, e.g. "events[3].source".
  std::optional<uint32_t> event_index{};        // The event at fault, in its request.
  std::optional<uint32_t> partition{};          // The partition that the offsets are of.
  std::optional<int64_t> earliest_offset{};     // The first offset that can be read.
  std::optional<int64_t> end_offset{};          // The offset that the next event will get.
  std::optional<uint64_t> producer_epoch{};     // The epoch that holds.
  std::optional<uint64_t> expected_sequence{};  // The sequence that the hub waits for.
  std::optional<absl::Duration> retry_delay{};  // Wait this long before a retry.
  std::optional<int64_t> agreed_offset{};       // Before it, both logs have the same events.
};

// The detail that `status` carries, if it does.
//
// Example:
//
//     if (auto info = GetErrorInfo(status); info && info->earliest_offset) { … }
std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status);

// Its reason alone; kUnspecified if `status` carries none.
ErrorReason GetErrorReason(const absl::Status& status);

// Whether what was asked for may have been done, or may still be, in spite of `error`. To know, ask
// again under the same name: a sequence of a producer, an `expected_offset`, the id of a
// transaction; or look. False: nothing was done.
//
// It is unknown after an UNAVAILABLE of the hub, whose store failed under the request, and after
// whatever did not come from the hub but from gRPC or something on the way, be it UNAVAILABLE,
// DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED or another, unless the request never left this process, or
// asks for no change (a query, a dry run).
//
// Example:
//
//     if (OutcomeIsUnknown(created.status())) { … }  // Look whether the topic is there.
bool OutcomeIsUnknown(const absl::Status& error);

// Makes `status` carry `info`: for mocks, which play the hub. An OK status is left as it is.
void SetErrorInfo(const ErrorInfo& info, absl::Status& status);

}  // namespace eventhub::client
