#include "eventhub/processor/processor.h"

#include <random>
#include <utility>

#include "client/processor/back_reader.h"
#include "client/processor/engine.h"
#include "client/processor/state_reader.h"
#include "client/processor/worker.h"
#include "client/src/base/stop_signals.h"
#include "eventhub/committer.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor {
namespace {

using client::Committer;
using client::ReceivedEvent;
using client::Settler;
using client::Subscriber;
using client::SubscriberOptions;
using internal::BackReader;
using internal::Engine;
using internal::InFlight;
using internal::StateReader;
using Kind = PipelineState::Kind;

// How long to wait for the answer to a transaction before the pipelines are reported as waiting.
// The transaction is repeated under its id.
constexpr absl::Duration kCommitDeadline = absl::Seconds(5);

// The maximum number of events in flight that are read back for views.
constexpr size_t kMaxReadBack = 5000;

// An engine between a subscriber and a committer.
class HubProcessor final : public Processor, private internal::Host {
 public:
  HubProcessor() = default;
  ~HubProcessor() override {
    subscriber_.reset();  // No more events arrive, and settling has no effect.
    if (back_reader_ != nullptr) back_reader_->Stop();
    if (state_reader_ != nullptr) state_reader_->Stop();
    if (engine_ != nullptr) engine_->Close();
    committer_.reset();
  }

  absl::Status Start(const std::shared_ptr<client::Connection>& connection,
                     const ProcessorOptions& options) {
    ASSIGN_OR_RETURN(engine_,
                     Engine::Create(options, *this, Clock::System(), std::random_device()()));
    engine_->strand().Start();
    back_reader_ = std::make_unique<BackReader>(
        connection, options.subscription, kMaxReadBack,
        [this](const client::EventBatch& batch) { TakeRestored(batch); });
    state_reader_ = std::make_unique<StateReader>(connection, options.subscription, options.source);
    ASSIGN_OR_RETURN(committer_, Committer::Create(connection, {.deadline = kCommitDeadline,
                                                                .reply_timeout = kCommitDeadline}));
    ASSIGN_OR_RETURN(subscriber_, Subscriber::Start(connection, ForSubscriber(options)));
    return absl::OkStatus();
  }

  void RequestStop() override {
    Drain();
    subscriber_->RequestStop();
  }
  absl::Status Wait(absl::Duration timeout) override { return subscriber_->Wait(timeout); }
  absl::Status Stop(absl::Duration timeout) override {
    Drain();
    return subscriber_->Stop(timeout);
  }
  absl::Status WaitForSignal(absl::Duration stop_timeout) override {
    // A signal may come before the subscriber waits for signals itself.
    const client::StopSignals signals([this](int) { RequestStop(); });
    return subscriber_->WaitForSignal(stop_timeout);
  }

  const std::string& subscription() const override { return engine_->options().subscription; }
  std::vector<std::string> pipelines() const override {
    std::vector<std::string> ids;
    for (const AnyPipeline& pipeline : engine_->options().pipelines) ids.push_back(pipeline.id());
    return ids;
  }
  std::vector<PipelineCounters> counters() const override { return engine_->counters(); }
  std::vector<PipelineState> states() const override { return engine_->states(); }

 private:
  SubscriberOptions ForSubscriber(const ProcessorOptions& options) {
    SubscriberOptions to;
    to.subscription = options.subscription;
    to.consumer = options.consumer;
    to.on_event_async = [this](ReceivedEvent event, Settler settler) {
      Take(event, std::move(settler));
    };
    // Pipelines keep the order themselves, so that events need not wait for each other here.
    to.order = client::Order::kNone;
    to.threads = 1;
    to.credit = options.credit;
    to.max_lease_extension = options.max_lease_extension;
    to.retry = options.reconnect;
    to.reconnect_deadline = options.reconnect_deadline;
    to.hooks.on_connected = [this](const std::string&) {
      engine_->Post([this] { engine_->SetState(Kind::kRunning, "hub"); });
    };
    to.hooks.on_disconnected = [this](const absl::Status& status) {
      engine_->Post([this, why = std::string(status.message())] {
        engine_->SetSession(0);
        engine_->SetState(Kind::kWaiting, "hub", why);
      });
    };
    to.hooks.on_assigned = [this](const client::AssignedPartition& next) {
      state_reader_->OnAssigned(next.partition);
      engine_->Post([this, next] { engine_->OnAssigned(next); });
    };
    to.hooks.on_revoked = [this](uint32_t partition) {
      engine_->Post([this, partition] { engine_->OnRevoked(partition); });
    };
    to.hooks.on_ended = [this](const absl::Status& status) {
      if (status.ok()) return;
      engine_->Post([this, why = status.ToString()] {
        engine_->SetState(Kind::kBroken, "subscription", why);
      });
    };
    return to;
  }

