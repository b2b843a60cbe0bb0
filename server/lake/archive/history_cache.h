// What readers of history share: decoded frames and indexes of objects, in bounded memory.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/base/memory_meter.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Keeps what was used last, up to half of the memory. The other half is for what is being made,
// which is counted too: if there is not enough left, it waits for others, unless there are none.
//
// Thread-safe.
class HistoryCache {
 public:
  // `memory` outlives this object.
  explicit HistoryCache(MemoryMeter& memory) : memory_(memory) {}
  ~HistoryCache();

  HistoryCache(const HistoryCache&) = delete;
  HistoryCache& operator=(const HistoryCache&) = delete;

  template <typename Value>
  struct Made {
    std::shared_ptr<const Value> value;
    size_t bytes = 0;
  };

  // Returns the value of a key, which `make` makes if it is not here, with at most `need` bytes.
  // A key belongs to one type. UNAVAILABLE after Stop; errors of `make`.
  template <typename Value>
  absl::StatusOr<std::shared_ptr<const Value>> Get(
      const std::string& key, size_t need, absl::FunctionRef<absl::StatusOr<Made<Value>>()> make) {
    if (std::shared_ptr<const void> found = Find(key); found != nullptr) {
      return std::static_pointer_cast<const Value>(std::move(found));
    }
    if (absl::Status begun = BeginWork(need); !begun.ok()) return begun;
    absl::StatusOr<Made<Value>> made = make();
    EndWork(need);
    if (!made.ok()) return made.status();
    Put(key, made->value, made->bytes);
    return std::move(made->value);
  }

  // Ends waits, now and later.
  void Stop();

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const void> value;
    size_t bytes = 0;
  };

  std::shared_ptr<const void> Find(const std::string& key);
  void Put(const std::string& key, std::shared_ptr<const void> value, size_t bytes);
  absl::Status BeginWork(size_t need);
  void EndWork(size_t need);

  MemoryMeter& memory_;
  Mutex mutex_;
  CondVar ended_;  // Some work.
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  size_t working_ ABSL_GUARDED_BY(mutex_) = 0;        // Bytes of work in progress.
  size_t kept_ ABSL_GUARDED_BY(mutex_) = 0;           // Bytes of entries.
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // The last used first.
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
