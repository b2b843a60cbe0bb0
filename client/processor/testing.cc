#include "eventhub/processor/testing.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "client/processor/engine.h"
#include "client/src/base/proto_time.h"
#include "eventhub/v1/hub.pb.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"

namespace eventhub::processor {
namespace {

using client::Outcome;
using internal::Engine;

// The delay after which an unsettled event is delivered again.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(100);

}  // namespace

// The simulated subscription and hub of a TestProcessor.
class TestProcessor::Hub final : private internal::Host {
 public:
  Hub(ProcessorOptions options, uint64_t seed) : seed_(seed) {
    TakeOptions(std::move(options));
    StartEngine();
  }
  ~Hub() override { EndEngine(); }

  int64_t Deliver(const v1::Event& event, uint32_t partition) {
    const int64_t offset = AppendAndDeliver(event, partition);
    DeliverDue();
    return offset;
  }

  void Redrive(uint32_t partition, int64_t offset, std::vector<std::string> pipelines) {
    Stored& event = At(partition, offset);
    event.deliveries = 0;
    event.settled = false;
    event.redriven = true;
    event.pipelines = std::move(pipelines);
    Deliver(partition, offset);
    DeliverDue();
  }

  void Advance(absl::Duration by) {
    const absl::Duration end = clock_.Monotonic() + by;
    Run();
    while (NextDue() <= end) {
      clock_.Set(std::max(clock_.Monotonic(), NextDue()));
      Run();
    }
    clock_.Set(end);
    Run();
  }
  void Run() {
    engine_->strand().RunDue();
    DeliverDue();
  }
  void Drain() {
    engine_->strand().Run([this] { engine_->Drain(); });
  }

  void OnCommit(std::function<absl::Status(const client::Transaction&)> decide) {
    decide_ = std::move(decide);
  }
  void HoldCommits(bool hold) {
    hold_ = hold;
    if (hold) return;
    for (auto& done : std::exchange(held_, {})) std::move(done)(absl::OkStatus());
    Run();
  }

  void HoldViews(bool hold) {
    hold_views_ = hold;
    if (hold) return;
    for (HeldWork& held : std::exchange(held_works_, {})) {
      std::move(held.work)();
      std::move(held.done)();
    }
    Run();
  }

  void OnReadState(std::function<absl::Status(const std::string& topic)> decide) {
    decide_read_ = std::move(decide);
  }

  void Assign(uint32_t partition) {
    engine_->strand().Run([&] {
      int64_t next = 0;
      const std::vector<Stored>& events = partitions_[partition];
      while (next < static_cast<int64_t>(events.size()) &&
             events[static_cast<size_t>(next)].settled)
        ++next;
      client::AssignedPartition assigned;
      assigned.partition = partition;
      assigned.offset = next;
      assigned.first_new_offset = FirstNewOf(partition);
      engine_->OnAssigned(assigned);
    });
    DeliverDue();
  }

  void Seek(uint32_t partition, int64_t offset) {
    NewLeases();
    first_new_[partition] = offset;
    engine_->strand().Run([this] { engine_->SetSession(0); });
    std::vector<Stored>& events = partitions_[partition];
    for (size_t i = 0; i < events.size(); ++i) {
      if (static_cast<int64_t>(i) >= offset) events[i] = {events[i].bytes, events[i].append_time};
    }
    DeliverAgain();
  }
  void Replay(uint32_t partition, int64_t offset) {
    engine_->strand().Run([&] { TakeReplayed(partition, offset); });
    DeliverDue();
  }

  void Reconnect() {
    NewLeases();
    engine_->strand().Run([this] { engine_->SetSession(0); });
    DeliverAgain();
  }
  void Crash() {
    End();
    StartEngine();
    DeliverAgain();
  }
  void CrashInto(absl::FunctionRef<ProcessorOptions()> make) {
    End();
    options_ = {};
    TakeOptions(make());
    StartEngine();
    DeliverAgain();
  }

  size_t unsettled() const {
    size_t count = 0;
    for (const auto& [partition, events] : partitions_) {
      count += static_cast<size_t>(std::count_if(
          events.begin(), events.end(), [](const Stored& event) { return !event.settled; }));
    }
    return count;
  }

  const std::vector<EmittedEvent>& emitted() const { return emitted_; }
  const std::vector<SettledEvent>& settled() const { return settled_; }
  const std::vector<Fault>& faults() const { return faults_; }
  size_t commits() const { return ids_.size(); }
  const Clock& clock() const { return clock_; }
  const Engine& engine() const { return *engine_; }

