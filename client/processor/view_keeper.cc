#include "client/processor/view_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub::processor::internal {
namespace {

using Kind = PipelineState::Kind;

// The maximum delay before the position of a view without new rows is written. After a crash,
// events settled since then are read back.
constexpr absl::Duration kPositionDelay = absl::Seconds(1);
constexpr absl::Duration kProgressInterval = absl::Seconds(1);
constexpr absl::Duration kFirstRetryDelay = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetryDelay = absl::Seconds(10);

std::string ViewsOf(uint32_t partition) { return absl::StrCat("views of partition ", partition); }

}  // namespace

void ViewKeeper::Add(const std::shared_ptr<View>& view) {
  if (std::find(views_.begin(), views_.end(), view) == views_.end()) views_.push_back(view);
}

bool ViewKeeper::Admit(Delivered& delivered) {
  if (delivered.arrival.replayed) return true;
  const uint32_t number = delivered.arrival.partition;
  const int64_t offset = delivered.arrival.offset;
  Partition& partition = partitions_[number];
  partition.first_new = delivered.first_new_offset;
  const bool redelivered = delivered.arrival.redelivered;
  const uint64_t known_lease = std::exchange(partition.lease_epoch, delivered.lease_epoch);
  const bool same_lease = known_lease == delivered.lease_epoch;
  const bool assigned = known_lease == 0;  // The first event since OnAssigned, or at all.
  if (!same_lease && !assigned) partition.held.clear();  // Their leases have ended.
  // OnAssigned does not know whether the subscription was moved.
  const bool check =
      partition.state == State::kUnknown || (!same_lease && (!assigned || !redelivered));
  if (!check && partition.state == State::kReady) {
    partition.end = std::max(partition.end, offset + 1);
    return true;
  }
  partition.held.push_back(std::move(delivered));
  if (check) {
    partition.end = offset;
    Check(number, offset, redelivered);
  }
  return false;
}

void ViewKeeper::OnAssigned(const client::AssignedPartition& next) {
  Partition& partition = partitions_[next.partition];
  if (partition.state != State::kUnknown) return;
  partition.end = next.offset;
  partition.first_new = next.first_new_offset;
  // The first event will show whether the subscription was moved.
  Check(next.partition, next.offset, /*redelivered=*/true);
}

void ViewKeeper::OnRevoked(uint32_t number) {
  const auto it = partitions_.find(number);
  if (it == partitions_.end() || it->second.state != State::kReady) return;
  it->second.state = State::kUnknown;
  it->second.lease_epoch = 0;
}

void ViewKeeper::Clear() {
  for (const auto& [number, partition] : partitions_) {
    if (partition.state != State::kReady) owner_.SetViewState(Kind::kRunning, ViewsOf(number), "");
  }
  partitions_.clear();
}

template <typename Then>
void ViewKeeper::IfCurrent(uint32_t number, uint64_t check, const Then& then) {
  if (owner_.closing()) return;
  const auto it = partitions_.find(number);
  if (it != partitions_.end() && it->second.check == check) then(it->second);
}

void ViewKeeper::Check(uint32_t number, int64_t offset, bool redelivered) {
  Partition& partition = partitions_[number];
  partition.state = State::kChecking;
  partition.check = ++last_check_;
  partition.redelivered = redelivered;
  auto points = std::make_shared<absl::StatusOr<std::vector<ViewCore::ResumePoint>>>(
      std::vector<ViewCore::ResumePoint>());
  owner_.Block(
      [views = views_, number, offset, redelivered, points] {
        for (const std::shared_ptr<View>& view : views) {
          auto point = view->core().Resume(number, offset, redelivered);
          if (!point.ok()) {
            *points = point.status();
            return;
          }
          (*points)->push_back(*point);
        }
      },
      [this, number, offset, check = partition.check, points] {
        IfCurrent(number, check, [&](Partition&) { OnResumePoints(number, offset, *points); });
      });
}

void ViewKeeper::OnResumePoints(uint32_t number, int64_t offset,
                                const absl::StatusOr<std::vector<ViewCore::ResumePoint>>& points) {
  if (!points.ok()) {
    CheckLater(number, points.status());
    return;
  }
  Partition& partition = partitions_[number];
  partition.from = offset;
  partition.target = std::max(offset, partition.first_new);
  bool changed = false;
  for (size_t i = 0; i < views_.size(); ++i) {
    const ViewCore::ResumePoint& point = (*points)[i];
    partition.from = std::min(partition.from, point.offset);
    const auto [known, first] = generations_.try_emplace(views_[i].get(), point.generation);
    changed |= !first && std::exchange(known->second, point.generation) != point.generation;
  }
  if (changed) {  // The change concerns all partitions.
    CheckAll();
    return;
  }
  partition.state = State::kReading;
  partition.read_to = partition.from;
  partition.restored = 0;
  partition.read = partition.from >= partition.target;
  if (partition.read) {
    MayBeReady(number);
    return;
  }
  TellProgress(number, partition);
  ++reads_[number];
  owner_.ReadBack(number, partition.from, partition.target,
                  [this, number, check = partition.check](const absl::Status& status) {
                    OnRead(number, check, status);
                  });
}

void ViewKeeper::OnRead(uint32_t number, uint64_t check, const absl::Status& status) {
  if (owner_.closing()) return;
  if (--reads_[number] == 0) reads_.erase(number);
  const auto it = partitions_.find(number);
  if (it == partitions_.end()) return;
  Partition& partition = it->second;
  if (partition.check != check) {
    partition.read_to = partition.from;  // Discards the progress of a former read.
    return;
  }
  if (!status.ok()) {
    CheckLater(number, status);
    return;
  }
  partition.read = true;
  MayBeReady(number);
}

