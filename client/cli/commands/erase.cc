// `eventhub erase`: erases the data of events about a person. `eventhub erasures`: what was erased.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/json.h"
#include "client/cli/input/units.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/progress.h"
#include "eventhub/delayed_event.h"
#include "eventhub/delayed_event_client.h"
#include "eventhub/erasure_client.h"
#include "eventhub/reader.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kEraseExamples[] = R"(
Destroys the keys with which the data of the subject's events is sealed: those that carry the attribute
`datasubject` with this value, in topics with --erasable=on. From then on the events are read without
data and with the attribute `dataerased`, wherever they are. Nothing can undo that.

Without --yes nothing is erased: the command counts the events of the subject by topic. With a lake,
that includes the events that retention has deleted. Events that are NOT SEALED were published while
their topic was not erasable, and keep their data. DELAYED events are not appended yet: they have data,
and are erased like the others if they were published while their topic was erasable.

Examples:
  eventhub erase --subject=customer-17           count, erase nothing
  eventhub erase --subject=customer-17 --yes
  eventhub erase --subject=customer-17 --output=json | jq .topics)";

constexpr char kErasuresExamples[] = R"(
Examples:
  eventhub erasures list
  eventhub erasures rewrap               after a new master key was put first)";

constexpr char kListErasuresExamples[] = R"(
A subject is shown as a hash, the first half of its SHA-256; `eventhub erase` prints it.

Examples:
  eventhub erasures list
  eventhub erasures list --output=json
  printf customer-17 | sha256sum | head -c32    the hash of a subject)";

constexpr char kRewrapExamples[] = R"(
To replace the master key: put the new one first in --erasure_master_key_file and restart the hub; wrap
the keys of all subjects with it by this command; then remove the old key. No event is rewritten.

Examples:
  eventhub erasures rewrap)";

struct EraseFlags {
  std::string subject;
  bool yes = false;
  bool json = false;
};

// The events of the subject in a topic.
struct SubjectCount {
  std::string topic;
  uint64_t sealed = 0;
  uint64_t erased = 0;    // Of them.
  uint64_t unsealed = 0;  // With clear data.
  uint64_t empty = 0;     // Without data.
  uint64_t delayed = 0;   // Not appended yet, with data that is not erased.

  bool any() const { return sealed + unsealed + empty + delayed > 0; }
};

// What is shown while events are counted. Thread-safe.
class CountProgress {
 public:
  explicit CountProgress(size_t topics)
      : topics_(topics),
        line_(absl::Seconds(1), [this](absl::Duration took) { return Text(took); }) {}

  void Next() {
    const MutexLock lock(mutex_);
    ++topic_;
  }

 private:
  std::string Text(absl::Duration took) {
    const MutexLock lock(mutex_);
    return absl::StrCat("counting, ", FormatRoughAge(took), ", topic ", topic_, " of ", topics_);
  }

  const size_t topics_;
  Mutex mutex_;
  size_t topic_ ABSL_GUARDED_BY(mutex_) = 0;
  const ProgressLine line_;  // Last: uses the members above.
};

// Reads the events of the subject, as they are stored or as they are delivered, and counts them.
template <typename Count>
absl::Status ReadSubject(const std::shared_ptr<client::Connection>& hub, const std::string& topic,
                         const std::string& subject, bool as_stored, const Count& count) {
  ASSIGN_OR_RETURN(
      const auto reader,
      client::Reader::Create(hub, {.topic = topic,
                                   .when_trimmed = client::WhenTrimmed::kSkipToEarliest,
                                   .filter = client::Filter::Exact({{"datasubject", subject}}),
                                   .as_stored = as_stored,
                                   .reconnect_deadline = absl::Seconds(30)}));
  v1::Event event;
  for (;;) {
    const absl::StatusOr<client::EventBatch> batch = reader->Next();
    if (absl::IsNotFound(batch.status())) return absl::OkStatus();  // Deleted meanwhile.
    RETURN_IF_ERROR(batch.status());
    if (batch->done()) return absl::OkStatus();
    for (const client::ReceivedEvent& received : *batch) {
      RETURN_IF_ERROR(received.ParseTo(event));
      count(event);
    }
  }
}

