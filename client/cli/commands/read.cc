// `eventhub read`: prints the events of a topic.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/filter_json.h"
#include "client/cli/input/places.h"
#include "client/cli/input/units.h"
#include "client/cli/output/event_format.h"
#include "client/cli/run/hub_watch.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/output_watch.h"
#include "client/cli/run/progress.h"
#include "eventhub/error.h"
#include "eventhub/reader.h"
#include "proto/json/event_json.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kReadExamples[] = R"(
Prints the events of each partition in order. Ends at the end of the log, or, with --follow, at
Ctrl-C; --follow continues after a restart of the hub. Events that retention has deleted come from the
hub's lake, if it has one; --from=retained begins with those that the hub retains.

Examples:
  eventhub read orders                             all events
  eventhub read orders --follow --from=latest      new events only
  eventhub read orders --from=15m                  the last 15 minutes
  eventhub read orders --from=2026-01-31T12:00:00Z --to=2026-02-01
  eventhub read orders --filter="type = 'shop.order.placed' AND subject LIKE 'eu/%'"
  eventhub read orders --filter='{"prefix": {"type": "shop."}}'
  eventhub read orders --partition=3 --from=1200 --limit=10
  eventhub read orders --from=0:1200,1:1187        from these offsets of partitions 0 and 1
  eventhub read orders --output=json | jq .data    CloudEvents, and hub_partition, hub_offset, …
  eventhub read orders --format='%p:%o %k %d\n'

Formats: %p partition, %o offset, %a append time, %i id, %s source, %t type, %u subject,
%e event time, %k key, %c content type, %d data (made printable), %D data as it is.
Control characters are escaped in text. --output=json keeps every byte: JSON data with line breaks, or
with white space around it, is `data_base64`; jq reads it with
'.data // (.data_base64 | @base64d | fromjson)'.)";

struct ReadFlags {
  client::ReaderOptions reader;
  EventFormat format;
  bool json = false;
  uint64_t limit = std::numeric_limits<uint64_t>::max();
  bool summary = false;
};

