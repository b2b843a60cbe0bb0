#include "client/processor/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eventhub/partition.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor::internal {
namespace {

using client::Order;
using client::Outcome;
using Kind = PipelineState::Kind;

// How long the difference of the two clocks is taken as constant.
constexpr absl::Duration kWallClockAge = absl::Milliseconds(10);

std::vector<std::string> IdsOf(const std::vector<AnyPipeline>& pipelines) {
  std::vector<std::string> ids;
  for (const AnyPipeline& pipeline : pipelines) ids.push_back(pipeline.id());
  return ids;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const ProcessorOptions& options, Host& host,
                                                       const Clock& clock, uint64_t seed) {
  RETURN_IF_ERROR(CheckProcessorOptions(options));
  std::unique_ptr<Engine> engine(new Engine(options, host, clock, seed));
  RETURN_IF_ERROR(engine->lines_.Add(options, *engine));
  engine->progress_.Begin();
  for (const std::unique_ptr<Line>& line : engine->lines_) {
    for (const std::shared_ptr<View>& view : line->views) engine->AddView(view);
  }
  return engine;
}

Engine::Engine(const ProcessorOptions& options, Host& host, const Clock& clock, uint64_t seed)
    : options_(options),
      host_(host),
      clock_(clock),
      random_(seed),
      board_(IdsOf(options.pipelines), clock, options.hooks.on_state),
      strand_(std::make_shared<Strand>(clock, [this] { commits_.OnIdle(); })),
      commits_(*this, *strand_, clock, options.subscription, options.commit),
      keeper_(*this, *strand_, clock),
      progress_(lines_, events_, board_, *strand_, clock, options.stall_after) {}

Engine::~Engine() {
  for (const std::unique_ptr<Line>& line : lines_) {
    for (const std::shared_ptr<View>& view : line->views) view->core().SetListener(nullptr);
  }
  strand_->Stop();
  lines_.Clear();  // Their units refer to the events.
}

std::string Engine::TimerSubject(const std::string& pipeline) const {
  return absl::StrCat(options_.subscription, "/", pipeline);
}

void Engine::AddView(const std::shared_ptr<View>& view) {
  keeper_.Add(view);
  // It may be called when the engine is gone; what is posted to a stopped strand never runs.
  view->core().SetListener([this, strand = std::weak_ptr<Strand>(strand_)] {
    if (const std::shared_ptr<Strand> alive = strand.lock()) {
      alive->Post([this] {
        if (!closing()) keeper_.CheckAll();
      });
    }
  });
}

uint64_t Engine::LaneIn(Order order, const Trigger& trigger) {
  switch (order) {
    case Order::kPerPartition:
      return uint64_t{trigger.arrival.partition} << 1 | 1;
    case Order::kPerKey:
      return trigger.event.partition_key().empty()
                 ? 0
                 : client::KeyHash(trigger.event.partition_key()) | 1;
    default:
      return 0;
  }
}

uint64_t Engine::LaneOf(const Trigger& trigger) const {
  // Otherwise everything is done in the order in which it came.
  if (!lines_.any_waits() && lanes_.empty()) return 0;
  const bool asked = std::any_of(lines_.wanted().begin(), lines_.wanted().end(),
                                 [](const Line* line) { return line->runtime.ordered(); });
  return asked ? LaneIn(lines_.order(), trigger) : 0;
}

// Unless events wait regularly, they have no lane until one has to. All before it are done then, so
// it is the first of its lane; those that come after it have lanes, too.
void Engine::BeginWait(Trigger& trigger) {
  if (lines_.any_waits() || trigger.lane != 0) return;
  trigger.lane = LaneIn(lines_.order(), trigger);
  if (trigger.lane != 0) lanes_.Add(trigger);
}

void Engine::Take(Delivered delivered) {
  if (closing()) return;
  session_ = delivered.session;
  events_.Supersede(delivered);
  if (!keeper_.active() || keeper_.Admit(delivered)) TakeNow(std::move(delivered));
}

void Engine::TakeRestored(Delivered delivered) {
  if (closing()) return;
  keeper_.OnRestored(delivered.arrival);
  TakeNow(std::move(delivered));
}

void Engine::TakeNow(Delivered delivered) {
  lines_.Find(delivered);
  const std::vector<Line*>& wanted = lines_.wanted();
  InFlight& trigger = events_.Add(delivered, lines_.size());
  if (!delivered.pipelines.empty()) trigger.unknown = lines_.Unknown(delivered.pipelines);
  if (wanted.empty() && trigger.unknown.empty()) {
    Settle(trigger, Outcome::Ack());
    return;
  }
  if (!trigger.event.ParseFromArray(delivered.bytes.data(),
                                    static_cast<int>(delivered.bytes.size()))) {
    Settle(trigger, Outcome::Park("it is not an eventhub.v1.Event"));
    return;
  }
  lines_.DropOwn(trigger.event, trigger.arrival.restored);
  if (wanted.empty()) {
    Bundle bundle;
    bundle.triggers.push_back(&trigger);
    OnCommitted(bundle, /*acked=*/false);
    return;
  }
  trigger.open = static_cast<uint32_t>(wanted.size());
  trigger.wanted = trigger.open;
  trigger.may_be_grouped = std::any_of(wanted.begin(), wanted.end(), [](const Line* line) {
    return line->description.spec().groups();
  });
  trigger.lane = LaneOf(trigger);
  if (trigger.lane != 0) lanes_.Add(trigger);
  // Nothing happened since the last event was done, if it came in the same turn.
  const bool follows = strand_->epoch() == epoch_;
  epoch_ = strand_->epoch();
  absl::Duration at = follows ? done_at_ : clock_.Monotonic();
  const absl::Time appended = std::max(trigger.arrival.append_time, absl::UnixEpoch());
  const absl::Duration age = std::max(NowAt(at) - appended, absl::ZeroDuration());
  for (Line* const line : wanted) {
    Counters& counters = line->runtime.counters();
    counters.units.Add(1);
    if (trigger.arrival.restored) {
      counters.restored.Add(1);
    } else {
      counters.events.Add(1);
      counters.channel_wait.Add(age);
      counters.iterator_age.Set(age);
    }
    if (counters.in_flight.count() == 0) progress_.OnFirst(line->index);
    counters.in_flight.Add(1);
    Task& task = trigger.tasks[line->index];
    task.trigger = &trigger;
    task.pipeline = &line->runtime;
    task.open = 1;
    const uint64_t lane =
        line->description.spec().waits() ? LaneIn(line->runtime.order(), trigger) : 0;
    // The last one may be the end of the trigger.
    line->instance->Take(task, lane);
    const absl::Duration after = clock_.Monotonic();
    counters.map_time.Add(after - at);
    at = after;
  }
  done_at_ = at;
  progress_.Watch();
}

absl::Time Engine::NowAt(absl::Duration monotonic) {
  if (monotonic - wall_read_at_ >= kWallClockAge) {
    wall_read_at_ = monotonic;
    wall_at_zero_ = clock_.Now() - monotonic;
  }
  return wall_at_zero_ + monotonic;
}

void Engine::Finish(Task& task) {
  if (--task.open > 0) return;
  Trigger& trigger = *task.trigger;
  if (--trigger.open == 0) OnDone(trigger);
}

void Engine::Fail(Task& task, std::string_view step, int attempts, const Failure& failure) {
  if (task.fault != nullptr) return;  // The first one counts.
  task.fault = NewFault(task.pipeline->id(), step, attempts, failure, *task.trigger);
}

std::unique_ptr<Fault> Engine::NewFault(std::string_view pipeline, std::string_view step,
                                        int attempts, Failure failure,
                                        const Trigger& trigger) const {
  std::unique_ptr<Fault> fault = MakeFault({.subscription = options_.subscription,
                                            .processor = options_.source,
                                            .pipeline = pipeline,
                                            .step = step,
                                            .attempts = attempts},
                                           std::move(failure), trigger, clock_.Now());
  Redact(options_.hooks.redact, *fault);
  return fault;
}

void Engine::Bind(Task& a, Task& b) {
  internal::Bind(a, b);
  Trigger& first = *a.trigger;
  Trigger& second = *b.trigger;
  internal::Bind(first, second);
  if (first.lane == 0 || first.lane != second.lane) return;
  // What has its place between them is settled with them.
  lanes_.ForEachBetween(first, second, [&](Trigger& between) { internal::Bind(first, between); });
}

void Engine::OnDone(Trigger& trigger) {
  if (trigger.lane == 0) {
    Release(trigger);
  } else {
    lanes_.Done(trigger, [this](Trigger& next) { Release(next); });
  }
}

void Engine::Release(Trigger& trigger) {
  trigger.released = true;
  Bundle bundle;
  Trigger* at = &trigger;
  do {
    if (!at->released) return;
    bundle.triggers.push_back(at);
    at = at->next_bound;
  } while (at != &trigger);
  std::sort(bundle.triggers.begin(), bundle.triggers.end(),
            [](const Trigger* a, const Trigger* b) { return a->number < b->number; });
  Resolve(std::move(bundle));
}

void Engine::Resolve(Bundle bundle) {
  const bool lost = std::any_of(bundle.triggers.begin(), bundle.triggers.end(),
                                [this](const Trigger* trigger) { return IsLost(*trigger); });
  if (lost) {
    OnLost(bundle);
    return;
  }
  SpreadFaults(bundle, [this](const Task& failed, const Trigger& trigger) {
    const Fault& fault = *failed.fault;
    return NewFault(failed.pipeline->id(), fault.step, static_cast<int>(fault.attempts),
                    {fault.type, fault.message, fault.causes}, trigger);
  });
  bool emits = false;
  ForEachEmitter(bundle, [&](Task&) { emits = true; });
  if (!emits) {
    OnCommitted(bundle, /*acked=*/false);
    return;
  }
  bundle.piecewise = NeedsPieces(bundle);
  Measure(bundle);
  commits_.Add(std::move(bundle));
}

void Engine::OnCommitted(Bundle& bundle, bool acked) {
  for (Trigger* const trigger : bundle.triggers) {
    std::vector<std::string> reasons;
    std::vector<client::FaultDetail> details;
    const auto add = [&](const Fault& fault) {
      reasons.push_back(ReasonOf(fault));
      details.push_back(DetailOf(fault));
      // What is read back became a dead letter when it was delivered.
      if (!trigger->arrival.restored) TellFault(fault);
    };
    for (const std::string& pipeline : trigger->unknown) {
      add(*NewFault(pipeline, "", 1,
                    FailureOf(absl::NotFoundError("the processor has no such pipeline")),
                    *trigger));
    }
    for (Task& task : trigger->tasks) {
      if (task.pipeline == nullptr) continue;
      if (task.fault == nullptr) {
        task.pipeline->counters().emitted.Add(static_cast<int64_t>(task.emissions.size()));
        continue;
      }
      task.pipeline->counters().faults.Add(1);
      add(*task.fault);
    }
    if (!reasons.empty()) {
      Settle(*trigger, Outcome::Park(absl::StrJoin(reasons, "; "), std::move(details)));
    } else {
      Settle(*trigger, acked ? Outcome::Settled() : Outcome::Ack());
    }
  }
}

void Engine::OnLost(Bundle& bundle) {
  for (Trigger* const trigger : bundle.triggers) {
    for (const Task& task : trigger->tasks) {
      if (task.pipeline != nullptr) task.pipeline->counters().lost.Add(1);
    }
    Settle(*trigger, Outcome::Retry("its lease ended before it was committed"));
  }
}

void Engine::OnRefused(Bundle& bundle, Task* task, const absl::Status& error) {
  size_t emitters = 0;
  ForEachEmitter(bundle, [&](Task&) { ++emitters; });
  if (task == nullptr && emitters > 1 && bundle.triggers.size() == 1) {
    // One pipeline is to blame.
    bundle.piecewise = true;
    commits_.Add(bundle);
    return;
  }
  const Failure failure = FailureOf(error);
  if (task != nullptr) {
    Fail(*task, "commit", 1, failure);
    return;
  }
  std::vector<Task*> blamed;
  ForEachEmitter(bundle, [&](Task& emitter) { blamed.push_back(&emitter); });
  for (Task* const emitter : blamed) Fail(*emitter, "commit", 1, failure);
  Resolve(std::move(bundle));
}

void Engine::OnState(const Bundle& bundle, Kind kind, const std::string& what,
                     const std::string& because) {
  for (const Trigger* const trigger : bundle.triggers) {
    for (size_t i = 0; i < trigger->tasks.size(); ++i) {
      if (trigger->tasks[i].pipeline != nullptr) board_.Set(i, kind, what, because);
    }
  }
}

void Engine::Settle(Trigger& trigger, Outcome outcome) {
  const bool lost = outcome.kind == Outcome::Kind::kRetry;
  for (Task& task : trigger.tasks) {
    if (task.pipeline == nullptr) continue;
    if (TaskWatcher* const watcher = std::exchange(task.watcher, nullptr)) {
      watcher->OnSettled(!lost && task.fault == nullptr);
    }
    task.pipeline->counters().in_flight.Add(-1);
    progress_.OnSettled(static_cast<size_t>(&task - trigger.tasks.data()));
    task.pipeline = nullptr;
    task.fault.reset();
    task.emissions.clear();
    task.next_bound = &task;
  }
  host_.Settle(trigger, std::move(outcome));
  Arrival arrival;
  if (keeper_.active()) arrival = trigger.arrival;
  events_.Remove(trigger);
  if (!keeper_.active()) return;
  if (arrival.restored) {
    keeper_.OnRestoredDone(arrival.partition);
  } else {
    keeper_.OnSettled(arrival);
  }
}

void Engine::SetSession(uint64_t session) {
  session_ = session;
  keeper_.Clear();
}

void Engine::OnAssigned(const client::AssignedPartition& next) {
  if (keeper_.active() && !closing()) keeper_.OnAssigned(next);
}

void Engine::OnRevoked(uint32_t partition) { keeper_.OnRevoked(partition); }

void Engine::Block(absl::AnyInvocable<void() &&> work, absl::AnyInvocable<void() &&> done) {
  CountReplies(1);
  host_.Block(std::move(work), [this, done = std::move(done)]() mutable {
    Post([this, done = std::move(done)]() mutable {
      CountReplies(-1);
      if (!closing()) std::move(done)();
    });
  });
}

void Engine::ReadState(const std::string& topic, const std::string& key, TakeStoredState done) {
  CountReplies(1);
  host_.ReadState(topic, key,
                  [this, done = std::move(done)](absl::StatusOr<StoredState> stored) mutable {
                    Post([this, done = std::move(done), stored = std::move(stored)]() mutable {
                      CountReplies(-1);
                      if (!closing()) std::move(done)(std::move(stored));
                    });
                  });
}

void Engine::ReadBack(uint32_t partition, int64_t from, int64_t to,
                      absl::AnyInvocable<void(absl::Status) &&> done) {
  host_.ReadBack(partition, from, to, std::move(done));
}

void Engine::SetViewState(Kind kind, const std::string& what, const std::string& because) {
  for (const std::unique_ptr<Line>& line : lines_) {
    if (!line->views.empty()) board_.Set(line->index, kind, what, because);
  }
}

void Engine::Commit(client::Transaction transaction) {
  // The answer may come when the engine is gone; what is posted to a stopped strand never runs.
  host_.Commit(std::move(transaction),
               [this, strand = std::weak_ptr<Strand>(strand_)](absl::Status status) {
                 const std::shared_ptr<Strand> alive = strand.lock();
                 if (alive == nullptr) return;
                 alive->Post([this, status = std::move(status)] {
                   if (!closing()) commits_.OnAnswer(status);
                 });
               });
}

void Engine::Drain() {
  draining_ = true;
  commits_.Drain();
  for (const std::unique_ptr<Line>& line : lines_) line->instance->Drain();
}

void Engine::SetState(Kind kind, const std::string& what, const std::string& because) {
  board_.SetAll(kind, what, because);
}

void Engine::SetWaiting(const Runtime& pipeline, const std::string& step,
                        const std::string& because) {
  for (const std::unique_ptr<Line>& line : lines_) {
    if (&line->runtime != &pipeline) continue;
    board_.Set(line->index, because.empty() ? Kind::kRunning : Kind::kWaiting,
               absl::StrCat("step ", step), because);
  }
}

void Engine::TellFault(const Fault& fault) {
  if (!options_.hooks.on_fault) return;
  try {
    options_.hooks.on_fault(fault);
  } catch (...) {  // NOLINT(bugprone-empty-catch): hooks may not break the processor.
  }
}

void Engine::Post(Strand::Work work) { strand_->Post(std::move(work)); }

void Engine::Close() {
  strand_->Post([this] { CloseNow(); });
  replies_.Await();
}

std::vector<PipelineCounters> Engine::counters() const {
  std::vector<PipelineCounters> counters;
  for (const std::unique_ptr<Line>& line : lines_) {
    counters.push_back(line->runtime.counters().Read());
  }
  return counters;
}

}  // namespace eventhub::processor::internal