// Delayed events are in no log, and the hub has no filter for them.
absl::Status CountDelayed(client::DelayedEventClient& delayed, const std::string& subject,
                          SubjectCount* counted) {
  const absl::Status listed =
      delayed.List(counted->topic, {}, [&](const client::DelayedEvent& event) {
        const auto& attributes = event.event.attributes();
        const auto of = attributes.find("datasubject");
        if (of != attributes.end() && of->second.string() == subject &&
            !event.event.data().empty()) {
          ++counted->delayed;
        }
        return true;
      });
  return absl::IsNotFound(listed) ? absl::OkStatus() : listed;  // Deleted meanwhile.
}

absl::StatusOr<SubjectCount> CountSubject(const std::shared_ptr<client::Connection>& hub,
                                          const std::string& topic, const std::string& subject) {
  SubjectCount counted;
  counted.topic = topic;
  RETURN_IF_ERROR(ReadSubject(hub, topic, subject, /*as_stored=*/true, [&](const v1::Event& event) {
    if (event.data().empty()) {
      ++counted.empty;
    } else if (event.attributes().contains("datasealed")) {
      ++counted.sealed;
    } else {
      ++counted.unsealed;
    }
  }));
  if (counted.sealed == 0) return counted;
  RETURN_IF_ERROR(
      ReadSubject(hub, topic, subject, /*as_stored=*/false, [&](const v1::Event& event) {
        if (event.attributes().contains("dataerased")) ++counted.erased;
      }));
  return counted;
}

absl::StatusOr<std::vector<SubjectCount>> CountEverywhere(
    const Context& context, const std::shared_ptr<client::Connection>& hub,
    const std::string& subject) {
  client::AdminClient admin(hub, AdminOptionsOf(context));
  client::DelayedEventClient delayed(hub, AdminOptionsOf(context));
  ASSIGN_OR_RETURN(const std::vector<client::Topic> topics, admin.ListTopics());
  std::vector<SubjectCount> counts;
  CountProgress progress(topics.size());
  for (const client::Topic& topic : topics) {
    progress.Next();
    SubjectCount count;
    if (!topic.keep_nothing) {
      ASSIGN_OR_RETURN(count, CountSubject(hub, topic.name, subject));
    }
    count.topic = topic.name;
    RETURN_IF_ERROR(CountDelayed(delayed, subject, &count));
    if (count.any()) counts.push_back(std::move(count));
  }
  return counts;
}

absl::Status PrintCounts(const std::vector<SubjectCount>& counts, bool as_json) {
  if (as_json) {
    Json topics = Json::array();
    for (const SubjectCount& count : counts) {
      topics.push_back({{"topic", count.topic},
                        {"sealed_events", count.sealed},
                        {"erased_events", count.erased},
                        {"unsealed_events", count.unsealed},
                        {"events_without_data", count.empty},
                        {"delayed_events", count.delayed}});
    }
    return WriteOut(Json{{"topics", topics}, {"erased", false}}.dump() + "\n");
  }
  Table table({"TOPIC", ">SEALED", ">ERASED", ">NOT SEALED", ">WITHOUT DATA", ">DELAYED"});
  for (const SubjectCount& count : counts) {
    table.AddRow({count.topic, FormatCount(count.sealed - count.erased), FormatCount(count.erased),
                  FormatCount(count.unsealed), FormatCount(count.empty),
                  FormatCount(count.delayed)});
  }
  return WriteOut(table.Render());
}

Json ErasureJson(const client::Erasure& erasure) {
  return {{"subject_hash", erasure.subject_hash},
          {"erase_time", FormatMoment(erasure.erase_time)},
          {"destroyed_keys", erasure.destroyed_keys},
          {"principal", erasure.principal}};
}