  void Take(const ReceivedEvent& event, Settler settler) {
    engine_->strand().Run([this, event, settler = std::move(settler)]() mutable {
      engine_->Take({.bytes = event.bytes(),
                     .arrival = {.partition = event.partition(),
                                 .offset = event.offset(),
                                 .append_time = event.append_time(),
                                 .delivery_attempt = event.delivery_attempt(),
                                 .redelivered = event.redelivered(),
                                 .replayed = event.replayed()},
                     .lease_epoch = event.lease_epoch(),
                     .session = event.session(),
                     .first_new_offset = event.first_new_offset(),
                     .settler = std::move(settler),
                     .pipelines = event.pipelines()});
    });
  }

  void TakeRestored(const client::EventBatch& batch) {
    engine_->Post([this, batch] {
      for (const ReceivedEvent& event : batch) {
        engine_->TakeRestored({.bytes = event.bytes(),
                               .arrival = {.partition = event.partition(),
                                           .offset = event.offset(),
                                           .append_time = event.append_time(),
                                           .restored = true}});
      }
    });
  }

  void Drain() {
    engine_->Post([this] { engine_->Drain(); });
  }

  // Host.
  void Settle(internal::Trigger& trigger, client::Outcome outcome) override {
    if (trigger.arrival.restored) {
      back_reader_->OnSettled();
    } else {
      static_cast<InFlight&>(trigger).settler.Settle(std::move(outcome));
    }
  }
  void Commit(client::Transaction transaction,
              absl::AnyInvocable<void(absl::Status) &&> done) override {
    // Shared, because this function answers a transaction that is not taken.
    auto answer = std::make_shared<absl::AnyInvocable<void(absl::Status) &&>>(std::move(done));
    const absl::Status taken = committer_->Commit(
        std::move(transaction), [answer](absl::StatusOr<client::TransactionResult> result) {
          std::move (*answer)(result.status());
        });
    if (!taken.ok()) std::move (*answer)(taken);
  }

  void Block(absl::AnyInvocable<void() &&> work, absl::AnyInvocable<void() &&> done) override {
    worker_.Run([work = std::move(work), done = std::move(done)]() mutable {
      std::move(work)();
      std::move(done)();
    });
  }
  void ReadBack(uint32_t partition, int64_t from, int64_t to,
                absl::AnyInvocable<void(absl::Status) &&> done) override {
    back_reader_->Read(
        partition, from, to, [this, done = std::move(done)](absl::Status status) mutable {
          engine_->Post([done = std::move(done), status]() mutable { std::move(done)(status); });
        });
  }
  void ReadState(const std::string& topic, const std::string& key,
                 internal::TakeStoredState done) override {
    state_reader_->Read(topic, key, std::move(done));
  }

  std::unique_ptr<Engine> engine_;
  internal::Worker worker_;
  std::unique_ptr<BackReader> back_reader_;
  std::unique_ptr<StateReader> state_reader_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Subscriber> subscriber_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Processor>> Processor::Start(
    std::shared_ptr<client::Connection> connection, ProcessorOptions options) {
  auto processor = std::make_unique<HubProcessor>();
  RETURN_IF_ERROR(processor->Start(connection, options));
  return processor;
}

absl::Status Processor::RunUntilSignal(std::shared_ptr<client::Connection> connection,
                                       ProcessorOptions options, absl::Duration stop_timeout) {
  ASSIGN_OR_RETURN(const auto processor, Start(std::move(connection), std::move(options)));
  return processor->WaitForSignal(stop_timeout);
}

}  // namespace eventhub::processor
