#include "client/processor/engine.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "eventhub/partition.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor::internal {
namespace {

using client::Order;
using client::Outcome;
using Kind = PipelineState::Kind;

// A reused trigger keeps its memory, so large events do not share in that.
constexpr size_t kMaxReusedBytes = 4096;

// The session of an event that was delivered again in its session, after its
// lease expired.
constexpr uint64_t kSuperseded = ~uint64_t{0};

// What is broken when nothing is settled anymore.
constexpr char kSettlement[] = "settlement";

absl::Status CheckWindow(const CommitWindow &window) {
  if (window.interval < absl::ZeroDuration() ||
      window.interval > absl::Minutes(1)) {
    return absl::InvalidArgumentError("commit.interval must be 0 to 1 min");
  }
  if (window.max_events < 1 || window.max_events > 4000) {
    return absl::InvalidArgumentError("commit.max_events must be 1 to 4,000");
  }
  if (window.max_bytes < 1 || window.max_bytes > 3 * 1024 * 1024) {
    return absl::InvalidArgumentError("commit.max_bytes must be 1 to 3 MiB");
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const ProcessorOptions &options) {
  if (options.subscription.empty())
    return absl::InvalidArgumentError("subscription must be set");
  if (options.source.empty() || options.source.size() > 1024) {
    return absl::InvalidArgumentError("source must be 1 to 1,024 bytes long");
  }
  if (options.pipelines.empty())
    return absl::InvalidArgumentError("pipelines must not be empty");
  if (options.stall_after <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("stall_after must be more than 0");
  }
  return CheckWindow(options.commit);
}

bool IsId(const std::string &id) {
  return !id.empty() && id.size() <= 100 &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '.' || c == '_' || c == '-';
         });
}

std::vector<std::string> IdsOf(const std::vector<AnyPipeline> &pipelines) {
  std::vector<std::string> ids;
  for (const AnyPipeline &pipeline : pipelines)
    ids.push_back(pipeline.id());
  return ids;
}

// Gives the faults of the tasks that share a fate a name in common.
void NameGroup(Task &first) {
  if (first.next_bound == &first || !first.fault->group.empty())
    return;
  std::string name =
      first.fault->id; // The least id, so that a retry names it alike.
  for (Task *task = first.next_bound; task != &first; task = task->next_bound) {
    name = std::min(name, task->fault->id);
  }
  Task *task = &first;
  do {
    task->fault->group = name;
    task = task->next_bound;
  } while (task != &first);
}

absl::Status Named(const std::string &id, const absl::Status &status) {
  return absl::Status(
      status.code(),
      absl::StrCat("pipeline ", id, ": ", std::string(status.message())));
}

} // namespace

Engine::Line::Line(Engine &engine, size_t number, AnyPipeline pipeline)
    : index(number), description(std::move(pipeline)),
      views(description.spec().views()),
      runtime(engine, description.id(), description.spec().intake().order) {}

absl::StatusOr<std::unique_ptr<Engine>>
Engine::Create(const ProcessorOptions &options, Host &host, const Clock &clock,
               uint64_t seed) {
  RETURN_IF_ERROR(CheckOptions(options));
  std::unique_ptr<Engine> engine(new Engine(options, host, clock, seed));
  RETURN_IF_ERROR(engine->AddLines());
  return engine;
}

Engine::Engine(const ProcessorOptions &options, Host &host, const Clock &clock,
               uint64_t seed)
    : options_(options), host_(host), clock_(clock), random_(seed),
      board_(IdsOf(options.pipelines), clock, options.hooks.on_state),
      strand_(std::make_shared<Strand>(clock, [this] { commits_.OnIdle(); })),
      commits_(*this, *strand_, clock, options.subscription, options.commit),
      keeper_(*this, *strand_, clock) {}

Engine::~Engine() {
  for (const std::unique_ptr<Line> &line : lines_) {
    for (const std::shared_ptr<View> &view : line->views)
      view->core().SetListener(nullptr);
  }
  strand_->Stop();
  lines_.clear(); // Their units refer to the triggers.
  while (oldest_ != nullptr) {
    Trigger *const next = oldest_->next;
    delete oldest_;
    oldest_ = next;
  }
}

