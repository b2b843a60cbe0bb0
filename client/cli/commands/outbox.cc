// `eventhub outbox`: commands for the directory of an outbox whose service no longer runs.
#include "eventhub/outbox.h"

#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/progress.h"
#include "proto/json/event_json.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kOutboxExamples[] = R"(
An outbox is a directory in which a service keeps the events that the hub does not have yet. A
running service sends them itself; these commands are for a service that no longer runs.

Examples:
  eventhub outbox status /var/lib/shop/outbox
  eventhub outbox drain /var/lib/shop/outbox
  eventhub outbox export /var/lib/shop/outbox --topic=orders > orders.jsonl
  eventhub outbox drop /var/lib/shop/outbox --topic=orders --refused)";

constexpr char kStatusOutboxExamples[] = R"(
Changes nothing; also works while the service runs. REFUSED counts the events that the hub refused
and that were set aside; LOST counts the events that cannot be read from a damaged disk.

Examples:
  eventhub outbox status /var/lib/shop/outbox
  eventhub outbox status /var/lib/shop/outbox --output=json | jq .pending_events)";

constexpr char kDrainOutboxExamples[] = R"(
Sends the pending events to the hub as the service would have: in order, and exactly once. May be
interrupted and repeated. Without --timeout, gives up when no event was published for 30 s.

Exits with 1 if events remain, or were refused.

Examples:
  eventhub outbox drain /var/lib/shop/outbox
  eventhub outbox drain /var/lib/shop/outbox --retry-refused --timeout=5m)";

constexpr char kExportOutboxExamples[] = R"(
Prints the pending events of one topic as JSON lines, in the form that `publish --input=json` reads,
and changes nothing. Publishing them by hand may append events again that the hub already has;
`drain` does not.

Examples:
  eventhub outbox export /var/lib/shop/outbox --topic=orders > orders.jsonl
  eventhub outbox export /var/lib/shop/outbox --refused | jq .id)";

constexpr char kDropOutboxExamples[] = R"(
Deletes the pending events of a topic, or those that the hub refused, for good. Asks first. To keep
a copy, export them first.

Examples:
  eventhub outbox drop /var/lib/shop/outbox --topic=orders
  eventhub outbox drop /var/lib/shop/outbox --topic=orders --refused --yes)";

constexpr absl::Duration kLookEvery = absl::Milliseconds(50);
constexpr absl::Duration kPatience = absl::Seconds(30);

struct OutboxFlags {
  std::string directory;
  std::string topic;
  bool refused = false;
  bool retry_refused = false;
  bool yes = false;
  bool json = false;
};

// UNAVAILABLE would mean that the hub cannot be reached.
absl::Status OfDirectory(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return status;
  return absl::FailedPreconditionError(status.message());
}

absl::StatusOr<std::unique_ptr<client::OutboxReader>> OpenReader(const OutboxFlags& flags) {
  auto reader = client::OutboxReader::Open(flags.directory);
  if (!reader.ok()) return OfDirectory(reader.status());
  return reader;
}

absl::StatusOr<std::unique_ptr<client::Outbox>> OpenOutbox(const Context& context,
                                                           const OutboxFlags& flags, bool send) {
  // Open would create the directory.
  RETURN_IF_ERROR(OpenReader(flags).status());
  client::OutboxOptions options;
  options.directory = flags.directory;
  options.send = send;
  options.log = [](std::string_view line) {
    std::fprintf(stderr, "eventhub: %.*s\n", static_cast<int>(line.size()), line.data());
  };
  auto outbox = client::Outbox::Open(ConnectToHub(context), std::move(options));
  if (!outbox.ok()) return OfDirectory(outbox.status());
  return outbox;
}

Json OutboxTopicJson(const client::OutboxTopicStatus& topic) {
  Json json{{"topic", topic.topic},
            {"pending_events", topic.pending_events},
            {"pending_bytes", topic.pending_bytes},
            {"refused_events", topic.refused_events},
            {"lost_events", topic.lost_events}};
  if (topic.oldest) json["oldest"] = FormatMoment(*topic.oldest);
  return json;
}

absl::Status Status(const OutboxFlags& flags) {
  ASSIGN_OR_RETURN(const auto reader, OpenReader(flags));
  const client::OutboxStatus status = reader->status();
  if (flags.json) {
    std::string out;
    for (const auto& topic : status.topics)
      absl::StrAppend(&out, OutboxTopicJson(topic).dump(), "\n");
    return WriteOut(out);
  }
  const absl::Time now = Clock::System().Now();
  Table table({"TOPIC", ">PENDING", ">BYTES", ">OLDEST", ">REFUSED", ">LOST"});
  for (const client::OutboxTopicStatus& topic : status.topics) {
    table.AddRow({topic.topic, FormatCount(topic.pending_events), FormatBytes(topic.pending_bytes),
                  topic.oldest ? FormatRoughAge(now - *topic.oldest) : "-",
                  FormatCount(topic.refused_events), FormatCount(topic.lost_events)});
  }
  return WriteOut(table.Render());
}

