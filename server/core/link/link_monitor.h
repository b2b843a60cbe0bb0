// The status of a link, as reported to users: written by the link's reader, read by LinkService.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "eventhub/v1/link.pb.h"
#include "storage/base/mutex.h"

namespace eventhub {

// The outcome of the events of one step of a link.
struct LinkProgress {
  uint64_t appended_events = 0;
  uint64_t appended_bytes = 0;
  uint64_t looped_events = 0;
  absl::Time append_time = absl::InfinitePast();  // Of the newest event, by the remote hub's clock.
};

// Thread-safe. All counters start at zero when the hub starts.
class LinkMonitor {
 public:
  explicit LinkMonitor(absl::Time now);

  // Sets the state, and its error if it has one.
  void SetState(v1::LinkStatus::State state, const std::string& error, absl::Time now);
  void SetRemoteHub(const std::string& id);
  void SetLag(uint64_t events);
  void AddProgress(const LinkProgress& progress);
  void AddFailure();

  // Returns all but what the link itself knows: positions, lost and refused events, and whether it
  // is disabled.
  v1::LinkStatus Describe(absl::Time now) const;

 private:
  mutable Mutex mutex_;
  v1::LinkStatus status_ ABSL_GUARDED_BY(mutex_);
  absl::Time append_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace eventhub
