#include "eventhub/processor/internal/state_gate.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "absl/random/distributions.h"
#include "absl/strings/str_cat.h"
#include "eventhub/partition.h"
#include "eventhub/processor/correlate.h"
#include "eventhub/processor/internal/runtime.h"

namespace eventhub::processor::internal {
namespace {

constexpr absl::Duration kFirstReadDelay = absl::Milliseconds(50);
constexpr absl::Duration kLongestReadDelay = absl::Seconds(5);

// The approximate memory of an entry in maps and lists.
constexpr size_t kEntryOverhead = 256;

const Trigger& TriggerOf(const StateItem& item) { return *item.unit().task().trigger; }

// Equal each time, and not longer for a timer that a timer causes.
std::string TimerIdFor(const v1::Event& cause, const std::string& subject) {
  const std::string text =
      absl::StrCat(subject, ":", cause.source().size(), ":", cause.source(), cause.id());
  return absl::StrCat("timer.", absl::Hex(client::KeyHash(text), absl::kZeroPad16),
                      absl::Hex(client::KeyHash(text + "2"), absl::kZeroPad16));
}

}  // namespace

struct StateGate::Entry final : TaskWatcher {
  Entry(StateGate& owner, std::string state_key, std::string event_key)
      : gate(owner), id(std::move(state_key)), key(std::move(event_key)) {}

  void OnSettled(bool committed) override { gate.OnSettled(*this, committed); }
  size_t bytes() const { return state.size() + id.size() + key.size() + kEntryOverhead; }
  bool idle() const { return waiting.empty() && !reading && !in_turn && !in_work && !settled; }

  StateGate& gate;
  const std::string id;   // The key in the state topic.
  const std::string key;  // The partition key of the events.
  std::deque<std::unique_ptr<StateItem>> waiting{};

  // The committed state, if known, and the lease under which it was read.
  bool known = false;
  std::string state{};
  uint64_t session = 0;
  uint64_t lease_epoch = 0;

  bool reading = false;  // A read is in progress, or about to begin.
  bool in_turn = false;  // An item waits to take its turn again.
  bool in_work = false;  // An event that changes the state is not settled yet.
  bool settled = false;  // In settled_.
  std::string next{};    // The state if that event is committed.
  int failures = 0;      // Of reads, in a row.
  bool cached = false;
  std::list<Entry*>::iterator place{};  // In cache_, if it is cached.
};

// An item that takes its turn again.
class StateGate::Turn final : public CallItem {
 public:
  Turn(StateGate& gate, Entry& entry, std::unique_ptr<StateItem> item)
      : gate_(gate), entry_(entry), item_(std::move(item)) {}

  bool DropLost() override {
    if (!gate_.runtime_.IsLost(item_->unit())) return false;
    gate_.runtime_.Finish(item_->unit());
    End();
    return true;
  }
  std::unique_ptr<Attempt> NewAttempt() override {
    return std::make_unique<TypedAttempt<absl::Status>>();
  }
  Ref<Counted> arguments() const override { return {}; }
  // It is its turn at once; the call is that which it makes.
  void Invoke(Attempt& attempt) override {
    static_cast<TypedAttempt<absl::Status>&>(attempt).Complete(absl::OkStatus());
  }
  Verdict Take(Attempt&, int) override {
    if (absl::Status error = gate_.TakeTurn(entry_, *item_); !error.ok()) {
      return {.retry = std::move(error), .answered = false};
    }
    End();
    return {};
  }
  void GiveUp(const absl::Status& error, int attempts) override {
    gate_.runtime_.Fail(item_->unit(), gate_.step_, error, attempts);
    End();
  }
  // Nothing throws.
  void GiveUpThrown(int attempts) override {
    gate_.runtime_.FailThrown(item_->unit(), gate_.step_, attempts);
    End();
  }

 private:
  void End() {
    item_.reset();
    entry_.in_turn = false;
    gate_.Work(entry_);  // It may be gone afterwards.
  }

