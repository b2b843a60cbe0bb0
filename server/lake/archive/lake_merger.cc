#include "server/lake/archive/lake_merger.h"

#include <sys/resource.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr int kNice = 10;

// Gives way to the threads that serve clients. On Linux, this is a setting of the thread.
void LowerPriority() { setpriority(PRIO_PROCESS, 0, kNice); }

}  // namespace

LakeMerger::LakeMerger(lake::ObjectStore& store, LakeTopics& topics, const Clock& clock,
                       LakeMergerOptions options)
    : store_(store),
      topics_(topics),
      clock_(clock),
      options_(std::move(options)),
      pacer_(clock_, options_.bytes_per_second, options_.look_interval) {
  {
    MutexLock lock(mutex_);
    look_at_ = clock_.Monotonic() + options_.first_look;
  }
  thread_ = std::thread([this] { Run(); });
}

LakeMerger::~LakeMerger() {
  Interrupt();
  thread_.join();
}

void LakeMerger::Interrupt() {
  pacer_.Stop();
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.NotifyAll();
}

void LakeMerger::NoteObject(const lake::LakeTopic& topic, int64_t hour) {
  const absl::Duration settle = options_.topic.settle;
  // An object of a closed hour is followed by others: archiving is behind.
  const absl::Time due = std::max(lake::HourStart(hour + 1), clock_.Now()) + settle;
  MutexLock lock(mutex_);
  const auto [at, is_new] = states_.try_emplace(topic.directory, State{topic, due, {}, {}});
  if (!is_new) at->second.due = std::min(at->second.due, due);
}

void LakeMerger::Run() {
  LowerPriority();
  for (;;) {
    std::optional<lake::LakeTopic> next;
    bool look = false;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && !look && !next) {
        look = !looked_ && clock_.Monotonic() >= look_at_;
        const absl::Time now = clock_.Now();
        for (const auto& [directory, state] : states_) {
          if (state.due <= now) next = state.topic;
        }
        if (!look && !next) changed_.WaitFor(mutex_, options_.look_interval);
      }
      if (stopping_) return;
    }
    if (look) LookAtAll();
    if (next) Pass(*next);
  }
}

void LakeMerger::LookAtAll() {
  const absl::StatusOr<std::vector<lake::LakeTopic>> topics = topics_.List();
  const absl::Time now = clock_.Now();
  MutexLock lock(mutex_);
  // That the lake cannot be reached is reported by who archives.
  looked_ = topics.ok();
  look_at_ = clock_.Monotonic() + options_.retry;
  if (!topics.ok()) return;
  for (const lake::LakeTopic& topic : *topics) {
    State& state = states_.try_emplace(topic.directory, State{topic, now, {}, {}}).first->second;
    state.due = std::min(state.due, now);
  }
}

void LakeMerger::Pass(const lake::LakeTopic& topic) {
  {
    MutexLock lock(mutex_);
    // Objects that are added meanwhile bring it forward again.
    states_.at(topic.directory).due = absl::InfiniteFuture();
  }
  lake::MergeTally tally;
  const absl::Status status = topics_.Explain(MergeNow(topic, &tally));
  Finish(topic, status, tally);
}

absl::Status LakeMerger::MergeNow(const lake::LakeTopic& topic, lake::MergeTally* tally) {
  ASSIGN_OR_RETURN(const std::shared_ptr<OwnedTopic> owned, topics_.Open(topic));
  RETURN_IF_ERROR(topics_.CheckOwned());
  lake::MergeTopicOptions options = options_.topic;
  options.merge.pace = [this](uint64_t bytes) { return pacer_.Take(bytes); };
  return lake::MergeTopic(
      store_, topic, clock_.Now(), options,
      [this, &owned](absl::FunctionRef<absl::Status(lake::ManifestWriter&)> use) {
        RETURN_IF_ERROR(topics_.CheckOwned());
        return owned->WithManifest(use);
      },
      tally);
}

void LakeMerger::Finish(const lake::LakeTopic& topic, const absl::Status& status,
                        const lake::MergeTally& tally) {
  const absl::Status outcome = !status.ok() || tally.problems.empty()
                                   ? status
                                   : absl::DataLossError(absl::StrJoin(tally.problems, "; "));
  MutexLock lock(mutex_);
  upkeep_.merged_objects += tally.replaced;
  upkeep_.merged_bytes += tally.bytes;
  upkeep_.deleted_objects += tally.deleted;
  if (stopping_) return;
  State& state = states_.at(topic.directory);
  state.problem = std::string(outcome.message());
  if (outcome.ok()) {
    state.wait = absl::ZeroDuration();
    if (tally.next) state.due = std::min(state.due, *tally.next);
  } else {
    ++upkeep_.merge_failures;
    state.wait = state.wait == absl::ZeroDuration() ? options_.retry
                                                    : std::min(2 * state.wait, options_.max_retry);
    state.due = clock_.Now() + state.wait;
  }
  // What has nothing to do is forgotten; its next object brings it back.
  if (state.due == absl::InfiniteFuture()) states_.erase(topic.directory);
}

LakeUpkeep LakeMerger::Describe() const {
  MutexLock lock(mutex_);
  LakeUpkeep upkeep = upkeep_;
  for (const auto& [directory, state] : states_) {
    if (state.problem.empty()) continue;
    upkeep.findings.push_back(absl::StrCat("topic ", state.topic.name,
                                           ": small objects are not merged: ", state.problem));
  }
  return upkeep;
}

}  // namespace eventhub
