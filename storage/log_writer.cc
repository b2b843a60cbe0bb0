#include "storage/log_writer.h"

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub {
namespace {

// Bounds the memory of a commit, and the time that the first task of a group waits for the last.
constexpr size_t kMaxGroupBytes = size_t{4} << 20;

// The keys and small records of a task, beyond its events.
constexpr size_t kTaskOverhead = 256;

// How often AwaitVisible checks whether writes are waiting for space.
constexpr std::chrono::milliseconds kLookForSpace(100);

// Changes nothing; it is done when everything that was written before is.
class PassingTask final : public CommitTask {
 public:
  explicit PassingTask(std::shared_ptr<std::promise<absl::Status>> passed)
      : passed_(std::move(passed)) {}

  void Prepare(CommitBuilder&) override {}
  void Done(const absl::Status& status) override { passed_->set_value(status); }
  size_t bytes() const override { return 0; }
  bool synced() const override { return false; }

 private:
  const std::shared_ptr<std::promise<absl::Status>> passed_;
};

}  // namespace

LogWriter::LogWriter(LogStore& store, TailCache& cache, const Clock& clock, Metrics& metrics,
                     absl::AnyInvocable<void(const absl::Status&)> on_failure)
    : store_(store),
      cache_(cache),
      clock_(clock),
      on_failure_(std::move(on_failure)),
      counters_(metrics),
      renewer_([this](OutdatedTasks renewed) {
        MutexLock lock(mutex_);
        queue_.Resume(renewed.flow, std::move(renewed.tasks));
        // While it is locked: once nothing is set aside, the writer may be destroyed.
        submitted_.NotifyOne();
      }),
      sync_thread_([this] { RunSyncs(); }),
      commit_thread_([this] { RunCommits(); }) {}

LogWriter::~LogWriter() {
  StopRenewing();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  submitted_.NotifyOne();
  commit_thread_.join();
  {
    MutexLock lock(sync_mutex_);
    sync_stopping_ = true;
  }
  written_.NotifyOne();
  sync_thread_.join();
}

void LogWriter::Submit(std::unique_ptr<CommitTask> task, CommitFlow flow) {
  bool was_empty;
  {
    MutexLock lock(mutex_);
    was_empty = queue_.empty();
    queue_.Push(flow, std::move(task));
  }
  if (was_empty) submitted_.NotifyOne();
}

void LogWriter::StopRenewing() {
  renewing_stopped_.store(true, std::memory_order_relaxed);
  renewer_.Stop();
}

absl::Status LogWriter::AwaitVisible() {
  const VisibleCommits& commits = store_.visible_commits();
  if (commits.last() >= commits.written()) return absl::OkStatus();
  auto passed = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> visible = passed->get_future();
  Submit(std::make_unique<PassingTask>(std::move(passed)));
  while (visible.wait_for(kLookForSpace) != std::future_status::ready) {
    if (store_.waiting_for_space()) {
      return absl::UnavailableError("a write is waiting for disk space");
    }
  }
  return visible.get();
}

absl::Status LogWriter::failure() const {
  MutexLock lock(mutex_);
  return failure_;
}

void LogWriter::RunCommits() {
  for (;;) {
    Group group;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && (!stopping_ || queue_.holds_flows())) submitted_.Wait(mutex_);
      if (queue_.empty()) return;
      group = TakeGroup();
    }
    WriteGroup(group);
    HandOver(std::move(group));
  }
}

LogWriter::Group LogWriter::TakeGroup() {
  Group group;
  size_t bytes = 0;
  while (!queue_.empty() && bytes < kMaxGroupBytes) {
    Member& member = group.members.emplace_back();
    member.task = queue_.Pop(&member.flow);
    bytes += member.task->bytes();
  }
  group.commit = std::make_unique<CommitBuilder>(store_, clock_.Now(),
                                                 bytes + group.members.size() * kTaskOverhead);
  return group;
}

void LogWriter::WriteGroup(Group& group) {
  if (failed_.load(std::memory_order_acquire)) {
    group.status = failure();
    ResumeBlocked();
    return;
  }
  PrepareGroup(group);
  group.commit->RunHooks();
  if (group.commit->empty()) return;
  group.status = group.commit->Write(store_);
  if (!group.status.ok()) group.status = Fail(group.status);
  counters_.commits.Add();
}

