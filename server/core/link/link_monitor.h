// How a link does, for people: written by what moves its events, read by LinkService.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "eventhub/v1/link.pb.h"
#include "storage/base/mutex.h"

namespace eventhub {

// What became of events of one step of a link.
struct LinkProgress {
  uint64_t appended_events = 0;
  uint64_t appended_bytes = 0;
  uint64_t looped_events = 0;
  absl::Time append_time = absl::InfinitePast();  // Of the newest, by the remote hub.
};

// Thread-safe. Everything is counted since the hub started.
class LinkMonitor {
 public:
  explicit LinkMonitor(absl::Time now);

  // The state from now on, and its error if it has one.
  void SetState(v1::LinkStatus::State state, const std::string& error, absl::Time now);
  void SetRemoteHub(const std::string& id);
  void SetLag(uint64_t events);
  void AddProgress(const LinkProgress& progress);
  void AddFailure();

  // All but what the link itself knows: positions, lost and refused events, and that it is
  // disabled.
  v1::LinkStatus Describe(absl::Time now) const;

 private:
  mutable Mutex mutex_;
  v1::LinkStatus status_ ABSL_GUARDED_BY(mutex_);
  absl::Time append_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace eventhub