  StateGate& gate_;
  Entry& entry_;
  std::unique_ptr<StateItem> item_;
};

StateGate::StateGate(Runtime& runtime, std::string step, std::string topic, size_t cache_bytes,
                     CallOptions turns)
    : runtime_(runtime),
      step_(std::move(step)),
      topic_(std::move(topic)),
      cache_bytes_(cache_bytes),
      turns_(runtime, step_, std::move(turns)) {}

StateGate::~StateGate() = default;

void StateGate::Add(std::unique_ptr<StateItem> item) {
  const Trigger& trigger = TriggerOf(*item);
  if (trigger.event.partition_key().empty()) {
    runtime_.Fail(item->unit(), step_,
                  absl::InvalidArgumentError("the event has no partition key"));
    return;
  }
  std::string id = absl::StrCat(runtime_.id(), "/", trigger.arrival.partition, "/",
                                trigger.event.partition_key());
  std::unique_ptr<Entry>& entry = entries_[id];
  if (entry == nullptr) {
    entry = std::make_unique<Entry>(*this, std::move(id), trigger.event.partition_key());
  }
  TakeFromCache(*entry);
  entry->waiting.push_back(std::move(item));
  runtime_.counters().waiting.Add(1);
  Work(*entry);
}

void StateGate::Work(Entry& entry) {
  while (!entry.reading && !entry.in_turn && !entry.in_work && !entry.waiting.empty()) {
    const Trigger& trigger = TriggerOf(*entry.waiting.front());
    const bool lost = runtime_.IsLost(entry.waiting.front()->unit());
    if (!lost && !IsCurrent(entry, trigger)) {
      Read(entry);
      return;
    }
    std::unique_ptr<StateItem> item = std::move(entry.waiting.front());
    entry.waiting.pop_front();
    runtime_.counters().waiting.Add(-1);
    if (lost) {
      runtime_.Finish(item->unit());
    } else if (const absl::Status error = TakeTurn(entry, *item); !error.ok()) {
      entry.in_turn = true;
      turns_.AddFailed(std::make_unique<Turn>(*this, entry, std::move(item)), /*lane=*/0, error);
      return;
    }
  }
  if (entry.idle()) Rest(entry);
}

absl::Status StateGate::TakeTurn(Entry& entry, StateItem& item) {
  working_ = &entry;
  item.Take(entry.state);
  working_ = nullptr;
  return std::exchange(again_, absl::OkStatus());
}

bool StateGate::IsCurrent(const Entry& entry, const Trigger& trigger) const {
  return entry.known && entry.session == trigger.session &&
         entry.lease_epoch == trigger.lease_epoch;
}

void StateGate::Read(Entry& entry) {
  const Trigger& trigger = TriggerOf(*entry.waiting.front());
  entry.reading = true;
  entry.known = false;
  entry.session = trigger.session;
  entry.lease_epoch = trigger.lease_epoch;
  runtime_.counters().calls.Add(1);
  runtime_.ReadState(topic_, entry.id, [this, &entry](absl::StatusOr<StoredState> stored) {
    OnRead(entry, std::move(stored));
  });
}

void StateGate::OnRead(Entry& entry, absl::StatusOr<StoredState> stored) {
  if (!stored.ok()) {
    RetryLater(entry, stored.status());
    return;
  }
  OnReadable(entry);
  // Set only once, because emissions refer to it. A subscription never changes its topic.
  if (subscription_topic_.empty()) subscription_topic_ = stored->subscription_topic;
  entry.reading = false;
  entry.known = true;
  entry.state = stored->event ? std::move(*stored->event->mutable_data()) : std::string();
  Work(entry);
}

void StateGate::RetryLater(Entry& entry, const absl::Status& error) {
  if (entry.failures++ == 0) ++unreadable_;
  runtime_.SetWaiting(step_, std::string(error.message()));
  const absl::Duration longest = std::min(
      kFirstReadDelay * std::pow(2.0, std::min(entry.failures - 1, 20)), kLongestReadDelay);
  runtime_.At(runtime_.Now() + longest * absl::Uniform(runtime_.random(), 0.5, 1.0),
              [this, &entry] {
                if (runtime_.closing()) return;
                runtime_.counters().retries.Add(1);
                entry.reading = false;
                Work(entry);
              });
}

void StateGate::OnReadable(Entry& entry) {
  if (std::exchange(entry.failures, 0) > 0 && --unreadable_ == 0) runtime_.SetWaiting(step_, "");
}

StateGate::Entry& StateGate::EntryOf(const AnyUnit& unit) const {
  TaskWatcher* const held = unit.task().watcher;
  return held == nullptr ? *working_ : static_cast<Entry&>(*held);
}

void StateGate::Hold(const AnyUnit& unit) {
  Entry& entry = *working_;
  entry.next = entry.state;
  entry.in_work = true;
  unit.task().watcher = &entry;
}

bool StateGate::Put(const AnyUnit& unit, v1::Event event, std::string state) {
  Entry& entry = EntryOf(unit);
  event.set_subject(entry.key);
  event.set_partition_key(entry.id);
  event.set_data(state);
  entry.next = std::move(state);
  entry.in_work = true;
  unit.task().watcher = &entry;
  return runtime_.Emit(unit, step_, topic_, "state", std::move(event));
}

bool StateGate::SetTimer(const AnyUnit& unit, v1::Event timer) {
  std::string subject = runtime_.TimerSubject();
  timer.set_id(TimerIdFor(unit.task().trigger->event, subject));
  timer.set_type(kTimerType);
  timer.set_subject(std::move(subject));
  return runtime_.Emit(unit, step_, subscription_topic_, "timer", std::move(timer),
                       unit.task().trigger->arrival.partition);
}

void StateGate::OnSettled(Entry& entry, bool committed) {
  entry.in_work = false;
  if (committed) {
    entry.state = std::move(entry.next);
  } else {
    entry.known = false;
  }
  entry.next.clear();
  entry.settled = true;
  settled_.push_back(&entry);
  // Posted, because many entries arrive at once, in the middle of the engine's work.
  if (settled_.size() > 1) return;
  runtime_.Post([this] {
    if (runtime_.closing()) return;
    for (Entry* const settled : std::exchange(settled_, {})) {
      settled->settled = false;
      Work(*settled);
    }
  });
}

void StateGate::Rest(Entry& entry) {
  OnReadable(entry);
  if (!entry.known || entry.state.empty()) {
    entries_.erase(entries_.find(entry.id));
    return;
  }
  entry.cached = true;
  entry.place = cache_.insert(cache_.end(), &entry);
  cached_bytes_ += entry.bytes();
  while (cached_bytes_ > cache_bytes_) {
    Entry& oldest = *cache_.front();
    TakeFromCache(oldest);
    entries_.erase(entries_.find(oldest.id));
  }
}

void StateGate::TakeFromCache(Entry& entry) {
  if (!std::exchange(entry.cached, false)) return;
  cache_.erase(entry.place);
  cached_bytes_ -= entry.bytes();
}

}  // namespace eventhub::processor::internal
