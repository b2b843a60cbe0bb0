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
Without a command it prints events as `eventhub read` does, and acks them once they are printed. Any
number of consumers may share a subscription; ctrl-C or SIGTERM leaves when what was delivered is
done and settled.

Examples:
  eventhub consume billing
  eventhub consume billing --limit=10 --output=json | jq .data
  eventhub consume billing --exec=./bill --concurrency=8
  eventhub consume billing --exec='curl --fail --silent --data-binary @- http://localhost:8080/bill'
  eventhub consume billing --exec='sh -c "echo $EVENTHUB_TYPE, attempt $EVENTHUB_ATTEMPT"'
  eventhub consume billing --exec='timeout 30s ./bill' --retry-delay=1m
  eventhub consume billing --exec-batch='./bill --json-lines' --batch-size=500
  eventhub consume billing --exec=./bill --idle-exit=5s      do what there is, and end

Commands: the data is on stdin, and takes the place of a word {}; nothing else is expanded, and no
shell is used unless you write one. In the environment: EVENTHUB_ID, _SOURCE, _TYPE, _SUBJECT,
_TIME, _KEY, _CONTENT_TYPE, _SCHEMA, _PARTITION, _OFFSET, _APPEND_TIME, _ATTEMPT, _REDELIVERED (true:
a consumer may have handled it before), _REPLAYED (true: of a replay or redrive), _SUBSCRIPTION,
_ADDRESS, and _ATTR_<NAME> for extension attributes. --exec-batch gets events of one partition as
JSON lines, with EVENTHUB_EVENTS, their number, and EVENTHUB_OFFSET of the first.

Exit codes of commands:
  0       ack: done
  65      park: to the dead letters at once (EX_DATAERR: the event is not valid)
  100     skip: done with, though nothing was done; counted
  75      retry after a delay (EX_TEMPFAIL); so does any other code, and death by a signal
The last line of stderr is kept as the reason: `eventhub subscriptions describe` shows it, and so do
dead letters.

Formats: as those of `eventhub read`, and %n: the number of the attempt. --output=json adds
hub_delivery_attempt, and hub_redelivered and hub_replayed, which mean the same as in the environment.)";

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
    // Before any event is taken, which it would cost an attempt.
    RETURN_IF_ERROR(CheckProgram(run.command.front()));
  }
  if (run.batch_size > 0 && !run.batches) return UsageError("--batch-size needs --exec-batch");
  return RunConsume(context, run);
}

void AddCommandFlags(CLI::App& command, ConsumeFlags& flags) {
  CLI::Option* exec =
      command.add_option("--exec", flags.exec, "Run this for each event")->type_name("COMMAND");
  command.add_option("--exec-batch", flags.exec_batch, "Run this for events as they come together")
      ->type_name("COMMAND")
      ->excludes(exec);
  AddCountOption(command, "--batch-size", &flags.run.batch_size, 1, 1'000'000,
                 "With --exec-batch: at most so many events at a time");
  AddCountOption(command, "-c,--concurrency", &flags.run.concurrency, 1, 1024,
                 "So many commands at a time (default 1); of a stream, one for each partition");
  AddParsedOption(command, "--retry-delay", &flags.run.retry_delay, ParseDelay,
                  "When a failed event comes again (default: as the subscription has it)",
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
                  "How to print an event as text", "FORMAT")
      ->default_str(kEventTextFormat)
      ->excludes(output);
  command.add_flag("--summary", flags.run.summary, "At the end, say on stderr how much it was");
}

}  // namespace

void AddConsumeCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "consume", "Print the events of a subscription, or run a command for each");
  command->footer(kConsumeExamples);
  const auto flags = std::make_shared<ConsumeFlags>();
  ConsumeOptions& run = flags->run;
  run.format = *EventFormat::Parse(kEventTextFormat);
  command->add_option("SUBSCRIPTION", run.subscription, "Its name")->required();
  AddCommandFlags(*command, *flags);
  AddPrintFlags(*command, *flags);
  AddCountOption(*command, "-n,--limit", &run.limit, 1, run.limit, "Stop after so many events");
  AddParsedOption(*command, "--idle-exit", &run.idle_exit, ParseAge,
                  "Stop when nothing came for so long", "DURATION");
  AddCountOption(*command, "--credit-events", &run.credit_events, 1,
                 std::numeric_limits<uint32_t>::max(),
                 "Have at most so many events here (default 1,000; --exec: two for each command)");
  AddParsedOption(*command, "--credit-bytes", &run.credit_bytes, ParseBytes,
                  "Have at most so much here (default 16MiB)", "SIZE");
  command->add_option("--name", run.name, "Of this consumer, for stats (default: its address)")
      ->type_name("NAME");
  SetRun(*command, context, [&context, flags] { return Consume(context, *flags); });
}

}  // namespace eventhub::cli