// Whether nothing more can be sent without an operator.
bool AllStopped(const client::OutboxStatus& status) {
  return std::all_of(status.topics.begin(), status.topics.end(), [](const auto& topic) {
    return topic.pending_events == 0 || topic.state == client::OutboxTopicState::kStopped;
  });
}

// Waits until nothing more can be sent, the command is interrupted, or its timeout has passed.
client::OutboxStatus AwaitDrained(const Context& context, const client::Outbox& outbox,
                                  Interrupt& interrupt) {
  const Clock& clock = Clock::System();
  const absl::Duration give_up =
      clock.Monotonic() + context.timeout.value_or(absl::InfiniteDuration());
  absl::Duration moved = clock.Monotonic();
  uint64_t published = 0;
  for (;;) {
    client::OutboxStatus status = outbox.status();
    const absl::Duration now = clock.Monotonic();
    if (std::exchange(published, status.published_events) != status.published_events) moved = now;
    const bool patient = context.timeout.has_value() || now - moved < kPatience;
    if (AllStopped(status) || !status.disk.ok() || interrupt.raised() || now >= give_up ||
        !patient) {
      return status;
    }
    pollfd stop{interrupt.fd(), POLLIN, 0};
    poll(&stop, 1, static_cast<int>(absl::ToInt64Milliseconds(kLookEvery)));
  }
}

// The reason why events remain.
absl::Status WhyLeft(const client::OutboxStatus& status) {
  if (!status.disk.ok()) return OfDirectory(status.disk);
  for (const client::OutboxTopicStatus& topic : status.topics) {
    if (topic.pending_events == 0 || topic.last_error.ok()) continue;
    return WithKnownOutcome(WithMessage(
        topic.last_error, absl::StrCat(CountOf(status.pending_events, "event"), " left; topic ",
                                       topic.topic, ": ", topic.last_error.message())));
  }
  return absl::CancelledError(absl::StrCat(CountOf(status.pending_events, "event"), " left"));
}

absl::Status Drain(const Context& context, const OutboxFlags& flags) {
  Interrupt interrupt;
  ASSIGN_OR_RETURN(const auto outbox, OpenOutbox(context, flags, /*send=*/true));
  const client::OutboxStatus before = outbox->status();
  for (const client::OutboxTopicStatus& topic : before.topics) {
    if (!flags.retry_refused || topic.refused_events == 0) continue;
    RETURN_IF_ERROR(outbox->RetryRefused(topic.topic).status());
  }
  const uint64_t total = outbox->status().pending_events + outbox->status().published_events;
  EventProgress progress(!flags.json, [&outbox, &before] {
    const client::OutboxStatus now = outbox->status();
    return Flow{.events = now.published_events,
                .bytes = before.pending_bytes - std::min(now.pending_bytes, before.pending_bytes)};
  });
  progress.Expect(total);
  const client::OutboxStatus after = AwaitDrained(context, *outbox, interrupt);
  progress.Finish();
  RETURN_IF_ERROR(WriteOut(
      flags.json ? Json{{"published_events", after.published_events},
                        {"pending_events", after.pending_events},
                        {"refused_events", after.refused_events},
                        {"lost_events", after.lost_events}}
                           .dump() +
                       "\n"
                 : absl::StrCat(CountOf(after.published_events, "event"), " published\n")));
  if (after.pending_events > 0 && interrupt.raised()) {
    return InterruptedError(
        absl::StrCat("interrupted; ", CountOf(after.pending_events, "event"), " left"));
  }
  if (after.pending_events > 0) return WhyLeft(after);
  if (after.refused_events == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(CountOf(after.refused_events, "event"),
                   " set aside, because the hub refuses them; see: eventhub outbox export ",
                   flags.directory, " --refused"));
}

// The topic to export: the given one, or the only one that has events.
absl::StatusOr<std::string> ChooseTopic(const client::OutboxStatus& status,
                                        const OutboxFlags& flags) {
  std::vector<std::string> names;
  for (const client::OutboxTopicStatus& topic : status.topics) {
    if (!flags.topic.empty() && topic.topic == flags.topic) return flags.topic;
    if ((flags.refused ? topic.refused_events : topic.pending_events) > 0) {
      names.push_back(topic.topic);
    }
  }
  if (!flags.topic.empty()) {
    return absl::NotFoundError(absl::StrCat("the outbox has no topic '", flags.topic, "'"));
  }
  if (names.size() > 1) {
    return UsageError(absl::StrCat("outbox export: several topics; choose one with --topic: ",
                                   absl::StrJoin(names, ", ")));
  }
  return names.empty() ? std::string() : names.front();
}