 private:
  class ManualClock final : public Clock {
   public:
    absl::Time Now() const override { return absl::FromUnixSeconds(1'700'000'000) + elapsed_; }
    absl::Duration Monotonic() const override { return elapsed_; }
    void Set(absl::Duration elapsed) { elapsed_ = elapsed; }

   private:
    absl::Duration elapsed_;
  };
  struct Stored {
    std::string bytes;
    absl::Time append_time;
    uint32_t deliveries = 0;
    bool settled = false;
    uint32_t replays = 0;  // In flight.
    bool redriven = false;
    std::vector<std::string> pipelines{};  // Those to which it was redriven.
  };

  // An event of the subscription's topic that was not delivered yet.
  struct Due {
    uint32_t partition;
    v1::Event event;
  };

  struct HeldWork {
    absl::AnyInvocable<void() &&> work;
    absl::AnyInvocable<void() &&> done;
  };

  void TakeOptions(ProcessorOptions options) {
    options_ = std::move(options);
    if (options_.subscription.empty()) options_.subscription = "test";
    options_.hooks.on_fault = [this, hook = options_.hooks.on_fault](const Fault& fault) {
      faults_.push_back(fault);
      if (hook) hook(fault);
    };
  }
  void StartEngine() {
    auto engine = Engine::Create(options_, *this, clock_, seed_++);
    if (!engine.ok()) {
      std::fprintf(stderr, "TestProcessor: %s\n", engine.status().ToString().c_str());
      std::abort();
    }
    engine_ = *std::move(engine);
  }
  void End() {
    held_.clear();
    NewLeases();
    engine_->CloseNow();
    for (HeldWork& held : std::exchange(held_works_, {})) std::move(held.done)();
    Run();
    EndEngine();
  }
  void EndEngine() {
    if (engine_->CloseNow() == 0) {
      engine_.reset();
      return;
    }
    // Outstanding replies refer to it; their answers are ignored.
    static auto* const ended = new std::vector<std::unique_ptr<Engine>>();
    ended->push_back(std::move(engine_));
  }

  void NewLeases() {
    ++session_;
    ++lease_epoch_;
    for (const auto& [partition, events] : partitions_) {
      first_new_[partition] = static_cast<int64_t>(events.size());
    }
  }
  int64_t FirstNewOf(uint32_t partition) const {
    const auto it = first_new_.find(partition);
    return it == first_new_.end() ? 0 : it->second;
  }

  // On the strand.
  void Take(uint32_t partition, int64_t offset) {
    Stored& event = partitions_[partition][static_cast<size_t>(offset)];
    ++event.deliveries;
    internal::Delivered delivered{.bytes = event.bytes,
                                  .arrival = {.partition = partition,
                                              .offset = offset,
                                              .append_time = event.append_time,
                                              .delivery_attempt = event.deliveries,
                                              .redelivered = event.deliveries > 1,
                                              .replayed = event.redriven},
                                  .lease_epoch = lease_epoch_,
                                  .session = session_,
                                  .first_new_offset = FirstNewOf(partition),
                                  .pipelines = event.pipelines};
    engine_->Take(std::move(delivered));
  }
  void TakeReplayed(uint32_t partition, int64_t offset) {
    Stored& event = At(partition, offset);
    ++event.replays;
    engine_->Take({.bytes = event.bytes,
                   .arrival = {.partition = partition,
                               .offset = offset,
                               .append_time = event.append_time,
                               .replayed = true},
                   .lease_epoch = lease_epoch_,
                   .session = session_});
  }
  absl::Duration NextDue() const {
    const absl::Duration next = engine_->strand().next_due();
    return due_.empty() ? next : std::min(next, due_.begin()->first);
  }
  void DeliverDue() {
    while (!due_.empty() && due_.begin()->first <= clock_.Monotonic()) {
      const Due next = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      AppendAndDeliver(next.event, next.partition);
    }
  }
  int64_t AppendAndDeliver(const v1::Event& event, uint32_t partition) {
    std::vector<Stored>& events = partitions_[partition];
    const auto offset = static_cast<int64_t>(events.size());
    events.push_back({.bytes = event.SerializeAsString(), .append_time = clock_.Now()});
    Deliver(partition, offset);
    return offset;
  }
  void Deliver(uint32_t partition, int64_t offset) {
    engine_->strand().Run([&] { Take(partition, offset); });
  }
  void DeliverAgain() {
    for (auto& [partition, events] : partitions_) {
      for (size_t i = 0; i < events.size(); ++i) {
        events[i].replays = 0;
        if (!events[i].settled) Deliver(partition, static_cast<int64_t>(i));
      }
    }
    DeliverDue();
  }

  Stored& At(uint32_t partition, int64_t offset) {
    return partitions_.at(partition).at(static_cast<size_t>(offset));
  }

  // Host.
  void Settle(internal::Trigger& trigger, Outcome outcome) override {
    if (trigger.arrival.restored) return;
    if (trigger.session != session_) return;  // Its lease has ended.
    Stored& event = At(trigger.arrival.partition, trigger.arrival.offset);
    if (trigger.arrival.replayed && !event.redriven) {
      if (event.replays > 0) --event.replays;  // None: it was redriven, and acked by a transaction.
      return;
    }
    if (outcome.kind == Outcome::Kind::kRetry) {
      engine_->strand().At(clock_.Monotonic() + kRetryDelay,
                           [this, at = trigger.arrival, session = session_] {
                             if (session == session_) Take(at.partition, at.offset);
                           });
    } else if (outcome.kind != Outcome::Kind::kSettled) {
      MarkSettled(event, std::move(outcome));
    }
  }
  void MarkSettled(Stored& stored, Outcome outcome) {
    stored.settled = true;
    stored.redriven = false;
    v1::Event event;
    event.ParseFromString(stored.bytes);
    settled_.push_back({std::move(event), std::move(outcome)});
  }
  void Commit(client::Transaction transaction,
              absl::AnyInvocable<void(absl::Status) &&> done) override {
    absl::Status status = Apply(transaction);
    if (hold_ && status.ok()) {
      held_.push_back(std::move(done));
    } else {
      std::move(done)(std::move(status));
    }
  }
  void Block(absl::AnyInvocable<void() &&> work, absl::AnyInvocable<void() &&> done) override {
    if (hold_views_) {
      held_works_.push_back({std::move(work), std::move(done)});
      return;
    }
    std::move(work)();
    std::move(done)();
  }
  void ReadBack(uint32_t partition, int64_t from, int64_t to,
                absl::AnyInvocable<void(absl::Status) &&> done) override {
    engine_->Post([this, partition, from, to, done = std::move(done)]() mutable {
      for (int64_t offset = from; offset < to; ++offset) {
        const Stored& event = At(partition, offset);
        engine_->TakeRestored({.bytes = event.bytes,
                               .arrival = {.partition = partition,
                                           .offset = offset,
                                           .append_time = event.append_time,
                                           .restored = true}});
      }
      std::move(done)(absl::OkStatus());
    });
  }
  void ReadState(const std::string& topic, const std::string& key,
                 internal::TakeStoredState done) override {
    auto read = [this, topic, key, done = std::move(done)]() mutable {
      const absl::Status status = decide_read_ ? decide_read_(topic) : absl::OkStatus();
      if (!status.ok()) {
        std::move(done)(status);
        return;
      }
      internal::StoredState stored{.subscription_topic = kTopic};
      const auto latest = latest_.find({topic, key});
      if (latest != latest_.end() && !latest->second.data().empty()) stored.event = latest->second;
      std::move(done)(std::move(stored));
    };
    if (hold_views_) {
      held_works_.push_back({[] {}, std::move(read)});
    } else {
      std::move(read)();
    }
  }
  // Applies an event of a transaction, as the hub does.
  void Append(const client::TransactionAppend& append, v1::Event event) {
    absl::Duration delay = client::FromProto(event.deliver_after());
    if (event.has_deliver_at()) delay = client::FromProto(event.deliver_at()) - clock_.Now();
    emitted_.push_back({append.topic, event});
    event.clear_deliver_at();
    event.clear_deliver_after();
    if (append.topic == kTopic) {
      due_.emplace(clock_.Monotonic() + std::max(delay, absl::ZeroDuration()),
                   Due{append.partition.value_or(0), event});
    }
    if (!event.partition_key().empty()) {
      latest_[{append.topic, event.partition_key()}] = std::move(event);
    }
  }
  static void Decode(client::TransactionAppend& append) {
    v1::TransactAppend decoded;
    EVENTHUB_CHECK(decoded.ParseFromString(append.encoded_events), "the processor encoded it");
    for (v1::Event& event : *decoded.mutable_events()) append.events.push_back(std::move(event));
    append.encoded_events.clear();
  }
  absl::Status Apply(client::Transaction& transaction) {
    for (client::TransactionAppend& append : transaction.appends) Decode(append);
    if (decide_) {
      if (absl::Status status = decide_(transaction); !status.ok()) return status;
    }
    if (ids_.contains(transaction.id)) return absl::OkStatus();
    for (const client::TransactionAck& ack : transaction.acks) {
      for (const client::OffsetRange& range : ack.ranges) {
        for (int64_t offset = range.start; offset < range.end; ++offset) {
          const Stored& event = At(ack.partition, offset);
          if (transaction.session != session_ || (event.settled && event.replays == 0)) {
            return absl::AbortedError("an event to ack is not leased");
          }
        }
      }
    }
    for (const client::TransactionAck& ack : transaction.acks) {
      for (const client::OffsetRange& range : ack.ranges) {
        for (int64_t offset = range.start; offset < range.end; ++offset) {
          Stored& event = At(ack.partition, offset);
          if (!event.settled) MarkSettled(event, Outcome::Ack());
        }
      }
    }
    for (client::TransactionAppend& append : transaction.appends) {
      for (v1::Event& event : append.events) {
        Append(append, std::move(event));
      }
    }
    ids_.insert(transaction.id);
    return absl::OkStatus();
  }

  ProcessorOptions options_;
  uint64_t seed_;
  ManualClock clock_;
  uint64_t session_ = 1;
  uint64_t lease_epoch_ = 1;
  std::map<uint32_t, std::vector<Stored>> partitions_;
  std::map<uint32_t, int64_t> first_new_;  // By partition: see client::EventBatch.
  std::function<absl::Status(const client::Transaction&)> decide_;
  bool hold_ = false;
  std::vector<absl::AnyInvocable<void(absl::Status) &&>> held_;
  std::function<absl::Status(const std::string&)> decide_read_;
  std::map<std::pair<std::string, std::string>, v1::Event> latest_;  // By topic and key.
  std::multimap<absl::Duration, Due> due_;                           // Survives a crash.
  bool hold_views_ = false;
  std::vector<HeldWork> held_works_;
  std::set<std::string> ids_;
  std::vector<EmittedEvent> emitted_;
  std::vector<SettledEvent> settled_;
  std::vector<Fault> faults_;
  std::unique_ptr<Engine> engine_;
};

TestProcessor::TestProcessor(ProcessorOptions options, uint64_t seed)
    : hub_(std::make_unique<Hub>(std::move(options), seed)) {}

TestProcessor::~TestProcessor() = default;

int64_t TestProcessor::Deliver(const v1::Event& event, uint32_t partition) {
  return hub_->Deliver(event, partition);
}

void TestProcessor::Redrive(int64_t offset, std::vector<std::string> pipelines,
                            uint32_t partition) {
  hub_->Redrive(partition, offset, std::move(pipelines));
}

void TestProcessor::Advance(absl::Duration by) { hub_->Advance(by); }

void TestProcessor::Run() { hub_->Run(); }

void TestProcessor::Drain() { hub_->Drain(); }

void TestProcessor::OnCommit(std::function<absl::Status(const client::Transaction&)> decide) {
  hub_->OnCommit(std::move(decide));
}

void TestProcessor::HoldCommits(bool hold) { hub_->HoldCommits(hold); }

void TestProcessor::HoldViews(bool hold) { hub_->HoldViews(hold); }

void TestProcessor::OnReadState(std::function<absl::Status(const std::string& topic)> decide) {
  hub_->OnReadState(std::move(decide));
}

void TestProcessor::Assign(uint32_t partition) { hub_->Assign(partition); }

void TestProcessor::Seek(int64_t offset, uint32_t partition) { hub_->Seek(partition, offset); }

void TestProcessor::Replay(int64_t offset, uint32_t partition) { hub_->Replay(partition, offset); }

void TestProcessor::Reconnect() { hub_->Reconnect(); }

void TestProcessor::Crash() { hub_->Crash(); }

void TestProcessor::CrashInto(absl::FunctionRef<ProcessorOptions()> make) { hub_->CrashInto(make); }

const std::vector<EmittedEvent>& TestProcessor::emitted() const { return hub_->emitted(); }

const std::vector<SettledEvent>& TestProcessor::settled() const { return hub_->settled(); }

const std::vector<Fault>& TestProcessor::faults() const { return hub_->faults(); }

size_t TestProcessor::unsettled() const { return hub_->unsettled(); }

size_t TestProcessor::commits() const { return hub_->commits(); }

absl::Duration TestProcessor::now() const { return hub_->clock().Monotonic(); }

PipelineCounters TestProcessor::counters(size_t pipeline) const {
  return hub_->engine().counters().at(pipeline);
}

PipelineState TestProcessor::state(size_t pipeline) const {
  return hub_->engine().states().at(pipeline);
}

}  // namespace eventhub::processor
