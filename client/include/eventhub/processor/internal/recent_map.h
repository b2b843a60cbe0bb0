// A map of recent entries, bounded in number and age.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/time/time.h"

namespace eventhub::processor::internal {

// A map that forgets the entries that were touched longest ago: those older than `ttl`, and those
// beyond `max_entries`. Thread-compatible.
template <typename Key, typename T>
class RecentMap {
 public:
  RecentMap(size_t max_entries, absl::Duration ttl) : max_entries_(max_entries), ttl_(ttl) {}

  // The value of the key; null if there is none, or it has expired.
  T* Find(const Key& key, absl::Duration now) {
    Expire(now);
    const auto it = by_key_.find(key);
    return it == by_key_.end() ? nullptr : &it->second->value;
  }

  // Sets the value of the key, which then lives for another `ttl`.
  T& Put(const Key& key, T value, absl::Duration now) {
    Expire(now);
    const auto it = by_key_.find(key);
    if (it != by_key_.end()) {
      entries_.splice(entries_.end(), entries_, it->second);
    } else {
      if (by_key_.size() >= max_entries_) Drop();
      by_key_[key] = entries_.insert(entries_.end(), Entry{key});
    }
    Entry& entry = entries_.back();
    entry.value = std::move(value);
    entry.expires = now + ttl_;
    return entry.value;
  }

  size_t size() const { return by_key_.size(); }

 private:
  struct Entry {
    Key key;
    T value{};
    absl::Duration expires{};
  };

  void Expire(absl::Duration now) {
    while (!entries_.empty() && entries_.front().expires <= now) Drop();
  }
  void Drop() {
    by_key_.erase(entries_.front().key);
    entries_.pop_front();
  }

  const size_t max_entries_;
  const absl::Duration ttl_;
  std::list<Entry> entries_;  // The next one to be forgotten is in front.
  std::unordered_map<Key, typename std::list<Entry>::iterator> by_key_;
};

}  // namespace eventhub::processor::internal
