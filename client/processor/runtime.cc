#include "eventhub/processor/internal/runtime.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/processor/encode_emission.h"
#include "client/processor/engine.h"
#include "client/processor/make_fault.h"

namespace eventhub::processor::internal {

Runtime::Runtime(Engine& engine, std::string id, client::Order order)
    : engine_(engine), id_(std::move(id)), order_(order) {}

uint64_t Runtime::LaneFor(const AnyUnit& unit) const {
  return unit.lane != 0 ? unit.lane : Engine::LaneIn(order_, *unit.task().trigger);
}

void Runtime::BeginWait(const AnyUnit& unit) { engine_.BeginWait(*unit.task().trigger); }

void Runtime::Open(const AnyUnit& unit, size_t more) {
  counters_.units.Add(static_cast<int64_t>(more));
  unit.VisitTasks([more](Task& task) { task.open += static_cast<uint32_t>(more); });
}

bool Runtime::IsLost(const AnyUnit& unit) const { return engine_.IsLost(*unit.task().trigger); }

void Runtime::Finish(const AnyUnit& unit) {
  unit.VisitTasks([this](Task& task) { engine_.Finish(task); });
}

void Runtime::Fail(const AnyUnit& unit, std::string_view step, const absl::Status& error,
                   int attempts) {
  FailAs(unit, step, FailureOf(error), attempts);
}

void Runtime::FailThrown(const AnyUnit& unit, std::string_view step, int attempts) {
  FailAs(unit, step, FailureOfCurrentException(), attempts);
}

void Runtime::FailAs(const AnyUnit& unit, std::string_view step, const Failure& failure,
                     int attempts) {
  unit.VisitTasks([&](Task& task) { engine_.Fail(task, step, attempts, failure); });
  Finish(unit);
}

void Runtime::Bind(const AnyUnit& a, const AnyUnit& b) {
  Task& first = a.task();
  a.VisitTasks([&](Task& task) { engine_.Bind(first, task); });
  b.VisitTasks([&](Task& task) { engine_.Bind(first, task); });
}

bool Runtime::Emit(const AnyUnit& unit, std::string_view step, const std::string& topic,
                   std::string_view place, v1::Event event, std::optional<uint32_t> partition) {
  Task& task = unit.task();
  if (task.trigger->arrival.restored) return true;  // It was published before.
  absl::StatusOr<std::string> encoded =
      EncodeEmission(task.trigger->event, id_, absl::StrCat(unit.Path(), std::string(place)),
                     engine_.source(), std::move(event));
  if (!encoded.ok()) {
    Fail(unit, step, encoded.status());
    return false;
  }
  task.emissions.push_back({&topic, *std::move(encoded), partition});
  return true;
}

absl::Duration Runtime::Now() const { return engine_.clock().Monotonic(); }

void Runtime::At(absl::Duration when, absl::AnyInvocable<void() &&> work) {
  engine_.strand().At(when, std::move(work));
}

void Runtime::Post(absl::AnyInvocable<void() &&> work) { engine_.Post(std::move(work)); }

void Runtime::Block(absl::AnyInvocable<void() &&> work, absl::AnyInvocable<void() &&> done) {
  engine_.Block(std::move(work), std::move(done));
}

void Runtime::ReadState(const std::string& topic, const std::string& key, TakeStoredState done) {
  engine_.ReadState(topic, key, std::move(done));
}

std::string Runtime::TimerSubject() const { return engine_.TimerSubject(id_); }

PositionsInView Runtime::PositionsOf(const View& view,
                                     const std::vector<uint32_t>& partitions) const {
  return engine_.PositionsOf(view, partitions);
}

void Runtime::OnViewWritten(const View& view, uint64_t generation) {
  engine_.OnViewWritten(view, generation);
}

absl::BitGenRef Runtime::random() { return engine_.random(); }

bool Runtime::draining() const { return engine_.draining(); }

bool Runtime::closing() const { return engine_.closing(); }

void Runtime::CountAttempt(int change) { engine_.CountReplies(change); }

void Runtime::SetWaiting(const std::string& step, const std::string& because) {
  engine_.SetWaiting(*this, step, because);
}

}  // namespace eventhub::processor::internal
