#include "client/cli/run/consume_run.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command_outcome.h"
#include "client/cli/frame/command_runner.h"
#include "client/cli/input/units.h"
#include "client/cli/run/consume_tally.h"
#include "client/cli/run/event_environment.h"
#include "client/cli/run/hub_watch.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/output_watch.h"
#include "client/cli/run/progress.h"
#include "eventhub/subscriber.h"
#include "proto/json/event_json.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

using client::BatchOutcome;
using client::EventBatch;
using client::Outcome;
using client::ReceivedEvent;

json::Position PositionOf(const ReceivedEvent& event) {
  return {event.partition(),        event.offset(),      event.append_time(),
          event.delivery_attempt(), event.redelivered(), event.replayed()};
}

constexpr absl::Duration kLookEvery = absl::Seconds(1);
// How long to wait for the last acks after the last handler has ended.
constexpr absl::Duration kConfirmWithin = absl::Seconds(5);

// One run of the command. Handlers run on the subscriber's threads, which end before any other
// member is destroyed.
class ConsumeRun {
 public:
  ConsumeRun(const Context& context, const ConsumeOptions& options)
      : options_(options),
        timeout_(context.timeout),
        hub_(ConnectToHub(context)),
        base_environment_(BaseEnvironment(context.address, options.subscription)),
        tally_(options.limit),
        progress_(options.command.empty() && isatty(STDOUT_FILENO) == 0, [this] {
          return Flow{tally_.handled(), tally_.bytes()};
        }) {}

  absl::Status Run(const std::string& address) {
    interrupt_.OnRaise([hub = hub_] { hub->CancelCalls(); });
    const absl::Status found = LookAtSubscription(address);
    if (absl::IsCancelled(found) && interrupt_.raised()) return absl::OkStatus();
    RETURN_IF_ERROR(found);
    RETURN_IF_ERROR(Start());
    std::optional<HubWatch> watch(std::in_place, address, [this] { return ConnectionStatus(); });
    interrupt_.OnRaise([this] { OnInterrupt(); });
    std::optional<OutputWatch> output;
    if (options_.command.empty()) output.emplace([this] { Fail(OutputClosed()); });
    absl::Status status = WaitForEnd();
    output.reset();
    interrupt_.OnRaise(nullptr);
    watch.reset();
    Report();
    status.Update(failure());
    return status;
  }

 private:
  // Fails if the hub cannot be reached within the timeout. A running consumer, in contrast, waits
  // for its hub to return.
  absl::Status LookAtSubscription(const std::string& address) {
    const HubWatch watch(address, HealthProbe(hub_, [] { return uint64_t{0}; }));
    client::SubscriptionClient client(hub_, {.timeout = timeout_.value_or(absl::Seconds(10))});
    ASSIGN_OR_RETURN(const auto there, client.GetSubscription(options_.subscription, 1));
    constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
    if (options_.limit != kNoLimit) progress_.Expect(options_.limit);
    if (options_.limit == kNoLimit && options_.idle_exit.has_value()) {
      progress_.Expect(there.stats.lag_events);
    }
    return absl::OkStatus();
  }

  client::Credit InitialCredit() const {
    client::Credit credit;
    if (!options_.command.empty() && !options_.batches) credit.events = 2 * options_.concurrency;
    credit.events = options_.credit_events.value_or(credit.events);
    credit.bytes = options_.credit_bytes.value_or(credit.bytes);
    return credit;
  }

  // With a limit, the credit is at most the rest of it.
  client::Credit CreditFor(uint64_t left) const {
    client::Credit credit = InitialCredit();
    credit.events = static_cast<uint32_t>(std::min<uint64_t>(credit.events, left));
    return credit;
  }

