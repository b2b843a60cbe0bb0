#include "storage/fair_queue.h"

#include <algorithm>
#include <utility>

#include "storage/base/check.h"

namespace eventhub {
namespace {

constexpr size_t kMaxSpareFlows = 64;

// What a task takes beyond its bytes.
constexpr int64_t kTaskCost = 256;

int64_t CostOf(const CommitTask& task) { return static_cast<int64_t>(task.bytes()) + kTaskCost; }

}  // namespace

void FairQueue::Push(CommitFlow id, std::unique_ptr<CommitTask> task) {
  if (!held_.empty()) {
    if (const auto held = held_.find(id); held != held_.end()) {
      held->second.push_back(std::move(task));
      return;
    }
  }
  std::unique_ptr<Flow>& flow = flows_[id];
  if (flow == nullptr) {
    if (spare_.empty()) {
      flow = std::make_unique<Flow>();
    } else {
      flow = std::move(spare_.back());
      spare_.pop_back();
    }
    flow->id = id;
    flow->credit = kTurnBytes;
    arrived_.push_back(flow.get());
  }
  flow->tasks.push_back(std::move(task));
  ++size_;
}

std::unique_ptr<CommitTask> FairQueue::Pop(CommitFlow* id) {
  EVENTHUB_CHECK(!empty(), "a task is taken from a queue that has some");
  for (;;) {
    const bool arrived = !arrived_.empty() && (waiting_.empty() || arrived_credit_ > 0);
    std::deque<Flow*>& turns = arrived ? arrived_ : waiting_;
    Flow& flow = *turns.front();
    if (!flow.tasks.empty() && flow.credit > 0) {
      if (arrived) arrived_credit_ -= std::min(CostOf(*flow.tasks.front()), kTurnBytes);
      if (id != nullptr) *id = flow.id;
      return TakeFrom(flow);
    }
    // The end of its turn.
    turns.pop_front();
    if (!arrived) arrived_credit_ = kTurnBytes;
    if (flow.credit > 0) {
      Forget(flow);
    } else {
      flow.credit += kTurnBytes;
      waiting_.push_back(&flow);
    }
  }
}

std::unique_ptr<CommitTask> FairQueue::TakeFrom(Flow& flow) {
  std::unique_ptr<CommitTask> task = std::move(flow.tasks.front());
  flow.tasks.pop_front();
  flow.credit -= CostOf(*task);
  if (--size_ == 0) ForgetAll();
  return task;
}

void FairQueue::Hold(CommitFlow id) {
  auto& held = held_[id];
  const auto it = flows_.find(id);
  if (it == flows_.end() || it->second->tasks.empty()) return;
  size_ -= it->second->tasks.size();
  held.swap(it->second->tasks);
  if (size_ == 0) ForgetAll();
}

void FairQueue::Resume(CommitFlow id, std::vector<std::unique_ptr<CommitTask>> first) {
  const auto it = held_.find(id);
  EVENTHUB_CHECK(it != held_.end(), "a flow is resumed that is held");
  std::deque<std::unique_ptr<CommitTask>> held = std::move(it->second);
  held_.erase(it);
  // What they took is not taken twice.
  if (const auto flow = flows_.find(id); flow != flows_.end()) {
    int64_t& credit = flow->second->credit;
    for (const std::unique_ptr<CommitTask>& task : first) credit += CostOf(*task);
    credit = std::min(credit, kTurnBytes);
  }
  for (std::unique_ptr<CommitTask>& task : first) Push(id, std::move(task));
  for (auto& task : held) Push(id, std::move(task));
}

// Nobody waits, so nothing is owed.
void FairQueue::ForgetAll() {
  while (!flows_.empty()) Forget(*flows_.begin()->second);
  arrived_.clear();
  waiting_.clear();
  arrived_credit_ = kTurnBytes;
}

void FairQueue::Forget(Flow& flow) {
  const auto it = flows_.find(flow.id);
  if (spare_.size() < kMaxSpareFlows) spare_.push_back(std::move(it->second));
  flows_.erase(it);
}

}  // namespace eventhub
