#include "storage/task_renewer.h"

#include <utility>

namespace eventhub {
namespace {

constexpr int kThreads = 2;

}  // namespace

void TaskRenewer::Add(OutdatedTasks tasks) {
  const uint64_t lane = tasks.outdated.front()->renewal_lane();
  MutexLock lock(mutex_);
  const auto [it, idle] = lanes_.try_emplace(lane);
  it->second.push_back(std::move(tasks));
  if (!idle) return;
  turns_.push_back(lane);
  if (pool_ == nullptr) pool_ = std::make_unique<WorkPool>(kThreads);
  pool_->Post([this] { RunTurn(); });
}

void TaskRenewer::Stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
}

void TaskRenewer::RunTurn() {
  uint64_t lane;
  bool renew;
  OutdatedTasks tasks;
  {
    MutexLock lock(mutex_);
    lane = turns_.front();
    turns_.pop_front();
    std::deque<OutdatedTasks>& waiting = lanes_[lane];
    tasks = std::move(waiting.front());
    waiting.pop_front();
    renew = !stopped_;
  }
  if (renew) {
    for (CommitTask* const task : tasks.outdated) task->Renew();
  }
  on_renewed_(std::move(tasks));
  MutexLock lock(mutex_);
  const auto it = lanes_.find(lane);
  if (it->second.empty()) {
    lanes_.erase(it);
    return;
  }
  turns_.push_back(lane);
  pool_->Post([this] { RunTurn(); });
}

}  // namespace eventhub
