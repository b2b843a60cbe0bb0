#include "server/lake/archive/history_cache.h"

#include <iterator>

#include "absl/status/status.h"

namespace eventhub {
namespace {

constexpr size_t kPartOfEntries = 2;
constexpr size_t kEntryBytes = 256;  // Besides the value.

}  // namespace

HistoryCache::~HistoryCache() { memory_.Release(kept_); }

std::pair<std::shared_ptr<HistoryCache::Work>, bool> HistoryCache::FindOrBegin(
    const std::string& key) {
  MutexLock lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return {std::make_shared<Work>(Work{true, found->second->value}), false};
  }
  std::shared_ptr<Work>& work = making_[key];
  if (work != nullptr) return {work, false};
  work = std::make_shared<Work>();
  return {work, true};
}

absl::StatusOr<std::shared_ptr<const void>> HistoryCache::Await(const Work& work) {
  MutexLock lock(mutex_);
  while (!work.ended && !stopped_) ended_.Wait(mutex_);
  if (!work.ended) return absl::UnavailableError("the hub is shutting down");
  return work.result;
}

void HistoryCache::End(const std::string& key, Work& work,
                       absl::StatusOr<std::shared_ptr<const void>> result) {
  MutexLock lock(mutex_);
  work.ended = true;
  work.result = std::move(result);
  making_.erase(key);
  ended_.NotifyAll();
}

bool HistoryCache::Has(const std::string& key) {
  MutexLock lock(mutex_);
  return by_key_.contains(key) || making_.contains(key);
}

void HistoryCache::Put(const std::string& key, std::shared_ptr<const void> value, size_t bytes) {
  bytes += kEntryBytes;
  const size_t limit = memory_.limit() / kPartOfEntries;
  if (bytes > limit) return;
  std::list<Entry> dropped;  // Destroyed without the lock.
  MutexLock lock(mutex_);
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
