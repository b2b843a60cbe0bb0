// One link of this hub: its settings, its position in the remote topic, and its status.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "eventhub/v1/link.pb.h"
#include "server/core/link/link_monitor.h"
#include "server/core/link/records.pb.h"
#include "server/core/topic/topic.h"
#include "storage/base/mutex.h"
#include "storage/commit_builder.h"
#include "storage/visible_commits.h"

namespace eventhub {

// The topic that positions belong to: its name and its creation time.
struct LinkOrigin {
  std::string hub_id;
  int64_t topic_micros = 0;

  bool operator==(const LinkOrigin&) const = default;
};

// A place in a partition of the remote topic: before the event at `offset`.
struct LinkPlace {
  int64_t offset = 0;
  uint64_t run = 0;  // The run of the event before `offset`; 0: unknown.
};

// The position of a link in a partition of the remote topic, and what was skipped there for good.
struct LinkPosition {
  int64_t next_offset = 0;
  uint64_t lost_events = 0;
  uint64_t refused_events = 0;
  uint64_t run = 0;  // As in LinkPlace.
  // The places where the link reached the end of each earlier run, oldest first; the last
  // kMaxEarlier of them. If the remote log turns out to differ from some place on, the two logs may
  // still agree up to one of these.
  std::vector<LinkPlace> earlier{};

  static constexpr size_t kMaxEarlier = 8;

  // Moves the position, forward or back.
  void MoveTo(const LinkPlace& place);
};

// The state of a link at one moment.
struct LinkState {
  // Changes with the settings and positions that the link's reader uses: steps of an older
  // generation are refused.
  uint64_t generation = 1;
  stored::Link record;
  absl::btree_map<uint32_t, LinkPosition> positions;  // By remote partition.

  LinkOrigin origin() const { return {record.remote_hub_id(), record.remote_topic_micros()}; }
};

// Thread-safe, except for the commit-thread members. A link has two states: that of the last change
// submitted, for the commit thread, and that of the last visible commit, for all others. Whoever
// sees the events of a step sees the position after it, and vice versa.
class Link {
 public:
  // `commits` is the store's and outlives the link.
  Link(LinkId id, std::shared_ptr<Topic> topic, stored::Link record, absl::Time now,
       const VisibleCommits& commits);

  LinkId id() const { return id_; }
  const std::string& name() const { return name_; }
  const std::shared_ptr<Topic>& topic() const { return topic_; }
  LinkMonitor& monitor() { return monitor_; }

  LinkState state() const;
  v1::Link settings() const;
  uint64_t generation() const;
  v1::LinkStatus Status(absl::Time now, bool with_positions) const;

  // Called before the hub serves.
  void LoadPosition(PartitionId partition, const stored::LinkPosition& position);

  // Commit thread only.

  const LinkState& pending() const { return pending_; }
  bool closing() const { return closing_; }
  // These write the change with the commit; others see it when the commit is visible.
  void SetRecord(const stored::Link& record, CommitBuilder& commit);
  void NextGeneration() { ++pending_.generation; }
  void SetPosition(uint32_t partition, const LinkPosition& position, CommitBuilder& commit);
  // Clears the positions, except their counters, and sets another origin.
  void Restart(const LinkOrigin& origin, CommitBuilder& commit);
  void Delete(CommitBuilder& commit);

 private:
  // The changes of one commit, until it is visible.
  struct Change {
    int64_t commit;
    std::optional<stored::Link> record;
    uint64_t generation = 0;  // Set together with the record.
    bool restarted = false;   // The earlier positions are cleared.
    absl::btree_map<uint32_t, LinkPosition> moved;
  };

  // The entry of the commit in progress.
  Change& ChangeOf(const CommitBuilder& commit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As of the last visible commit.
  const LinkState& Visible() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LinkId id_;
  const std::string name_;
  const std::shared_ptr<Topic> topic_;
  const VisibleCommits& commits_;
  mutable LinkMonitor monitor_;

  mutable Mutex mutex_;
  mutable LinkState visible_ ABSL_GUARDED_BY(mutex_);  // As of the last call of Visible().
  mutable std::deque<Change> changes_ ABSL_GUARDED_BY(mutex_);

  // Commit thread only.
  LinkState pending_;
  bool closing_ = false;
};

}  // namespace eventhub
