#include "server/lake/archive/history_cache.h"

#include <iterator>

#include "absl/status/status.h"

namespace eventhub {
namespace {

constexpr size_t kPartOfEntries = 2;
constexpr size_t kEntryBytes = 256;  // Besides the value.

}  // namespace

HistoryCache::~HistoryCache() { memory_.Release(kept_); }

std::shared_ptr<const void> HistoryCache::Find(const std::string& key) {
  MutexLock lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->value;
}

void HistoryCache::Put(const std::string& key, std::shared_ptr<const void> value, size_t bytes) {
  bytes += kEntryBytes;
  const size_t limit = memory_.limit() / kPartOfEntries;
  if (bytes > limit) return;
  std::list<Entry> dropped;  // Destroyed without the lock.
  MutexLock lock(mutex_);
  if (by_key_.contains(key)) return;  // Made twice at once.
  while (kept_ + bytes > limit) {
    by_key_.erase(entries_.back().key);
    kept_ -= entries_.back().bytes;
    memory_.Release(entries_.back().bytes);
    dropped.splice(dropped.begin(), entries_, std::prev(entries_.end()));
  }
  entries_.push_front({key, std::move(value), bytes});
  by_key_[key] = entries_.begin();
  kept_ += bytes;
  memory_.Add(bytes);
}

absl::Status HistoryCache::BeginWork(size_t need) {
  const size_t limit = memory_.limit() - memory_.limit() / kPartOfEntries;
  MutexLock lock(mutex_);
  while (!stopped_ && working_ > 0 && working_ + need > limit) ended_.Wait(mutex_);
  if (stopped_) return absl::UnavailableError("the hub is shutting down");
  working_ += need;
  memory_.Add(need);
  return absl::OkStatus();
}

void HistoryCache::EndWork(size_t need) {
  MutexLock lock(mutex_);
  working_ -= need;
  memory_.Release(need);
  ended_.NotifyAll();
}

void HistoryCache::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
  ended_.NotifyAll();
}

}  // namespace eventhub
