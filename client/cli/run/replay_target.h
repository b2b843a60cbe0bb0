// The topic of a hub that a replay from a lake writes, each event exactly once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/admin_client.h"
#include "eventhub/connection.h"
#include "eventhub/transaction.h"
#include "server/lake/read/partition_cursor.h"

namespace eventhub::cli {

// The attributes that a replayed event has besides its own.
inline constexpr char kReplayTopic[] = "replaytopic";    // Where it comes from: the topic, …
inline constexpr char kReplayOffset[] = "replayoffset";  // … the place in it, `3:1200`, …
inline constexpr char kReplayTime[] = "replaytime";      // … and when it was appended there.
inline constexpr char kReplayJob[] = "replayjob";        // Which replay brought it.

struct ReplayTargetOptions {
  std::string topic;   // To write; it is created unless it is there.
  std::string source;  // As people call the topic that is replayed.
  std::string job;     // Identifies what is replayed: the same source and selection.
  uint32_t partitions = 1;
  client::AdminOptions admin{};
  // How long to try to append.
  absl::Duration deadline = absl::Minutes(1);
};

// Each event keeps its partition, so the last event of each partition says how far the replay is,
// and the expected offset of each append refuses what was appended meanwhile: by an earlier process
// of the same replay that was killed, or by anybody else. Nothing but the topic itself is needed to
// go on.
//
// Events are appended about a MiB at a time, while the next ones are gathered. Thread-compatible.
class ReplayTarget {
 public:
  // Finds how far the replay is. FAILED_PRECONDITION if the topic has other events, or cannot have
  // those of the replay.
  static absl::StatusOr<std::unique_ptr<ReplayTarget>> Open(std::shared_ptr<client::Connection> hub,
                                                            const ReplayTargetOptions& options);
  ~ReplayTarget();

  ReplayTarget(const ReplayTarget&) = delete;
  ReplayTarget& operator=(const ReplayTarget&) = delete;

  // By partition: where the replay goes on in the source. Partitions that are not named begin.
  const std::map<uint32_t, int64_t>& next_offsets() const { return next_offsets_; }
  // The events that are in the topic.
  uint64_t events() const { return events_; }

  // Takes an event; they come by offset in each partition. ABORTED: somebody else appended to the
  // topic; nothing that was taken since is appended.
  absl::Status Add(const lake::LakeEvent& event);

  // Appends all that was taken.
  absl::Status Flush();

 private:
  struct Partition {
    int64_t end = 0;  // After what was taken.
    std::string events;
    uint64_t count = 0;
  };

  ReplayTarget(std::shared_ptr<client::Connection> hub, ReplayTargetOptions options);
  absl::Status Prepare();
  // Reads the last event of each partition that has any.
  absl::Status Locate();
  absl::Status Note(uint32_t partition, std::string_view encoded);
  // Appends what was gathered, without waiting for the result.
  absl::Status Send();
  absl::Status AwaitSent();

  const std::shared_ptr<client::Connection> hub_;
  const ReplayTargetOptions options_;
  std::map<uint32_t, int64_t> next_offsets_;
  std::map<uint32_t, Partition> partitions_;
  std::vector<uint32_t> gathered_;  // Partitions that have events to send.
  size_t gathered_bytes_ = 0;
  uint64_t gathered_events_ = 0;
  uint64_t events_ = 0;
  uint64_t sent_events_ = 0;  // In flight.
  std::future<absl::Status> in_flight_;
};

}  // namespace eventhub::cli
