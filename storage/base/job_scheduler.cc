#include "storage/base/job_scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub {

JobScheduler::JobScheduler(const Clock& clock,
                           absl::AnyInvocable<void(const absl::Status&)> on_error)
    : clock_(clock), on_error_(std::move(on_error)) {}

JobScheduler::Lane& JobScheduler::LaneOf(const std::string& name) {
  const auto [it, is_new] = lanes_.try_emplace(name);
  Lane& lane = it->second;
  if (is_new) lane.thread = std::thread([this, &lane] { Run(lane); });
  return lane;
}

void JobScheduler::Every(absl::Duration interval, Job job) {
  MutexLock lock(mutex_);
  if (stopping_) return;
  Lane& lane = LaneOf(job.lane);
  lane.periodic.push_back(
      std::make_unique<Periodic>(Periodic{std::move(job), interval, clock_.Monotonic()}));
  lane.changed.NotifyOne();
}

void JobScheduler::Once(Job job) {
  MutexLock lock(mutex_);
  if (stopping_) return;
  Lane& lane = LaneOf(job.lane);
  for (const Job& waiting : lane.once) {
    if (waiting.name == job.name) return;
  }
  lane.once.push_back(std::move(job));
  lane.changed.NotifyOne();
}

void JobScheduler::RunSoon(absl::string_view name) {
  MutexLock lock(mutex_);
  for (auto& [lane_name, lane] : lanes_) {
    for (const auto& periodic : lane.periodic) {
      if (periodic->job.name != name) continue;
      periodic->due = clock_.Monotonic();
      lane.changed.NotifyOne();
    }
  }
}

void JobScheduler::Stop() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    for (auto& [name, lane] : lanes_) {
      if (lane.running != nullptr) lane.running->Cancel();
      lane.changed.NotifyOne();
      threads.push_back(std::move(lane.thread));
    }
  }
  for (std::thread& thread : threads) {
    if (thread.joinable()) thread.join();
  }
}

void JobScheduler::Run(Lane& lane) {
  for (;;) {
    std::optional<Job> job;
    std::shared_ptr<Cancellation> cancellation;
    {
      MutexLock lock(mutex_);
      job = Next(lane);
      if (!job.has_value()) return;
      cancellation = lane.running;
    }
    absl::Status status = job->run(*cancellation);
    {
      MutexLock lock(mutex_);
      if (cancellation->overdue()) {
        status = absl::DeadlineExceededError(
            absl::StrCat(job->name, ": took longer than ", absl::FormatDuration(job->bound)));
      } else if (stopping_ && absl::IsCancelled(status)) {
        status = absl::OkStatus();
      }
      lane.running.reset();
    }
    if (!status.ok()) on_error_(status);
  }
}

std::optional<Job> JobScheduler::Next(Lane& lane) {
  for (;;) {
    if (stopping_) return std::nullopt;
    const absl::Duration now = clock_.Monotonic();
    std::optional<Job> job = TakeDue(lane, now);
    if (job.has_value()) {
      lane.running = std::make_shared<Cancellation>(clock_, now + job->bound);
      return job;
    }
    absl::Duration left = absl::InfiniteDuration();
    for (const auto& periodic : lane.periodic) left = std::min(left, periodic->due - now);
    if (left == absl::InfiniteDuration()) {
      lane.changed.Wait(mutex_);
    } else {
      lane.changed.WaitFor(mutex_, left);
    }
  }
}

std::optional<Job> JobScheduler::TakeDue(Lane& lane, absl::Duration now) {
  const auto first = std::min_element(lane.periodic.begin(), lane.periodic.end(),
                                      [](const auto& a, const auto& b) { return a->due < b->due; });
  if (first != lane.periodic.end() && (*first)->due <= now) {
    (*first)->due = now + (*first)->interval;
    return (*first)->job;
  }
  if (lane.once.empty()) return std::nullopt;
  Job job = std::move(lane.once.front());
  lane.once.pop_front();
  return job;
}

}  // namespace eventhub