  absl::Status Start() {
    client::SubscriberOptions subscriber;
    subscriber.subscription = options_.subscription;
    subscriber.consumer = options_.name;
    subscriber.threads = options_.concurrency;
    subscriber.credit = CreditFor(options_.limit);
    subscriber.max_batch_events = options_.batch_size;
    if (timeout_.has_value()) subscriber.reconnect_deadline = *timeout_;
    if (options_.command.empty() || options_.batches) {
      subscriber.on_batch = [this](const EventBatch& batch) { return OnBatch(batch); };
    } else {
      subscriber.on_event = [this](const ReceivedEvent& event) { return OnEvent(event); };
    }
    subscriber.hooks.on_connected = [this](const std::string& /*consumer*/) {
      SetConnection(absl::OkStatus());
    };
    subscriber.hooks.on_disconnected = [this](const absl::Status& status) {
      SetConnection(absl::UnavailableError(status.message()));
    };
    subscriber.hooks.on_trimmed = [](const client::PartitionRange& lost) {
      std::fprintf(stderr, "eventhub: lost to retention: offsets %lld to %lld of partition %u\n",
                   static_cast<long long>(lost.range.start),
                   static_cast<long long>(lost.range.end - 1), lost.partition);
    };
    // Handlers that already run wait for `subscriber_` in subscriber().
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(subscriber_, client::Subscriber::Start(hub_, std::move(subscriber)));
    return absl::OkStatus();
  }

  client::Subscriber& subscriber() {
    MutexLock lock(mutex_);
    return *subscriber_;
  }

  void SetConnection(const absl::Status& status) {
    MutexLock lock(mutex_);
    connection_ = status;
    tally_.Touch();
  }

  absl::Status ConnectionStatus() {
    MutexLock lock(mutex_);
    return connection_;
  }

  absl::Status failure() {
    MutexLock lock(mutex_);
    return failure_;
  }

  // Ends the run, because every other event would fail likewise.
  void Fail(const absl::Status& status) {
    {
      MutexLock lock(mutex_);
      failure_.Update(status);
    }
    RequestStop();
  }

  void OnInterrupt() {
    if (tally_.running() > 0 && !options_.command.empty()) {
      std::fputs("\neventhub: finishing the delivered events; interrupt again to give up\n",
                 stderr);
    }
    RequestStop();
  }

  // Ends the run after the delivered events are handled and settled.
  void RequestStop() {
    tally_.Touch();
    stopping_ = true;
    subscriber().RequestStop();
  }

  absl::Status WaitForEnd() {
    while (true) {
      const absl::Duration idle = ConnectionStatus().ok() ? tally_.IdleFor() : absl::ZeroDuration();
      const absl::Duration most =
          stopping_ ? kConfirmWithin : options_.idle_exit.value_or(absl::InfiniteDuration());
      if (idle >= most) {
        if (stopping_) return GiveUp();
        RequestStop();
        continue;
      }
      const absl::Status status = subscriber().Wait(std::min(most - idle, kLookEvery));
      if (!absl::IsDeadlineExceeded(status)) return status;
    }
  }

  // Gives up on a hub that is connected but does not respond.
  absl::Status GiveUp() {
    const bool settled = subscriber().counters().unsettled == 0;
    subscriber().Stop(absl::ZeroDuration()).IgnoreError();
    return settled ? absl::OkStatus() : absl::DeadlineExceededError("no response to the last acks");
  }

  // Called after `count` events were handled and before their outcomes are sent.
  void Done(uint64_t count) {
    const uint64_t left = tally_.End(count);
    if (options_.limit == std::numeric_limits<uint64_t>::max()) return;
    if (left == 0) {
      RequestStop();
    } else {
      subscriber().SetCredit(CreditFor(left));
    }
  }

  // The outcome of an event that is not handled: the limit was reached, or the run failed.
  static Outcome NotTaken() {
    return Outcome::Retry("the consumer stopped before it", absl::ZeroDuration());
  }

  Outcome OnEvent(const ReceivedEvent& received) {
    if (!failure().ok() || tally_.Begin(1) == 0) return NotTaken();
    Outcome outcome = RunForEvent(received);
    tally_.Count(outcome, 1, received.bytes().size());
    Done(1);
    return outcome;
  }

  Outcome RunForEvent(const ReceivedEvent& received) {
    v1::Event event;
    if (const absl::Status parsed = received.ParseTo(event); !parsed.ok()) {
      return Outcome::Park(std::string(parsed.message()));
    }
    CommandSpec spec{.words = options_.command, .environment = base_environment_};
    for (std::string& word : spec.words) {
      if (word != "{}") continue;
      if (event.data().find('\0') != std::string::npos) {
        return Outcome::Park("data with a NUL byte cannot be an argument of a command");
      }
      word = event.data();
    }
    AppendEventEnvironment(event, PositionOf(received), &spec.environment);
    spec.input = event.data();
    return RunToOutcome(spec);
  }

