// `eventhub consume`: prints the events of a subscription, or runs a command for each.
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/frame/command_runner.h"
#include "client/cli/input/units.h"
#include "client/cli/output/event_format.h"
#include "client/cli/run/consume_run.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kConsumeExamples[] = R"(
Without a command, prints events as `eventhub read` does, and acks each once it is printed. Any
number of consumers may share a subscription. Ctrl-C or SIGTERM ends it after the delivered events
are handled and settled.

Examples:
  eventhub consume billing
  eventhub consume billing --limit=10 --output=json | jq .data
  eventhub consume billing --exec=./bill --concurrency=8
  eventhub consume billing --exec='curl --fail --silent --data-binary @- http://localhost:8080/bill'
  eventhub consume billing --exec='sh -c "echo $EVENTHUB_TYPE, attempt $EVENTHUB_ATTEMPT"'
  eventhub consume billing --exec='timeout 30s ./bill' --retry-delay=1m
  eventhub consume billing --exec-batch='./bill --json-lines' --batch-size=500
  eventhub consume billing --exec=./bill --idle-exit=5s      until the backlog is done

Commands: the data is on stdin, and replaces the word {}. Nothing else is expanded, and no shell is
used unless you name one. In the environment: EVENTHUB_ID, _SOURCE, _TYPE, _SUBJECT, _TIME, _KEY,
_CONTENT_TYPE, _SCHEMA, _PARTITION, _OFFSET, _APPEND_TIME, _ATTEMPT, _REDELIVERED (true if a
consumer may have handled it before), _REPLAYED (true for a replay or redrive), _SUBSCRIPTION,
_ADDRESS, and _ATTR_<NAME> for extension attributes. --exec-batch gets events of one partition as
JSON lines, with their number in EVENTHUB_EVENTS and the offset of the first in EVENTHUB_OFFSET.

Exit codes of commands:
  0       ack
  65      park: a dead letter at once (EX_DATAERR: the event is not valid)
  100     skip: acked as not handled, and counted
  75      retry after a delay (EX_TEMPFAIL); so does any other code, or a signal
The last line of stderr is kept as the reason, which `eventhub subscriptions describe` and dead
letters show.

Formats: those of `eventhub read`, and %n, the number of the attempt. --output=json adds
hub_delivery_attempt, hub_redelivered and hub_replayed.)";

struct ConsumeFlags {
  ConsumeOptions run;
  std::optional<std::string> exec;
  std::optional<std::string> exec_batch;
};

absl::Status Consume(const Context& context, ConsumeFlags flags) {
  ConsumeOptions& run = flags.run;
  run.batches = flags.exec_batch.has_value();
  const std::optional<std::string>& command = run.batches ? flags.exec_batch : flags.exec;
  if (!command) {
    if (run.concurrency > 1) return UsageError("--concurrency needs --exec or --exec-batch");
    if (run.retry_delay.has_value())
      return UsageError("--retry-delay needs --exec or --exec-batch");
  } else {
    auto words = SplitCommand(*command);
    if (!words.ok()) return UsageError(words.status().message());
    run.command = *std::move(words);
    // Checked before any event is delivered: a failure later would cost an event an attempt.
    RETURN_IF_ERROR(CheckProgram(run.command.front()));
  }
  if (run.batch_size > 0 && !run.batches) return UsageError("--batch-size needs --exec-batch");
  return RunConsume(context, run);
}

void AddCommandFlags(CLI::App& command, ConsumeFlags& flags) {
  CLI::Option* exec =
      command.add_option("--exec", flags.exec, "Run this for each event")->type_name("COMMAND");
  command.add_option("--exec-batch", flags.exec_batch, "Run this for each batch of events")
      ->type_name("COMMAND")
      ->excludes(exec);
  AddCountOption(command, "--batch-size", &flags.run.batch_size, 1, 1'000'000,
                 "With --exec-batch: at most this many events in a batch");
  AddCountOption(command, "-c,--concurrency", &flags.run.concurrency, 1, 1024,
                 "Commands in parallel (default 1); for a stream, at most one for each partition");
  AddParsedOption(command, "--retry-delay", &flags.run.retry_delay, ParseDelay,
                  "The delay before a retry (default: the setting of the subscription)",
                  "DURATION");
}

void AddPrintFlags(CLI::App& command, ConsumeFlags& flags) {
  CLI::Option* output =
      command
          .add_option_function<std::string>(
              "-o,--output", [&flags](const std::string& name) { flags.run.json = name == "json"; },
              "text (default), or json: CloudEvents")
          ->check(OneOf({"text", "json"}))
          ->type_name("FORMAT");
  AddParsedOption(command, "--format", &flags.run.format, EventFormat::Parse,
                  "How an event is printed as text", "FORMAT")
      ->default_str(kEventTextFormat)
      ->excludes(output);
  command.add_flag("--summary", flags.run.summary, "Print a summary on stderr at the end");
}

}  // namespace

void AddConsumeCommand(CLI::App& app, Context& context) {
  CLI::App* command =
      AddVerb(app, "consume", "Print the events of a subscription, or run a command for each",
              kConsumeExamples);
  const auto flags = std::make_shared<ConsumeFlags>();
  ConsumeOptions& run = flags->run;
  run.format = *EventFormat::Parse(kEventTextFormat);
  command->add_option("SUBSCRIPTION", run.subscription, "Its name")->required();
  AddCommandFlags(*command, *flags);
  AddPrintFlags(*command, *flags);
  AddCountOption(*command, "-n,--limit", &run.limit, 1, run.limit, "Stop after this many events");
  AddParsedOption(*command, "--idle-exit", &run.idle_exit, ParseAge,
                  "Stop after this long without an event", "DURATION");
  AddCountOption(
      *command, "--credit-events", &run.credit_events, 1, std::numeric_limits<uint32_t>::max(),
      "At most this many events in flight (default 1,000; --exec: two for each command)");
  AddParsedOption(*command, "--credit-bytes", &run.credit_bytes, ParseBytes,
                  "At most this many bytes in flight (default 16MiB)", "SIZE");
  command
      ->add_option("--name", run.name,
                   "The name of this consumer in statistics (default: its address)")
      ->type_name("NAME");
  SetRun(*command, context, [&context, flags] { return Consume(context, *flags); });
}

}  // namespace eventhub::cli