absl::Status Count(const Context& context, const EraseFlags& flags) {
  Interrupt interrupt;  // Before any thread is started.
  const auto hub = ConnectToHub(context);
  interrupt.OnRaise([hub] { hub->CancelCalls(); });
  const absl::StatusOr<std::vector<SubjectCount>> counts =
      CountEverywhere(context, hub, flags.subject);
  interrupt.OnRaise(nullptr);
  if (interrupt.raised() && !counts.ok()) return InterruptedError("interrupted before the end");
  RETURN_IF_ERROR(counts.status());
  RETURN_IF_ERROR(PrintCounts(*counts, flags.json));
  std::fprintf(stderr, "eventhub: nothing was erased; --yes erases\n");
  return absl::OkStatus();
}

absl::Status Erase(const Context& context, const EraseFlags& flags) {
  if (!flags.yes) return Count(context, flags);
  client::ErasureClient erasures(ConnectToHub(context), AdminOptionsOf(context));
  ASSIGN_OR_RETURN(const client::Erasure erasure,
                   WithProgress("erasing", [&] { return erasures.Erase(flags.subject); }));
  if (flags.json) {
    Json json = ErasureJson(erasure);
    json["erased"] = true;
    return WriteOut(json.dump() + "\n");
  }
  return WriteOut(absl::StrCat("erased: ", CountOf(erasure.destroyed_keys, "key"),
                               " destroyed; recorded as ", erasure.subject_hash, "\n"));
}

absl::Status ListErasures(const Context& context, bool json) {
  client::ErasureClient erasures(ConnectToHub(context), AdminOptionsOf(context));
  Table table({"SUBJECT (SHA-256)", "ERASED", ">KEYS", "BY"});
  absl::Status written;
  RETURN_IF_ERROR(erasures.List([&](const client::Erasure& erasure) {
    if (json) {
      written = WriteOut(ErasureJson(erasure).dump() + "\n");
    } else {
      table.AddRow({erasure.subject_hash, FormatSecond(erasure.erase_time),
                    FormatCount(erasure.destroyed_keys), Printable(erasure.principal)});
    }
    return written.ok();
  }));
  return json ? written : WriteOut(table.Render());
}

absl::Status Rewrap(const Context& context, bool json) {
  client::ErasureClient erasures(ConnectToHub(context), AdminOptionsOf(context));
  ASSIGN_OR_RETURN(const uint64_t keys,
                   WithProgress("wrapping keys", [&] { return erasures.RewrapKeys(); }));
  if (json) return WriteOut(Json{{"rewrapped_keys", keys}}.dump() + "\n");
  return WriteOut(absl::StrCat(CountOf(keys, "key"), " wrapped with the present master key\n"));
}

}  // namespace

void AddEraseCommand(CLI::App& app, Context& context) {
  CLI::App* command = AddVerb(
      app, "erase", "Erase the data of events about a person, or count them", kEraseExamples);
  const auto flags = std::make_shared<EraseFlags>();
  command->add_option("--subject", flags->subject, "The value of their attribute datasubject")
      ->required()
      ->type_name("TEXT");
  command->add_flag("-y,--yes", flags->yes, "Erase; otherwise only count");
  AddOutputOption(*command, &flags->json);
  SetRun(*command, context, [&context, flags] { return Erase(context, *flags); });
}

void AddErasuresCommand(CLI::App& app, Context& context) {
  CLI::App* group =
      AddGroup(app, "erasures", "List erased subjects, change the master key", kErasuresExamples);
  const auto json = std::make_shared<bool>(false);
  CLI::App* list = AddVerb(*group, "list", "List erased subjects", kListErasuresExamples);
  AddOutputOption(*list, json.get());
  SetRun(*list, context, [&context, json] { return ListErasures(context, *json); });

  CLI::App* rewrap =
      AddVerb(*group, "rewrap", "Wrap all keys with the present master key", kRewrapExamples);
  AddOutputOption(*rewrap, json.get());
  SetRun(*rewrap, context, [&context, json] { return Rewrap(context, *json); });
}

}  // namespace eventhub::cli