  Outcome RunToOutcome(const CommandSpec& spec) {
    const absl::StatusOr<CommandResult> result = RunCommand(spec);
    if (absl::IsFailedPrecondition(result.status())) {
      Fail(result.status());
      return NotTaken();
    }
    return OutcomeOf(result, options_.retry_delay);
  }

  BatchOutcome OnBatch(const EventBatch& batch) {
    const uint64_t taken = failure().ok() ? tally_.Begin(batch.size()) : 0;
    if (taken == 0) return NotTaken();
    std::string text;
    uint64_t bytes = 0;
    uint64_t index = 0;
    std::vector<std::pair<size_t, Outcome>> except;
    v1::Event event;
    for (const ReceivedEvent& received : batch) {
      if (index >= taken) {
        except.emplace_back(index, NotTaken());
      } else if (const absl::Status parsed = received.ParseTo(event); !parsed.ok()) {
        except.emplace_back(index, Outcome::Park(std::string(parsed.message())));
      } else {
        AppendEvent(event, PositionOf(received), &text);
      }
      if (index < taken) bytes += received.bytes().size();
      ++index;
    }
    Outcome outcome = options_.command.empty() ? Print(text) : RunForBatch(batch, taken, text);
    tally_.Count(outcome, taken, bytes);
    Done(taken);
    return {std::move(outcome), std::move(except)};
  }

  void AppendEvent(const v1::Event& event, const json::Position& position,
                   std::string* text) const {
    if (options_.json || options_.batches) {
      json::AppendEvent(event, {.position = position}, text);
      text->push_back('\n');
    } else {
      options_.format.Append(event, position, text);
    }
  }

  // Called by one thread at a time: a run that prints has one thread.
  Outcome Print(const std::string& text) {
    const absl::Status written = WriteOut(text);
    if (written.ok()) return Outcome::Ack();
    Fail(written);
    return NotTaken();
  }

  Outcome RunForBatch(const EventBatch& batch, uint64_t taken, const std::string& lines) {
    CommandSpec spec{.words = options_.command, .environment = base_environment_, .input = lines};
    const auto add = [&spec](const char* name, const std::string& value) {
      spec.environment.push_back(absl::StrCat("EVENTHUB_", name, "=", value));
    };
    add("PARTITION", absl::StrCat(batch.partition()));
    add("OFFSET", absl::StrCat(batch.first_offset()));
    add("ATTEMPT", absl::StrCat(batch.delivery_attempt()));
    add("REDELIVERED", batch.redelivered() ? "true" : "false");
    add("REPLAYED", batch.replayed() ? "true" : "false");
    add("EVENTS", absl::StrCat(taken));
    return RunToOutcome(spec);
  }

  void Report() {
    const client::SubscriberCounters counters = subscriber().counters();
    const std::string speed = progress_.Summary();
    progress_.Finish();
    const uint64_t unconfirmed = tally_.Unconfirmed(counters);
    if (unconfirmed > 0) {
      std::fprintf(stderr,
                   "eventhub: the hub did not confirm %s; unconfirmed events are redelivered\n",
                   CountOf(unconfirmed, "event").c_str());
    }
    if (!options_.summary) return;
    std::fprintf(stderr, "consumed %s; %s\n", speed.c_str(), tally_.Outcomes(counters).c_str());
  }

  const ConsumeOptions& options_;
  const std::optional<absl::Duration> timeout_;
  Interrupt interrupt_;  // Before any thread is started.
  const std::shared_ptr<client::Connection> hub_;
  const std::vector<std::string> base_environment_;
  ConsumeTally tally_;
  EventProgress progress_;
  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  absl::Status connection_ ABSL_GUARDED_BY(mutex_) = absl::UnavailableError("connecting");
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  // Last: its threads use the members above. Set once.
  std::unique_ptr<client::Subscriber> subscriber_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::Status RunConsume(const Context& context, const ConsumeOptions& options) {
  ExpectCommands();
  return ConsumeRun(context, options).Run(context.address);
}

}  // namespace eventhub::cli