absl::Status Engine::AddLines() {
  std::set<std::string> ids;
  for (const AnyPipeline &pipeline : options_.pipelines) {
    const Spec &spec = pipeline.spec();
    if (!IsId(pipeline.id())) {
      return absl::InvalidArgumentError(
          absl::StrCat("the id of pipeline '", pipeline.id(),
                       "' must be 1 to 100 of a-z A-Z 0-9 . _ -"));
    }
    if (!ids.insert(pipeline.id()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two pipelines have the id ", pipeline.id()));
    }
    if (const absl::Status status = spec.Check(); !status.ok()) {
      return Named(pipeline.id(), status);
    }
    if (spec.groups() && std::exchange(any_groups_, true)) {
      return Named(pipeline.id(),
                   absl::InvalidArgumentError(
                       "another pipeline has a GroupBy or Compact, too: give "
                       "one of them a subscription of its own"));
    }
    if (const absl::Status status = CheckState(pipeline); !status.ok()) {
      return Named(pipeline.id(), status);
    }
    auto line = std::make_unique<Line>(*this, lines_.size(), pipeline);
    if (const absl::Status status = CompileFilters(*line); !status.ok()) {
      return Named(pipeline.id(), status);
    }
    line->instance = spec.Start(line->runtime);
    for (const std::shared_ptr<View> &view : line->views)
      AddView(view);
    any_waits_ |= spec.waits();
    if (line->runtime.ordered() && order_ != Order::kPerPartition)
      order_ = line->runtime.order();
    lines_.push_back(std::move(line));
  }
  if (!options_.take_own_events) {
    ASSIGN_OR_RETURN(
        own_,
        CompileFilter(
            client::Filter::Exact({{"source", options_.source}}).proto(), ""));
  }
  return absl::OkStatus();
}

absl::Status Engine::CheckState(const AnyPipeline &pipeline) const {
  if (!pipeline.spec().timers())
    return absl::OkStatus();
  if (pipeline.spec().intake().order == Order::kPerPartition) {
    return absl::InvalidArgumentError(
        "state is by key, which InOrder(kPerPartition) excludes");
  }
  // An event of a key waits for the one before it to be settled; in a group
  // they would wait for each other.
  for (const AnyPipeline &other : options_.pipelines) {
    if (!other.spec().groups())
      continue;
    return absl::InvalidArgumentError(
        absl::StrCat("it keeps state by key, and pipeline ", other.id(),
                     " has a GroupBy or Compact: give one of them a "
                     "subscription of its own"));
  }
  return absl::OkStatus();
}

absl::Status Engine::CompileFilters(Line &line) {
  const Spec &spec = line.description.spec();
  if (spec.intake().filter) {
    ASSIGN_OR_RETURN(line.filter,
                     CompileFilter(spec.intake().filter->proto(), "on"));
  }
  if (!spec.timers())
    return absl::OkStatus();
  const auto mine = client::Filter::Exact(
      {{"type", kTimerType}, {"subject", TimerSubject(line.description.id())}});
  ASSIGN_OR_RETURN(line.timers, CompileFilter(mine.proto(), ""));
  ASSIGN_OR_RETURN(
      timers_,
      CompileFilter(client::Filter::Exact({{"type", kTimerType}}).proto(), ""));
  return absl::OkStatus();
}

std::string Engine::TimerSubject(const std::string &pipeline) const {
  return absl::StrCat(options_.subscription, "/", pipeline);
}

void Engine::AddView(const std::shared_ptr<View> &view) {
  keeper_.Add(view);
  // It may be called when the engine is gone; what is posted to a stopped
  // strand never runs.
  view->core().SetListener([this, strand = std::weak_ptr<Strand>(strand_)] {
    if (const std::shared_ptr<Strand> alive = strand.lock()) {
      alive->Post([this] {
        if (!closing_)
          keeper_.CheckAll();
      });
    }
  });
}

void Engine::FindWanted(const Delivered &delivered) {
  wanted_.clear();
  const absl::string_view view(delivered.bytes.data(), delivered.bytes.size());
  const bool restored = delivered.arrival.restored;
  const bool timer = timers_ && timers_->Matches(view);
  if (timer || !own_ || !own_->Matches(view)) {
    for (const std::unique_ptr<Line> &line : lines_) {
      if (restored && line->views.empty())
        continue;
      const bool wanted = timer ? line->timers && line->timers->Matches(view)
                                : !line->filter || line->filter->Matches(view);
      if (wanted)
        wanted_.push_back(line.get());
    }
  }
  if (wanted_.size() == lines_.size() || restored)
    return;
  for (const std::unique_ptr<Line> &line : lines_) {
    if (std::find(wanted_.begin(), wanted_.end(), line.get()) ==
        wanted_.end()) {
      line->runtime.counters().passed_over.Add(1);
    }
  }
}

std::vector<std::string>
Engine::KeepNamed(absl::Span<const std::string> names) {
  std::erase_if(wanted_, [&](Line *line) {
    const bool other = std::find(names.begin(), names.end(),
                                 line->description.id()) == names.end();
    if (other)
      line->runtime.counters().passed_over.Add(1);
    return other;
  });
  std::vector<std::string> unknown;
  for (const std::string &name : names) {
    const bool known =
        std::any_of(lines_.begin(), lines_.end(), [&](const auto &line) {
          return line->description.id() == name;
        });
    if (!known)
      unknown.push_back(name);
  }
  return unknown;
}

InFlight &Engine::NewTrigger(Delivered &delivered) {
  std::unique_ptr<InFlight> trigger;
  if (free_.empty()) {
    trigger = std::make_unique<InFlight>();
    trigger->tasks.resize(lines_.size());
  } else {
    trigger = std::move(free_.back());
    free_.pop_back();
  }
  trigger->arrival = delivered.arrival;
  trigger->bytes = delivered.bytes.size();
  trigger->lease_epoch = delivered.lease_epoch;
  trigger->session = delivered.session;
  trigger->settler = std::move(delivered.settler);
  trigger->number = next_number_++;
  trigger->previous = newest_;
  (newest_ != nullptr ? newest_->next : oldest_) = trigger.get();
  newest_ = trigger.get();
  return *trigger.release();
}

uint64_t Engine::LaneIn(Order order, const Trigger &trigger) {
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

uint64_t Engine::LaneOf(const Trigger &trigger) const {
  // Otherwise everything is done in the order in which it came.
  if (!any_waits_ && lanes_.empty())
    return 0;
  const bool asked =
      std::any_of(wanted_.begin(), wanted_.end(),
                  [](const Line *line) { return line->runtime.ordered(); });
  return asked ? LaneIn(order_, trigger) : 0;
}

// Unless events wait regularly, they have no lane until one has to. All before
// it are done then, so it is the first of its lane; those that come after it
// have lanes, too.
void Engine::BeginWait(Trigger &trigger) {
  if (any_waits_ || trigger.lane != 0)
    return;
  trigger.lane = LaneIn(order_, trigger);
  if (trigger.lane != 0)
    lanes_.Add(trigger);
}

void Engine::Take(Delivered delivered) {
  if (closing_)
    return;
  session_ = delivered.session;
  Supersede(delivered);
  if (!keeper_.active() || keeper_.Admit(delivered))
    TakeNow(std::move(delivered));
}

void Engine::TakeRestored(Delivered delivered) {
  if (closing_)
    return;
  keeper_.OnRestored(delivered.arrival);
  TakeNow(std::move(delivered));
}

void Engine::TakeNow(Delivered delivered) {
  FindWanted(delivered);
  InFlight &trigger = NewTrigger(delivered);
  if (!delivered.pipelines.empty())
    trigger.unknown = KeepNamed(delivered.pipelines);
  if (wanted_.empty() && trigger.unknown.empty()) {
    Settle(trigger, Outcome::Ack());
    return;
  }
  if (!trigger.event.ParseFromArray(delivered.bytes.data(),
                                    static_cast<int>(delivered.bytes.size()))) {
    Settle(trigger, Outcome::Park("it is not an eventhub.v1.Event"));
    return;
  }
  if (wanted_.empty()) {
    Bundle bundle;
    bundle.triggers.push_back(&trigger);
    OnCommitted(bundle, /*acked=*/false);
    return;
  }
  trigger.open = static_cast<uint32_t>(wanted_.size());
  trigger.wanted = trigger.open;
  trigger.may_be_grouped =
      std::any_of(wanted_.begin(), wanted_.end(), [](const Line *line) {
        return line->description.spec().groups();
      });
  trigger.lane = LaneOf(trigger);
  if (trigger.lane != 0)
    lanes_.Add(trigger);
  absl::Duration at = clock_.Monotonic();
  const absl::Time appended =
      std::max(trigger.arrival.append_time, absl::UnixEpoch());
  const absl::Duration age =
      std::max(clock_.Now() - appended, absl::ZeroDuration());
  for (Line *const line : wanted_) {
    Counters &counters = line->runtime.counters();
    counters.units.Add(1);
    if (trigger.arrival.restored) {
      counters.restored.Add(1);
    } else {
      counters.events.Add(1);
      counters.channel_wait.Add(age);
      counters.iterator_age.Set(age);
    }
    if (counters.in_flight.count() == 0)
      line->progressed = true;
    counters.in_flight.Add(1);
    Task &task = trigger.tasks[line->index];
    task.trigger = &trigger;
    task.pipeline = &line->runtime;
    task.open = 1;
    const uint64_t lane = line->description.spec().waits()
                              ? LaneIn(line->runtime.order(), trigger)
                              : 0;
    // The last one may be the end of the trigger.
    line->instance->Take(task, lane);
    const absl::Duration after = clock_.Monotonic();
    counters.map_time.Add(after - at);
    at = after;
  }
  WatchProgress();
}

void Engine::Supersede(const Delivered &delivered) {
  if (newest_session_ != delivered.session) {
    newest_session_ = delivered.session;
    ends_.clear();
  }
  const size_t partition = delivered.arrival.partition;
  if (partition >= ends_.size())
    ends_.resize(partition + 1, 0);
  // In most cases, after a reconnect too, events come in order, and none is in
  // flight twice.
  if (delivered.arrival.offset >= ends_[partition]) {
    ends_[partition] = delivered.arrival.offset + 1;
    return;
  }
  if (!delivered.arrival.redelivered)
    return;
  for (Trigger *trigger = oldest_; trigger != nullptr;
       trigger = trigger->next) {
    const bool same =
        trigger->arrival.partition == delivered.arrival.partition &&
        trigger->arrival.offset == delivered.arrival.offset &&
        trigger->session == delivered.session;
    if (same)
      trigger->session = kSuperseded;
  }
}

void Engine::Finish(Task &task) {
  if (--task.open > 0)
    return;
  Trigger &trigger = *task.trigger;
  if (--trigger.open == 0)
    OnDone(trigger);
}

void Engine::Fail(Task &task, std::string_view step, int attempts,
                  const Failure &failure) {
  if (task.fault != nullptr)
    return; // The first one counts.
  task.fault =
      NewFault(task.pipeline->id(), step, attempts, failure, *task.trigger);
}

std::unique_ptr<Fault> Engine::NewFault(std::string_view pipeline,
                                        std::string_view step, int attempts,
                                        Failure failure,
                                        const Trigger &trigger) const {
  std::unique_ptr<Fault> fault =
      MakeFault({.subscription = options_.subscription,
                 .processor = options_.source,
                 .pipeline = pipeline,
                 .step = step,
                 .attempts = attempts},
                std::move(failure), trigger, clock_.Now());
  Redact(options_.hooks.redact, *fault);
  return fault;
}

void Engine::Bind(Task &a, Task &b) {
  internal::Bind(a, b);
  Trigger &first = *a.trigger;
  Trigger &second = *b.trigger;
  internal::Bind(first, second);
  if (first.lane == 0 || first.lane != second.lane)
    return;
  // What has its place between them is settled with them.
  lanes_.ForEachBetween(
      first, second, [&](Trigger &between) { internal::Bind(first, between); });
}

void Engine::OnDone(Trigger &trigger) {
  if (trigger.lane == 0) {
    Release(trigger);
  } else {
    lanes_.Done(trigger, [this](Trigger &next) { Release(next); });
  }
}

void Engine::Release(Trigger &trigger) {
  trigger.released = true;
  Bundle bundle;
  Trigger *at = &trigger;
  do {
    if (!at->released)
      return;
    bundle.triggers.push_back(at);
    at = at->next_bound;
  } while (at != &trigger);
  std::sort(
      bundle.triggers.begin(), bundle.triggers.end(),
      [](const Trigger *a, const Trigger *b) { return a->number < b->number; });
  Resolve(std::move(bundle));
}

void Engine::Resolve(Bundle bundle) {
  const bool lost =
      std::any_of(bundle.triggers.begin(), bundle.triggers.end(),
                  [this](const Trigger *trigger) { return IsLost(*trigger); });
  if (lost) {
    OnLost(bundle);
    return;
  }
  SpreadFaults(bundle);
  bool emits = false;
  ForEachEmitter(bundle, [&](Task &) { emits = true; });
  if (!emits) {
    OnCommitted(bundle, /*acked=*/false);
    return;
  }
  bundle.piecewise = NeedsPieces(bundle);
  Measure(bundle);
  commits_.Add(std::move(bundle));
}

// A dead letter cannot be made in a transaction, so that something may happen
// between the commit and the dead letter. The event is delivered again then,
// and must find committed what was.
bool Engine::NeedsPieces(const Bundle &bundle) {
  if (bundle.triggers.size() > 1)
    return false;
  const Trigger &trigger = *bundle.triggers[0];
  if (HasFault(trigger))
    return true;
  const bool had_fault =
      trigger.wanted > 1 && trigger.arrival.redelivered; // Perhaps.
  return had_fault && !trigger.arrival.replayed && !trigger.may_be_grouped;
}

void Engine::SpreadFaults(const Bundle &bundle) {
  if (bundle.triggers.size() == 1)
    return;
  for (Trigger *const trigger : bundle.triggers) {
    for (Task &task : trigger->tasks) {
      if (task.fault == nullptr)
        continue;
      for (Task *other = task.next_bound; other != &task;
           other = other->next_bound) {
        if (other->fault != nullptr)
          break; // It was here.
        other->fault = NewFault(
            task.pipeline->id(), task.fault->step,
            static_cast<int>(task.fault->attempts),
            {task.fault->type, task.fault->message, task.fault->causes},
            *other->trigger);
      }
    }
  }
  for (Trigger *const trigger : bundle.triggers) {
    for (Task &task : trigger->tasks) {
      if (task.fault != nullptr)
        NameGroup(task);
    }
  }
}

void Engine::Measure(Bundle &bundle) const {
  bundle.events = bundle.triggers.size();
  ForEachEmitter(bundle, [&](Task &task) {
    bundle.events += task.emissions.size();
    for (const Emission &emission : task.emissions)
      bundle.bytes += emission.encoded.size();
  });
}

void Engine::OnCommitted(Bundle &bundle, bool acked) {
  for (Trigger *const trigger : bundle.triggers) {
    std::vector<std::string> reasons;
    std::vector<client::FaultDetail> details;
    const auto add = [&](const Fault &fault) {
      reasons.push_back(ReasonOf(fault));
      details.push_back(DetailOf(fault));
      // What is read back became a dead letter when it was delivered.
      if (!trigger->arrival.restored)
        TellFault(fault);
    };
    for (const std::string &pipeline : trigger->unknown) {
      add(*NewFault(
          pipeline, "", 1,
          FailureOf(absl::NotFoundError("the processor has no such pipeline")),
          *trigger));
    }
    for (Task &task : trigger->tasks) {
      if (task.pipeline == nullptr)
        continue;
      if (task.fault == nullptr) {
        task.pipeline->counters().emitted.Add(
            static_cast<int64_t>(task.emissions.size()));
        continue;
      }
      task.pipeline->counters().faults.Add(1);
      add(*task.fault);
    }
    if (!reasons.empty()) {
      Settle(*trigger,
             Outcome::Park(absl::StrJoin(reasons, "; "), std::move(details)));
    } else {
      Settle(*trigger, acked ? Outcome::Settled() : Outcome::Ack());
    }
  }
}

void Engine::OnLost(Bundle &bundle) {
  for (Trigger *const trigger : bundle.triggers) {
    for (const Task &task : trigger->tasks) {
      if (task.pipeline != nullptr)
        task.pipeline->counters().lost.Add(1);
    }
    Settle(*trigger, Outcome::Retry("its lease ended before it was committed"));
  }
}

void Engine::OnRefused(Bundle &bundle, Task *task, const absl::Status &error) {
  size_t emitters = 0;
  ForEachEmitter(bundle, [&](Task &) { ++emitters; });
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
  std::vector<Task *> blamed;
  ForEachEmitter(bundle, [&](Task &emitter) { blamed.push_back(&emitter); });
  for (Task *const emitter : blamed)
    Fail(*emitter, "commit", 1, failure);
  Resolve(std::move(bundle));
}

void Engine::OnState(const Bundle &bundle, Kind kind, const std::string &what,
                     const std::string &because) {
  for (const Trigger *const trigger : bundle.triggers) {
    for (size_t i = 0; i < trigger->tasks.size(); ++i) {
      if (trigger->tasks[i].pipeline != nullptr)
        board_.Set(i, kind, what, because);
    }
  }
}

void Engine::Settle(Trigger &trigger, Outcome outcome) {
  const bool lost = outcome.kind == Outcome::Kind::kRetry;
  for (Task &task : trigger.tasks) {
    if (task.pipeline == nullptr)
      continue;
    if (TaskWatcher *const watcher = std::exchange(task.watcher, nullptr)) {
      watcher->OnSettled(!lost && task.fault == nullptr);
    }
    Line &line = *lines_[static_cast<size_t>(&task - trigger.tasks.data())];
    line.runtime.counters().in_flight.Add(-1);
    line.progressed = true;
    if (line.idle_checks >= 2)
      board_.Set(line.index, Kind::kRunning, kSettlement);
    line.idle_checks = 0;
    task.pipeline = nullptr;
    task.fault.reset();
    task.emissions.clear();
    task.next_bound = &task;
  }
  host_.Settle(trigger, std::move(outcome));
  Arrival arrival;
  if (keeper_.active())
    arrival = trigger.arrival;
  (trigger.previous != nullptr ? trigger.previous->next : oldest_) =
      trigger.next;
  (trigger.next != nullptr ? trigger.next->previous : newest_) =
      trigger.previous;
  trigger.previous = nullptr;
  trigger.next = nullptr;
  trigger.next_bound = &trigger;
  trigger.released = false;
  trigger.unknown.clear();
  trigger.lane = 0;
  std::unique_ptr<InFlight> owned(static_cast<InFlight *>(&trigger));
  if (owned->bytes <= kMaxReusedBytes)
    free_.push_back(std::move(owned));
  if (!keeper_.active())
    return;
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

void Engine::OnAssigned(const client::AssignedPartition &next) {
  if (keeper_.active() && !closing_)
    keeper_.OnAssigned(next);
}

void Engine::OnRevoked(uint32_t partition) { keeper_.OnRevoked(partition); }

int64_t Engine::LowestInFlight(uint32_t partition, int64_t otherwise) const {
  int64_t lowest = otherwise;
  for (const Trigger *trigger = oldest_; trigger != nullptr;
       trigger = trigger->next) {
    const Arrival &arrival = trigger->arrival;
    if (arrival.partition == partition && !arrival.replayed) {
      lowest = std::min(lowest, arrival.offset);
    }
  }
  return lowest;
}

void Engine::Block(absl::AnyInvocable<void() &&> work,
                   absl::AnyInvocable<void() &&> done) {
  CountReplies(1);
  host_.Block(std::move(work), [this, done = std::move(done)]() mutable {
    Post([this, done = std::move(done)]() mutable {
      CountReplies(-1);
      if (!closing_)
        std::move(done)();
    });
  });
}

void Engine::ReadState(const std::string &topic, const std::string &key,
                       TakeStoredState done) {
  CountReplies(1);
  host_.ReadState(topic, key,
                  [this, done = std::move(done)](
                      absl::StatusOr<StoredState> stored) mutable {
                    Post([this, done = std::move(done),
                          stored = std::move(stored)]() mutable {
                      CountReplies(-1);
                      if (!closing_)
                        std::move(done)(std::move(stored));
                    });
                  });
}

void Engine::ReadBack(uint32_t partition, int64_t from, int64_t to,
                      absl::AnyInvocable<void(absl::Status) &&> done) {
  host_.ReadBack(partition, from, to, std::move(done));
}

void Engine::SetViewState(Kind kind, const std::string &what,
                          const std::string &because) {
  for (const std::unique_ptr<Line> &line : lines_) {
    if (!line->views.empty())
      board_.Set(line->index, kind, what, because);
  }
}

void Engine::Commit(client::Transaction transaction) {
  // The answer may come when the engine is gone; what is posted to a stopped
  // strand never runs.
  host_.Commit(
      std::move(transaction),
      [this, strand = std::weak_ptr<Strand>(strand_)](absl::Status status) {
        const std::shared_ptr<Strand> alive = strand.lock();
        if (alive == nullptr)
          return;
        alive->Post([this, status = std::move(status)] {
          if (!closing_)
            commits_.OnAnswer(status);
        });
      });
}

void Engine::Drain() {
  draining_ = true;
  commits_.Drain();
  for (const std::unique_ptr<Line> &line : lines_)
    line->instance->Drain();
}

void Engine::SetState(Kind kind, const std::string &what,
                      const std::string &because) {
  board_.SetAll(kind, what, because);
}

void Engine::SetWaiting(const Runtime &pipeline, const std::string &step,
                        const std::string &because) {
  for (const std::unique_ptr<Line> &line : lines_) {
    if (&line->runtime != &pipeline)
      continue;
    board_.Set(line->index, because.empty() ? Kind::kRunning : Kind::kWaiting,
               absl::StrCat("step ", step), because);
  }
}

void Engine::TellFault(const Fault &fault) {
  if (!options_.hooks.on_fault)
    return;
  try {
    options_.hooks.on_fault(fault);
  } catch (
      ...) { // NOLINT(bugprone-empty-catch): hooks may not break the processor.
  }
}

void Engine::WatchProgress() {
  if (watching_ || oldest_ == nullptr ||
      options_.stall_after == absl::InfiniteDuration())
    return;
  watching_ = true;
  strand_->At(clock_.Monotonic() + options_.stall_after / 2, [this] {
    watching_ = false;
    for (const std::unique_ptr<Line> &line : lines_)
      CheckProgress(*line);
    WatchProgress();
  });
}

void Engine::CheckProgress(Line &line) {
  const uint64_t in_flight = line.runtime.counters().in_flight.count();
  if (std::exchange(line.progressed, false) || in_flight == 0) {
    line.idle_checks = 0;
    return;
  }
  if (++line.idle_checks < 2)
    return;
  const Trigger *oldest = oldest_;
  while (oldest != nullptr && oldest->tasks[line.index].pipeline == nullptr)
    oldest = oldest->next;
  board_.Set(line.index, Kind::kBroken, kSettlement,
             absl::StrCat("no event was settled for ",
                          absl::FormatDuration(options_.stall_after), " while ",
                          in_flight, " are in flight, the oldest with the id ",
                          oldest == nullptr ? "" : oldest->event.id()));
}

void Engine::Post(Strand::Work work) { strand_->Post(std::move(work)); }

void Engine::CountReplies(int change) {
  replies_out_ += static_cast<size_t>(change);
  MayBeClosed();
}

void Engine::MayBeClosed() {
  if (!closing_ || replies_out_ > 0)
    return;
  MutexLock lock(closed_mutex_);
  closed_ = true;
  closed_change_.NotifyAll();
}

void Engine::Close() {
  strand_->Post([this] { CloseNow(); });
  MutexLock lock(closed_mutex_);
  while (!closed_)
    closed_change_.Wait(closed_mutex_);
}

size_t Engine::CloseNow() {
  closing_ = true;
  MayBeClosed();
  return replies_out_;
}

std::vector<PipelineCounters> Engine::counters() const {
  std::vector<PipelineCounters> counters;
  for (const std::unique_ptr<Line> &line : lines_) {
    counters.push_back(line->runtime.counters().Read());
  }
  return counters;
}

} // namespace eventhub::processor::internal