absl::Status ParseFrom(const std::string& text, client::ReaderOptions& reader) {
  if (text.find(':') != std::string::npos &&
      text.find_first_not_of("0123456789:,") == std::string::npos) {
    ASSIGN_OR_RETURN(reader.offsets, ParsePartitionOffsets(text));
    for (const client::PartitionOffset& place : reader.offsets) {
      reader.partitions.push_back(place.partition);
    }
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(reader.start, ParseStart(text, Clock::System().Now()));
  return absl::OkStatus();
}

absl::StatusOr<client::Filter> ParseClientFilter(absl::string_view text) {
  ASSIGN_OR_RETURN(v1::Filter filter, ParseFilter(text));
  return client::Filter(std::move(filter));
}

absl::Status ParseTo(const std::string& text, client::ReaderOptions& reader) {
  if (IsNumber(text)) {
    ASSIGN_OR_RETURN(reader.stop_offset, ParseOffset(text));
  } else {
    ASSIGN_OR_RETURN(reader.stop_time, ParseMoment(text, Clock::System().Now()));
  }
  return absl::OkStatus();
}

// Prints batches until the limit is reached.
class Printer {
 public:
  explicit Printer(const ReadFlags& flags)
      : flags_(flags), progress_(isatty(STDOUT_FILENO) == 0, [this] {
          return Flow{events(), bytes_.load(std::memory_order_relaxed)};
        }) {}

  bool done() const { return events_ >= flags_.limit; }
  EventProgress& progress() { return progress_; }
  // Thread-safe.
  uint64_t events() const { return events_.load(std::memory_order_relaxed); }

  absl::Status Print(const client::EventBatch& batch) {
    out_.clear();
    for (const client::ReceivedEvent& received : batch) {
      if (done()) break;
      RETURN_IF_ERROR(received.ParseTo(event_));
      const json::Position position{received.partition(), received.offset(),
                                    received.append_time()};
      if (flags_.json) {
        json::AppendEvent(event_, {.position = position}, &out_);
        out_.push_back('\n');
      } else {
        flags_.format.Append(event_, position, &out_);
      }
      ++events_;
      bytes_ += received.bytes().size();
    }
    return WriteOut(out_);
  }

  void Summarise() {
    progress_.Finish();
    if (!flags_.summary) return;
    std::fprintf(stderr, "read %s\n", progress_.Summary().c_str());
  }

 private:
  const ReadFlags& flags_;
  std::string out_;
  v1::Event event_;
  std::atomic<uint64_t> events_{0};
  std::atomic<uint64_t> bytes_{0};
  EventProgress progress_;  // Last: uses the members above.
};

// Returns the number of events to read; 0 if the partitions alone do not tell.
uint64_t EventsToRead(client::AdminClient& admin, const ReadFlags& flags) {
  const client::ReaderOptions& reader = flags.reader;
  const bool retained = reader.start.kind == client::StartPosition::Kind::kRetained;
  const bool simple = (retained || reader.start.kind == client::StartPosition::Kind::kEarliest) &&
                      !reader.stop_time && !reader.filter && !reader.follow;
  if (!simple) return 0;
  const auto partitions = admin.ListPartitions(reader.topic);
  if (!partitions.ok()) return 0;
  uint64_t events = 0;
  for (const client::PartitionInfo& partition : *partitions) {
    if (!reader.partitions.empty() && std::find(reader.partitions.begin(), reader.partitions.end(),
                                                partition.partition) == reader.partitions.end()) {
      continue;
    }
    int64_t start = partition.start_offset;
    if (!retained) start = std::min(start, partition.history_start_offset.value_or(start));
    for (const client::PartitionOffset& place : reader.offsets) {
      if (place.partition == partition.partition) start = std::max(start, place.offset);
    }
    const int64_t end = std::min(partition.end_offset, reader.stop_offset.value_or(INT64_MAX));
    // Where events were removed is unknown.
    const bool all = start == partition.start_offset && end == partition.end_offset;
    if (partition.removed_events > 0 && !all) return 0;
    events += static_cast<uint64_t>(std::max<int64_t>(end - start, 0)) - partition.removed_events;
  }
  return std::min(events, flags.limit);
}

absl::Status ReadAll(client::Reader& reader, Printer& printer) {
  while (!printer.done()) {
    ASSIGN_OR_RETURN(const client::EventBatch batch, reader.Next());
    if (batch.done()) break;
    RETURN_IF_ERROR(printer.Print(batch));
  }
  return absl::OkStatus();
}

// If the hub refused because it has another log now, adds how to continue with that log. Returns
// other errors unchanged.
absl::Status WithHowToContinue(absl::Status status, const client::Reader& reader) {
  if (client::GetErrorReason(status) != client::ErrorReason::kOtherLog) return status;
  const std::optional<client::ErrorInfo> info = client::GetErrorInfo(status);
  std::string ways = "to continue with the current log: --from=earliest, --from=latest";
  // The hub reports the offset of one partition only.
  if (info->agreed_offset && info->partition && reader.positions().size() == 1) {
    absl::StrAppend(&ways, ", or, where the logs diverge, --from=", *info->partition, ":",
                    *info->agreed_offset);
  }
  return absl::Status(status.code(), absl::StrCat(status.message(), "; ", ways));
}

absl::Status ReadTopic(const Context& context, ReadFlags& flags, Interrupt& interrupt) {
  const auto hub = ConnectToHub(context);
  interrupt.OnRaise([hub] { hub->CancelCalls(); });
  Printer printer(flags);
  std::optional<HubWatch> watch(std::in_place, context.address,
                                HealthProbe(hub, [&printer] { return printer.events(); }));
  client::AdminClient admin(hub, AdminOptionsOf(context));
  RETURN_IF_ERROR(admin.GetTopic(flags.reader.topic).status());
  if (printer.progress().enabled()) printer.progress().Expect(EventsToRead(admin, flags));
  flags.reader.reconnect_deadline =
      context.timeout.value_or(flags.reader.follow ? absl::InfiniteDuration() : absl::Seconds(30));
  ASSIGN_OR_RETURN(const auto reader, client::Reader::Create(hub, flags.reader));
  interrupt.OnRaise([hub, &reader] {
    hub->CancelCalls();
    reader->Cancel();
  });
  std::optional<OutputWatch> output(std::in_place, [&reader] { reader->Cancel(); });
  absl::Status status = WithHowToContinue(ReadAll(*reader, printer), *reader);
  if (output->gone()) status = OutputClosed();
  output.reset();
  watch.reset();
  interrupt.OnRaise(nullptr);
  printer.Summarise();
  return status;
}

absl::Status Read(const Context& context, ReadFlags flags) {
  Interrupt interrupt;  // Before any thread is started.
  absl::Status status = ReadTopic(context, flags, interrupt);
  if (!absl::IsCancelled(status) || !interrupt.raised()) return status;
  // Ctrl-C is the normal end of `--follow`.
  return flags.reader.follow ? absl::OkStatus() : InterruptedError("interrupted before the end");
}

// Adds an option whose value sets several fields of the reader.
void AddPlaceOption(CLI::App& command, const std::string& name, client::ReaderOptions& reader,
                    absl::Status (*parse)(const std::string&, client::ReaderOptions&),
                    const std::string& description) {
  const auto assign = [&reader, parse, name](const std::string& text) {
    const absl::Status status = parse(text, reader);
    // Callbacks report errors to the library by this exception.
    if (!status.ok()) throw CLI::ValidationError(name, std::string(status.message()));
  };
  command.add_option_function<std::string>(name, assign, description)->type_name("PLACE");
}

void AddReadFlags(CLI::App& command, ReadFlags& flags) {
  AddPlaceOption(command, "--from", flags.reader, ParseFrom,
                 "earliest (default), retained, latest, an offset, a time, a duration back from "
                 "now, or PARTITION:OFFSET,…");
  AddPlaceOption(command, "--to", flags.reader, ParseTo, "Stop before this offset or time");
  command.add_flag("-f,--follow", flags.reader.follow, "Wait for new events at the end of the log");
  AddParsedOption(
      command, "--filter", &flags.reader.filter, ParseClientFilter,
      "Print only matching events: an expression (CloudEvents SQL) or a filter in JSON; see "
      "eventhub filter --help",
      "FILTER");
  AddCountOption(command, "-n,--limit", &flags.limit, 1, flags.limit,
                 "Stop after this many events");
  AddParsedListOption(command, "-p,--partition", &flags.reader.partitions, ParsePartition,
                      "Only this partition; may be repeated", "N");
  command.add_flag_callback(
      "--skip-trimmed",
      [&flags] { flags.reader.when_trimmed = client::WhenTrimmed::kSkipToEarliest; },
      "Continue at the first stored event if retention trimmed the next one");
  CLI::Option* output =
      command
          .add_option_function<std::string>(
              "-o,--output", [&flags](const std::string& name) { flags.json = name == "json"; },
              "text (default), or json: CloudEvents")
          ->check(OneOf({"text", "json"}))
          ->type_name("FORMAT");
  AddParsedOption(command, "--format", &flags.format, EventFormat::Parse,
                  "How an event is printed as text", "FORMAT")
      ->default_str(kEventTextFormat)
      ->excludes(output);
  command.add_flag("--summary", flags.summary, "Print a summary on stderr at the end");
}

}  // namespace

void AddReadCommand(CLI::App& app, Context& context) {
  CLI::App* command = AddVerb(app, "read", "Print the events of a topic", kReadExamples);
  const auto flags = std::make_shared<ReadFlags>();
  flags->format = *EventFormat::Parse(kEventTextFormat);
  command->add_option("TOPIC", flags->reader.topic, "The topic")->required();
  AddReadFlags(*command, *flags);
  SetRun(*command, context, [&context, flags] { return Read(context, *flags); });
}

}  // namespace eventhub::cli