absl::Status Export(const OutboxFlags& flags) {
  ASSIGN_OR_RETURN(const auto reader, OpenReader(flags));
  ASSIGN_OR_RETURN(const std::string topic, ChooseTopic(reader->status(), flags));
  const auto print = [](const v1::Event& event) {
    std::string line;
    json::AppendEvent(event, {.exact = true}, &line);
    return WriteOut(line + "\n");
  };
  if (flags.refused) {
    return reader->ForEachRefused([&](const client::RefusedEvent& refused) {
      if (refused.topic != topic) return absl::OkStatus();
      std::fprintf(stderr, "eventhub: %s%s: %s\n", refused.event.id().c_str(),
                   refused.in_doubt ? " (may be in the hub)" : "",
                   std::string(refused.error.message()).c_str());
      return print(refused.event);
    });
  }
  uint64_t lost = 0;
  RETURN_IF_ERROR(reader->ForEachPending(
      [&](const std::string& of, const v1::Event& event) {
        return of == topic ? print(event) : absl::OkStatus();
      },
      &lost));
  if (lost == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(CountOf(lost, "event"), " cannot be read from the damaged disk"));
}

absl::Status Drop(const Context& context, const OutboxFlags& flags) {
  if (!flags.yes) RETURN_IF_ERROR(NeedTerminal("outbox drop"));
  ASSIGN_OR_RETURN(const auto outbox, OpenOutbox(context, flags, /*send=*/false));
  const client::OutboxStatus status = outbox->status();
  const auto topic = std::find_if(status.topics.begin(), status.topics.end(),
                                  [&flags](const auto& one) { return one.topic == flags.topic; });
  if (topic == status.topics.end()) {
    return absl::NotFoundError(absl::StrCat("the outbox has no topic '", flags.topic, "'"));
  }
  const uint64_t events = flags.refused ? topic->refused_events : topic->pending_events;
  if (!flags.yes) {
    RETURN_IF_ERROR(Confirm(absl::StrCat("Delete ", CountOf(events, "event"), " of topic '",
                                         flags.topic, "' for good?"),
                            "nothing was deleted"));
  }
  ASSIGN_OR_RETURN(const uint64_t dropped,
                   flags.refused ? outbox->DropRefused(flags.topic) : outbox->Drop(flags.topic));
  return WriteOut(flags.json ? Json{{"events", dropped}}.dump() + "\n"
                             : absl::StrCat(CountOf(dropped, "event"), " deleted\n"));
}

}  // namespace

void AddOutboxCommand(CLI::App& app, Context& context) {
  CLI::App* group =
      AddGroup(app, "outbox", "Inspect, drain and export a service's outbox", kOutboxExamples);
  const auto flags = std::make_shared<OutboxFlags>();
  const auto add = [group, flags](const std::string& verb, const std::string& description,
                                  const char* examples) {
    CLI::App* command = AddVerb(*group, verb, description, examples);
    command->add_option("DIRECTORY", flags->directory, "The directory of the outbox")->required();
    return command;
  };
  CLI::App* status = add("status", "Show the pending events", kStatusOutboxExamples);
  AddOutputOption(*status, &flags->json);
  SetRun(*status, context, [flags] { return Status(*flags); });

  CLI::App* drain = add("drain", "Send the pending events to the hub", kDrainOutboxExamples);
  drain->add_flag("--retry-refused", flags->retry_refused,
                  "Also send the events that the hub refused");
  AddOutputOption(*drain, &flags->json);
  SetRun(*drain, context, [&context, flags] { return Drain(context, *flags); });

  CLI::App* export_events = add("export", "Print the pending events", kExportOutboxExamples);
  export_events->add_option("--topic", flags->topic, "The topic; required if several have events")
      ->type_name("TOPIC");
  export_events->add_flag("--refused", flags->refused,
                          "Print the events that the hub refused; the reasons go to stderr");
  SetRun(*export_events, context, [flags] { return Export(*flags); });

  CLI::App* drop = add("drop", "Delete pending events for good", kDropOutboxExamples);
  drop->add_option("--topic", flags->topic, "The topic")->type_name("TOPIC")->required();
  drop->add_flag("--refused", flags->refused, "Only the events that the hub refused");
  drop->add_flag("-y,--yes", flags->yes, "Do not ask");
  AddOutputOption(*drop, &flags->json);
  SetRun(*drop, context, [&context, flags] { return Drop(context, *flags); });
}

}  // namespace eventhub::cli