void LogWriter::PrepareGroup(Group& group) {
  SetAside aside;
  bool moved = false;
  bool renewed = false;
  for (Member& member : group.members) {
    const bool admitted = Admit(member, aside);
    if (member.task == nullptr) {
      moved = true;
      continue;
    }
    CommitTask& task = *member.task;
    if (task.renewing_) {
      task.renewing_ = false;
      task.EndRenewal();
      renewed = true;
    }
    if (!admitted) continue;
    task.Prepare(*group.commit);
    group.synced |= task.synced();
  }
  if (moved) {
    std::erase_if(group.members, [](const Member& member) { return member.task == nullptr; });
  }
  if (!aside.flows.empty()) HoldFlows(std::move(aside));
  if (renewed) ResumeBlocked();
}

bool LogWriter::Admit(Member& member, SetAside& aside) {
  using Readiness = CommitTask::Readiness;
  CommitTask& task = *member.task;
  const Readiness readiness = task.readiness();
  const auto known = aside.flows.empty() ? aside.index.end() : aside.index.find(member.flow);
  size_t at = aside.flows.size();
  if (known != aside.index.end()) {
    at = known->second;
  } else if (readiness == Readiness::kReady) {
    return true;
  } else if (renewing_stopped_.load(std::memory_order_relaxed)) {
    task.Refuse();
    return false;
  } else {
    aside.index.emplace(member.flow, at);
    aside.flows.emplace_back().flow = member.flow;
    aside.sealed.push_back(false);
  }
  OutdatedTasks& tasks = aside.flows[at];
  if (task.outdates()) aside.sealed[at] = true;
  if (readiness == Readiness::kOutdated && !aside.sealed[at]) {
    task.renewing_ = true;
    task.BeginRenewal();
    tasks.outdated.push_back(&task);
  }
  tasks.tasks.push_back(std::move(member.task));
  return false;
}

void LogWriter::HoldFlows(SetAside aside) {
  {
    MutexLock lock(mutex_);
    for (const OutdatedTasks& tasks : aside.flows) queue_.Hold(tasks.flow);
  }
  for (OutdatedTasks& tasks : aside.flows) {
    if (tasks.outdated.empty()) {
      blocked_.push_back(std::move(tasks));
    } else {
      renewer_.Add(std::move(tasks));
    }
  }
}

void LogWriter::ResumeBlocked() {
  if (blocked_.empty()) return;
  MutexLock lock(mutex_);
  for (OutdatedTasks& tasks : blocked_) queue_.Resume(tasks.flow, std::move(tasks.tasks));
  blocked_.clear();
}

void LogWriter::HandOver(Group group) {
  {
    MutexLock lock(sync_mutex_);
    if (group.synced || syncing_ || !unsynced_.empty()) {
      unsynced_.push_back(std::move(group));
      written_.NotifyOne();
      return;
    }
  }
  Finish(group);
}

void LogWriter::RunSyncs() {
  std::vector<Group> groups;
  for (;;) {
    {
      MutexLock lock(sync_mutex_);
      syncing_ = false;
      while (unsynced_.empty() && !sync_stopping_) written_.Wait(sync_mutex_);
      if (unsynced_.empty()) return;
      groups.swap(unsynced_);
      syncing_ = true;
    }
    SyncGroups(groups);
    for (Group& group : groups) Finish(group);
    groups.clear();
  }
}

void LogWriter::SyncGroups(std::vector<Group>& groups) {
  bool synced = false;
  for (const Group& group : groups) synced |= group.synced && group.status.ok();
  // After a failed sync a later one may succeed although data was lost, so it must not be tried.
  absl::Status status = failure();
  if (status.ok() && synced) {
    status = store_.Sync();
    if (!status.ok()) status = Fail(status);
    counters_.syncs.Add();
  }
  for (Group& group : groups) {
    if (group.status.ok()) group.status = status;
  }
}

void LogWriter::Finish(Group& group) {
  if (group.status.ok()) group.commit->MakeVisible(cache_);
  for (const Member& member : group.members) member.task->Done(group.status);
}

absl::Status LogWriter::Fail(const absl::Status& cause) {
  const absl::Status failure = absl::UnavailableError(
      absl::StrCat("the store refuses writes until the hub is restarted: ", cause.message()));
  {
    MutexLock lock(mutex_);
    if (!failure_.ok()) return failure_;
    failure_ = failure;
  }
  failed_.store(true, std::memory_order_release);
  on_failure_(failure);
  return failure;
}

}  // namespace eventhub
