// One link of this hub: its settings, where it is in the remote topic, and how it does.
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

// What positions are of: a topic, that is, one of that name which was created then.
struct LinkOrigin {
  std::string hub_id;
  int64_t topic_micros = 0;

  bool operator==(const LinkOrigin&) const = default;
};

// A place in a partition of the remote topic: before the event at `offset`.
struct LinkPlace {
  int64_t offset = 0;
  uint64_t run = 0;  // Of the event before it; 0: not known.
};

// Where a link is in a partition of the remote topic, and what was passed over there for good.
struct LinkPosition {
  int64_t next_offset = 0;
  uint64_t lost_events = 0;
  uint64_t refused_events = 0;
  uint64_t run = 0;  // As in LinkPlace.
  // Where it came to the end of each run before that one, oldest first; the last kMaxEarlier of
  // them. If the remote hub turns out to have another log from somewhere on, the two may still
  // agree up to one of these.
  std::vector<LinkPlace> earlier{};

  static constexpr size_t kMaxEarlier = 8;

  // Goes on, or back.
  void MoveTo(const LinkPlace& place);
};

// A link at one moment.
struct LinkState {
  // Changes with what the one who reads for the link goes by: steps of an older one are refused.
  uint64_t generation = 1;
  stored::Link record;
  absl::btree_map<uint32_t, LinkPosition> positions;  // By remote partition.

  LinkOrigin origin() const { return {record.remote_hub_id(), record.remote_topic_micros()}; }
};

// Thread-safe but for what the commit thread alone may use. It has two states: that of the last
// change submitted, on the commit thread, and that of the last visible commit, for all others: who
// sees what a step appended sees where the link is, and the other way round.
class Link {
 public:
  // `commits`, those of the store, outlives it.
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

  // Before the hub serves.
  void LoadPosition(PartitionId partition, const stored::LinkPosition& position);

  // Commit thread only.

  const LinkState& pending() const { return pending_; }
  bool closing() const { return closing_; }
  // These write what changes with the commit, and others see it when that is visible.
  void SetRecord(const stored::Link& record, CommitBuilder& commit);
  void NextGeneration() { ++pending_.generation; }
  void SetPosition(uint32_t partition, const LinkPosition& position, CommitBuilder& commit);
  // Forgets the positions, but for what they counted, and takes up another origin.
  void Restart(const LinkOrigin& origin, CommitBuilder& commit);
  void Delete(CommitBuilder& commit);

 private:
  // What a commit changes, until it is visible.
  struct Change {
    int64_t commit;
    std::optional<stored::Link> record;
    uint64_t generation = 0;  // With the record.
    bool restarted = false;   // The positions of before are gone.
    absl::btree_map<uint32_t, LinkPosition> moved;
  };

  // Of the commit under way.
  Change& ChangeOf(const CommitBuilder& commit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As of the last visible commit.
  const LinkState& Visible() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LinkId id_;
  const std::string name_;
  const std::shared_ptr<Topic> topic_;
  const VisibleCommits& commits_;
  mutable LinkMonitor monitor_;

  mutable Mutex mutex_;
  mutable LinkState visible_ ABSL_GUARDED_BY(mutex_);  // As of the last look.
  mutable std::deque<Change> changes_ ABSL_GUARDED_BY(mutex_);

  // Commit thread only.
  LinkState pending_;
  bool closing_ = false;
};

}  // namespace eventhub
