// `eventhub publish`: publishes the lines of standard input or of files as events.
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/event_flags.h"
#include "client/cli/input/event_source.h"
#include "client/cli/input/line_reader.h"
#include "client/cli/input/places.h"
#include "client/cli/input/units.h"
#include "client/cli/run/ack_writer.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/publish_run.h"
#include "eventhub/publisher.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kPublishExamples[] = R"(
Each line that is not empty becomes one event: its data (--input=text), or all of it, as CloudEvents
JSON (--input=json; attributes that an event lacks are filled in from the flags). Events with the
same key keep their order. Exits with 0 only if every event was acknowledged.

Examples:
  echo 'hello' | eventhub publish greetings
  eventhub publish syslog /var/log/syslog --type=log.line --source=/hosts/web1
  tail -F access.log | eventhub publish access --key-field=1     key: the first column
  eventhub publish orders orders.jsonl --content-type=application/json --type=order.placed \
    --key-field=customer.id                                      key: a member of the JSON data
  eventhub publish orders --input=json < cloudevents.jsonl
  eventhub read orders --output=json | eventhub publish orders-copy --input=json
  seq 1000 | eventhub publish numbers --acks    prints: partition, offset, id of each event
  echo 'pay by tonight' | eventhub publish reminders --deliver-after=8h --acks
                                                prints: delayed, delay id, id
  eventhub publish orders orders.txt --id-prefix=batch-7-   twice, to a topic that deduplicates:
                                                the second time nothing is appended)";

struct PublishFlags {
  PublishRunOptions run;
  EventTemplate event;
  std::vector<std::string> attributes;
};

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

std::string RandomPrefix() {
  std::random_device random;
  return absl::StrFormat("%08x%08x-", random(), random());
}

// Sets the attributes that were not given.
void SetDefaults(EventTemplate& event) {
  if (event.id_prefix.empty()) event.id_prefix = RandomPrefix();
  if (event.json_input) return;
  if (event.type.empty()) event.type = "eventhub.cli.line";
  if (event.source.empty()) event.source = absl::StrCat("/hosts/", HostName());
  if (event.content_type.empty()) event.content_type = "text/plain";
}

absl::Status Publish(const Context& context, PublishFlags flags) {
  ASSIGN_OR_RETURN(flags.event.attributes, ParseAttributes(flags.attributes));
  SetDefaults(flags.event);
  return RunPublish(context, flags.run, EventSource(std::move(flags.event)));
}

void AddEventFlags(CLI::App& command, PublishFlags& flags) {
  EventTemplate& event = flags.event;
  const auto text = [&command](const char* name, std::string* value, const char* description) {
    command.add_option(name, *value, description)->type_name("TEXT")->group("Events");
  };
  text("--type", &event.type, "The type of the events (default for text: eventhub.cli.line)");
  text("--source", &event.source,
       "Their source, a URI reference (default for text: /hosts/ and the name of this host)");
  text("--subject", &event.subject, "Their subject");
  text("--content-type", &event.content_type,
       "The media type of the data (default for text: text/plain)");
  text("--id-prefix", &event.id_prefix,
       "The ids are this prefix and a number from 1 (default: random)");
  AddAttributeOption(command, &flags.attributes)->group("Events");
  CLI::Option* after = AddParsedOption(
      command, "--deliver-after", &event.deliver_after, ParseAge,
      "Append the events after this delay; see eventhub delayed --help", "DURATION");
  after->group("Events");
  AddParsedOption(
      command, "--deliver-at", &event.deliver_at,
      [](absl::string_view time) { return ParseFutureMoment(time, Clock::System().Now()); },
      "Append the events at this time", "TIME")
      ->excludes(after)
      ->group("Events");
  CLI::Option* key = command.add_option("-k,--key", event.key, "The partition key of all events")
                         ->type_name("TEXT")
                         ->group("Events");
  command
      .add_option("--key-field", event.key_field,
                  "Take the key from a column of the data, from 1, or from a path in JSON data")
      ->type_name("COLUMN|PATH")
      ->excludes(key)
      ->group("Events");
}

void AddRunFlags(CLI::App& command, PublishRunOptions& run) {
  AddParsedOption(command, "-p,--partition", &run.partition, ParsePartition,
                  "The partition of all events (default: by key)", "N");
  AddParsedOption(command, "--durability", &run.durability, ParseDurability,
                  "When an event is acknowledged (default: as the topic says)", "synced|written");
  command
      .add_option("--producer-id", run.producer_id,
                  "The id of this producer; fences earlier producers with the same id")
      ->type_name("NAME");
  command.add_flag("--keep-going", run.keep_going, "Skip lines that are not events");
  command.add_flag("--acks", run.acks,
                   "Print the partition, offset and id of each acknowledged event");
  command.add_flag("-q,--quiet", run.quiet, "Print no progress, notices or summary");
}

}  // namespace

void AddPublishCommand(CLI::App& app, Context& context) {
  CLI::App* command = AddVerb(app, "publish", "Publish events, one per line", kPublishExamples);
  const auto flags = std::make_shared<PublishFlags>();
  command->add_option("TOPIC", flags->run.topic, "The topic")->required();
  command->add_option("FILE", flags->run.files, "Files; - or none: standard input");
  command
      ->add_option_function<std::string>(
          "-i,--input",
          [flags](const std::string& format) { flags->event.json_input = format == "json"; },
          "A line is the data of an event (text, default), or a CloudEvent (json)")
      ->check(OneOf({"text", "json"}))
      ->type_name("FORMAT");
  AddRunFlags(*command, flags->run);
  AddEventFlags(*command, *flags);
  SetRun(*command, context, [&context, flags] { return Publish(context, *flags); });
}

}  // namespace eventhub::cli
