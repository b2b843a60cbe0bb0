#include "client/src/base/failure_log.h"

#include <algorithm>
#include <atomic>

namespace eventhub::client {
namespace {

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// The log that this thread entered last: most threads publish to one.
thread_local uint64_t entered = 0;

}  // namespace

FailureLog::FailureLog() : id_(NextId()) {}

void FailureLog::Enter() {
  if (entered == id_) return;
  entered = id_;
  if (places_.find(std::this_thread::get_id()) == places_.end()) SetPlace(end_);
}

void FailureLog::Add(const absl::Status& failure) {
  failures_.push_back(failure);
  if (failures_.size() > kMaxFailures) failures_.pop_front();
  ++end_;
}

absl::Status FailureLog::Take() {
  const auto place = places_.find(std::this_thread::get_id());
  const uint64_t kept = end_ - failures_.size();
  const uint64_t from = std::max(place == places_.end() ? 0 : place->second, kept);
  absl::Status first = from < end_ ? failures_[from - kept] : absl::OkStatus();
  SetPlace(end_);
  return first;
}

void FailureLog::SetPlace(uint64_t place) {
  const auto [at, is_new] = places_.insert_or_assign(std::this_thread::get_id(), place);
  if (!is_new || places_.size() <= kMaxThreads) return;
  const auto oldest =
      std::min_element(places_.begin(), places_.end(), [at = at](const auto& a, const auto& b) {
        return (a.first == at->first ? UINT64_MAX : a.second) <
               (b.first == at->first ? UINT64_MAX : b.second);
      });
  places_.erase(oldest);
}

}  // namespace eventhub::client
