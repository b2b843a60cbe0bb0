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
  // While one thread makes it, others wait for it, and get its error. A key belongs to one type.
  // `make` must not use the cache. UNAVAILABLE after Stop; errors of `make`.
  template <typename Value>
  absl::StatusOr<std::shared_ptr<const Value>> Get(
      const std::string& key, size_t need, absl::FunctionRef<absl::StatusOr<Made<Value>>()> make) {
    const auto typed = [](std::shared_ptr<const void> value) {
      return std::static_pointer_cast<const Value>(std::move(value));
    };
    const auto [work, mine] = FindOrBegin(key);
    if (!mine) {
      absl::StatusOr<std::shared_ptr<const void>> value = Await(*work);
      if (!value.ok()) return value.status();
      return typed(*std::move(value));
    }
    absl::Status status = BeginWork(need);
    if (status.ok()) {
      absl::StatusOr<Made<Value>> made = make();
      EndWork(need);
      status = made.status();
      if (status.ok()) {
        Put(key, made->value, made->bytes);
        End(key, *work, made->value);
        return std::move(made->value);
      }
    }
    End(key, *work, status);
    return status;
  }

  // Whether the value is here, or being made.
  bool Has(const std::string& key);

  // Ends waits, now and later.
  void Stop();

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const void> value;
    size_t bytes = 0;
  };

  // A value that is being made, or that is here.
  struct Work {
    bool ended = false;  // With `result`.
    absl::StatusOr<std::shared_ptr<const void>> result{};
  };

  // Returns the value's work, and whether the caller is to do it.
  std::pair<std::shared_ptr<Work>, bool> FindOrBegin(const std::string& key);
  absl::StatusOr<std::shared_ptr<const void>> Await(const Work& work);
  void End(const std::string& key, Work& work, absl::StatusOr<std::shared_ptr<const void>> result);
  void Put(const std::string& key, std::shared_ptr<const void> value, size_t bytes);
  absl::Status BeginWork(size_t need);
  void EndWork(size_t need);

  MemoryMeter& memory_;
  Mutex mutex_;
  CondVar ended_;  // Some work.
  absl::flat_hash_map<std::string, std::shared_ptr<Work>> making_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  size_t working_ ABSL_GUARDED_BY(mutex_) = 0;        // Bytes of work in progress.
  size_t kept_ ABSL_GUARDED_BY(mutex_) = 0;           // Bytes of entries.
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // The last used first.
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> by_key_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
