// `eventhub trace`: what caused an event, and what it caused.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/places.h"
#include "client/cli/input/units.h"
#include "client/cli/output/trace_output.h"
#include "client/cli/run/event_trace.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/progress.h"
#include "eventhub/reader.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kTraceExamples[] = R"(
ID is the id of an event, or a correlation id. The command searches the topics for the events that the
attributes `causationid` and `correlationid` join with it: its causes, up to the first event, and all
that followed. Stream processors set both attributes.

The tree shows each event once, with its type, its id, and the place where it was stored first. `+12ms`
is the time since its cause. `=` marks copies that routes and links made, `!` dead letters.

All topics are searched from --from on, once for each step away from what is known: narrow a large hub
with --from and --topic. With a lake, that includes the events that retention has deleted; with
--from=retained it does not.

Examples:
  eventhub trace ord-81
  eventhub trace ord-81 --from=1h --topic=orders --topic=payments
  eventhub trace ord-81 --output=json | jq '.. | .id? // empty')";

struct TraceFlags {
  std::string id;
  std::vector<std::string> topics;
  client::StartPosition from;
  size_t limit = 1000;
  bool json = false;
};

// What is shown while the search runs. Thread-safe.
class SearchProgress {
 public:
  SearchProgress() : line_(absl::Seconds(1), [this](absl::Duration took) { return Text(took); }) {}

  void Set(size_t round, size_t topic, size_t topics, size_t events) {
    const MutexLock lock(mutex_);
    text_ = absl::StrCat("round ", round, ", topic ", topic, " of ", topics, ", ",
                         CountOf(events, "event"));
  }

 private:
  std::string Text(absl::Duration took) {
    const MutexLock lock(mutex_);
    return absl::StrCat("searching, ", FormatRoughAge(took), ", ", text_);
  }

  Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  const ProgressLine line_;  // Last: uses the members above.
};

// Searches the topics of a hub.
class HubSearch {
 public:
  HubSearch(std::shared_ptr<client::Connection> hub, const TraceFlags& flags,
            std::vector<std::string> topics)
      : hub_(std::move(hub)), flags_(flags), topics_(std::move(topics)) {}

  // Stops with an incomplete trace once it has more events than the limit.
  absl::Status Run(EventTrace& trace) {
    SearchProgress progress;
    for (size_t round = 1; trace.size() <= flags_.limit; ++round) {
      const std::vector<client::Filter> queries = trace.TakeQueries();
      if (queries.empty()) break;
      for (size_t i = 0; i < topics_.size(); ++i) {
        progress.Set(round, i + 1, topics_.size(), trace.size());
        for (const client::Filter& query : queries) {
          RETURN_IF_ERROR(SearchTopic(topics_[i], query, trace));
        }
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status SearchTopic(const std::string& topic, const client::Filter& query,
                           EventTrace& trace) {
    ASSIGN_OR_RETURN(
        const auto reader,
        client::Reader::Create(hub_, {.topic = topic,
                                      .start = flags_.from,
                                      .when_trimmed = client::WhenTrimmed::kSkipToEarliest,
                                      .filter = query,
                                      .reconnect_deadline = absl::Seconds(30)}));
    v1::Event event;
    while (trace.size() <= flags_.limit) {
      const absl::StatusOr<client::EventBatch> batch = reader->Next();
      // Deleted meanwhile, unless it is one that the user named.
      if (absl::IsNotFound(batch.status()) && flags_.topics.empty()) return absl::OkStatus();
      RETURN_IF_ERROR(batch.status());
      if (batch->done()) break;
      for (const client::ReceivedEvent& received : *batch) {
        RETURN_IF_ERROR(received.ParseTo(event));
        trace.Add({.topic = topic,
                   .partition = received.partition(),
                   .offset = received.offset(),
                   .append_time = received.append_time(),
                   .subscription = "",
                   .reason = ""},
                  event);
      }
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<client::Connection> hub_;
  const TraceFlags& flags_;
  const std::vector<std::string> topics_;
};

bool UseColor() {
  const char* const no_color = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

absl::Status PrintTrace(const EventTrace& trace, bool as_json) {
  if (!as_json) return WriteOut(RenderTrace(trace, UseColor()));
  std::string lines;
  for (const size_t root : trace.roots()) {
    absl::StrAppend(
        &lines, TraceJson(trace, root).dump(-1, ' ', false, Json::error_handler_t::replace), "\n");
  }
  return WriteOut(lines);
}

absl::Status Trace(const Context& context, const TraceFlags& flags) {
  Interrupt interrupt;  // Before any thread is started.
  const auto hub = ConnectToHub(context);
  interrupt.OnRaise([hub] { hub->CancelCalls(); });
  std::vector<std::string> topics = flags.topics;
  if (topics.empty()) {
    client::AdminClient admin(hub, AdminOptionsOf(context));
    ASSIGN_OR_RETURN(const std::vector<client::Topic> all, admin.ListTopics());
    for (const client::Topic& topic : all) topics.push_back(topic.name);
  }
  EventTrace trace(flags.id);
  const absl::Status searched = HubSearch(hub, flags, topics).Run(trace);
  interrupt.OnRaise(nullptr);
  if (interrupt.raised() && !searched.ok()) return InterruptedError("interrupted before the end");
  RETURN_IF_ERROR(searched);
  trace.Finish();
  if (trace.size() == 0) {
    return absl::NotFoundError(absl::StrCat("no event with the id or the correlation id '",
                                            flags.id, "' in ", CountOf(topics.size(), "topic")));
  }
  RETURN_IF_ERROR(PrintTrace(trace, flags.json));
  if (trace.size() > flags.limit) {
    std::fprintf(stderr, "eventhub: there are more; see --limit\n");
  }
  return absl::OkStatus();
}

}  // namespace

void AddTraceCommand(CLI::App& app, Context& context) {
  CLI::App* command =
      AddVerb(app, "trace", "Show what caused an event, and what it caused", kTraceExamples);
  const auto flags = std::make_shared<TraceFlags>();
  command->add_option("ID", flags->id, "The id of an event, or a correlation id")->required();
  command->add_option("-t,--topic", flags->topics, "Search this topic only; may be repeated")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("NAME");
  AddParsedOption(
      *command, "--from", &flags->from,
      [](const std::string& text) { return ParseStart(text, Clock::System().Now()); },
      "earliest (default), retained, a time, or a duration back from now", "PLACE");
  AddCountOption(*command, "-n,--limit", &flags->limit, 1, 5000,
                 "Stop after this many events (default 1,000)");
  AddOutputOption(*command, &flags->json);
  SetRun(*command, context, [&context, flags] { return Trace(context, *flags); });
}

}  // namespace eventhub::cli
