// Tells which calls of an object store are in progress: a directory of a server that does not
// answer blocks a call without an end, and nothing else says where.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/lake/store/object_store.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub::lake {

// The calls in progress of any number of stores. Thread-safe.
class StoreCalls {
 public:
  // `clock` outlives this object.
  explicit StoreCalls(const Clock& clock = Clock::System()) : clock_(clock) {}

  StoreCalls(const StoreCalls&) = delete;
  StoreCalls& operator=(const StoreCalls&) = delete;

  // In words for people, the longest first: `reading /srv/lake/topic=orders/…, for 12s`.
  std::vector<std::string> Describe() const;

 private:
  friend class StoreCall;
  struct Call {
    std::string what;
    absl::Duration start;  // Monotonic.
  };

  const Clock& clock_;
  mutable Mutex mutex_;
  uint64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;  // So far.
  std::map<uint64_t, Call> in_progress_ ABSL_GUARDED_BY(mutex_);
};

// The same store, whose calls are noted in `calls`.
std::unique_ptr<ObjectStore> WatchStore(std::unique_ptr<ObjectStore> store,
                                        std::shared_ptr<StoreCalls> calls);

}  // namespace eventhub::lake