void ViewKeeper::CheckLater(uint32_t number, const absl::Status& error) {
  Partition& partition = partitions_[number];
  owner_.SetViewState(Kind::kWaiting, ViewsOf(number), std::string(error.message()));
  const absl::Duration delay =
      std::min(kFirstRetryDelay * (1 << std::min(partition.failures++, 10)), kLongestRetryDelay);
  strand_.At(clock_.Monotonic() + delay, [this, number, check = partition.check] {
    IfCurrent(number, check, [&](const Partition& at) { Check(number, at.end, at.redelivered); });
  });
}

void ViewKeeper::MayBeReady(uint32_t number) {
  Partition& partition = partitions_[number];
  if (partition.state != State::kReading || !partition.read || partition.restoring > 0) return;
  partition.state = State::kReady;
  partition.failures = 0;
  partition.end = std::max(partition.end, partition.target);
  owner_.SetViewState(Kind::kRunning, ViewsOf(number), "");
  settled_.insert(number);  // The view has reached this position.
  WritePositionsLater();
  std::deque<Delivered> held = std::exchange(partition.held, {});
  for (Delivered& delivered : held) {
    partition.end = std::max(partition.end, delivered.arrival.offset + 1);
    owner_.TakeNow(std::move(delivered));
  }
}

void ViewKeeper::OnRestored(const Arrival& arrival) {
  Partition& partition = partitions_[arrival.partition];
  ++partition.restoring;
  ++partition.restored;
  partition.read_to = std::max(partition.read_to, arrival.offset + 1);
  if (clock_.Now() >= partition.told + kProgressInterval) {
    TellProgress(arrival.partition, partition);
  }
}

void ViewKeeper::OnRestoredDone(uint32_t number) {
  const auto it = partitions_.find(number);
  if (it == partitions_.end() || it->second.restoring == 0) return;
  if (--it->second.restoring > 0 || !it->second.read) return;
  // Posted, because the engine is in the middle of an event.
  strand_.Post([this, number, check = it->second.check] {
    IfCurrent(number, check, [&](const Partition&) { MayBeReady(number); });
  });
}

void ViewKeeper::TellProgress(uint32_t number, Partition& partition) {
  if (partition.state != State::kReading) return;
  partition.told = clock_.Now();
  owner_.SetViewState(Kind::kWaiting, ViewsOf(number),
                      absl::StrCat("events are read back from offset ", partition.from, " to ",
                                   partition.target, ", ", partition.restored, " so far"));
}

void ViewKeeper::OnWritten(const View& view, uint64_t generation) {
  const auto known = generations_.find(&view);
  if (known == generations_.end() || known->second == generation) return;
  known->second = generation;
  CheckAll();
}

void ViewKeeper::CheckAll() {
  for (const auto& [number, partition] : partitions_) {
    if (partition.state == State::kUnknown) continue;
    // Events in flight may have been written to the former generation.
    Check(number, partition.end, /*redelivered=*/true);
  }
}

PositionsInView ViewKeeper::PositionsOf(const View& view,
                                        const std::vector<uint32_t>& numbers) const {
  PositionsInView at;
  const auto known = generations_.find(&view);
  if (known == generations_.end()) return at;
  at.generation = known->second;
  for (const uint32_t number : numbers) {
    const auto it = partitions_.find(number);
    if (it == partitions_.end()) continue;
    const Partition& partition = it->second;
    if (partition.state != State::kReady && partition.state != State::kReading) continue;
    // While a former read is still in progress, `read_to` may belong to either read.
    const auto reads = reads_.find(number);
    if (partition.state == State::kReading && reads != reads_.end() && reads->second > 1) continue;
    const int64_t taken = partition.state == State::kReady ? partition.end : partition.read_to;
    at.positions[number] = taken;
  }
  owner_.LowerToInFlight(at.positions);
  return at;
}

void ViewKeeper::OnSettled(const Arrival& arrival) {
  if (arrival.replayed) return;
  settled_.insert(arrival.partition);
  WritePositionsLater();
}

void ViewKeeper::WritePositionsLater() {
  if (std::exchange(timer_armed_, true)) return;
  strand_.At(clock_.Monotonic() + kPositionDelay, [this] {
    timer_armed_ = false;
    if (!owner_.closing()) WritePositions();
  });
}

void ViewKeeper::WritePositions() {
  std::vector<uint32_t> ready;
  for (const uint32_t number : settled_) {
    const auto it = partitions_.find(number);
    if (it != partitions_.end() && it->second.state == State::kReady) ready.push_back(number);
  }
  settled_.clear();  // Other partitions are written when they are ready.
  if (ready.empty()) return;
  for (const std::shared_ptr<View>& view : views_) {
    auto generation = std::make_shared<absl::StatusOr<uint64_t>>(uint64_t{0});
    owner_.Block([view, at = PositionsOf(*view, ready),
                  generation] { *generation = view->core().Write({}, at); },
                 [this, view, ready, generation] {
                   if (generation->ok()) {
                     OnWritten(*view, **generation);
                     return;
                   }
                   settled_.insert(ready.begin(), ready.end());
                   WritePositionsLater();
                 });
  }
}

}  // namespace eventhub::processor::internal
