// Compares publishing through an outbox with publishing directly, in one run on one hub.
//
//     outbox_bench --address=localhost:7070 --topic=bench --directory=/tmp/outbox-bench
//
// The topic must exist. `rounds` times in turn: direct (SYNCED), always, spill, and a drain of as
// many events that an outage left.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "eventhub/outbox.h"
#include "eventhub/publisher.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(std::string, address, "localhost:7070", "The hub");
ABSL_FLAG(std::string, topic, "bench", "The topic, which must exist");
ABSL_FLAG(std::string, directory, "", "For outboxes; must not exist");
ABSL_FLAG(int64_t, events, 1'000'000, "Events of each measurement");
ABSL_FLAG(int, bytes, 100, "Data of an event");
ABSL_FLAG(int, rounds, 3, "Rounds; the median is printed");

namespace eventhub::benchmark {
namespace {

v1::Event MakeEvent() {
  v1::Event event;
  event.set_source("/bench");
  event.set_type("bench");
  event.set_partition_key("key");
  event.set_data(std::string(static_cast<size_t>(absl::GetFlag(FLAGS_bytes)), 'x'));
  return event;
}

// Calls `publish` with each event.
absl::Status ForEachEvent(const std::function<absl::Status(const v1::Event&)>& publish) {
  v1::Event event = MakeEvent();
  for (int64_t i = 0; i < absl::GetFlag(FLAGS_events); ++i) {
    event.set_id(absl::StrCat(i));
    RETURN_IF_ERROR(publish(event));
  }
  return absl::OkStatus();
}

absl::StatusOr<double> MeasureDirect() {
  ASSIGN_OR_RETURN(auto publisher,
                   client::Publisher::Create(client::Connect(absl::GetFlag(FLAGS_address)),
                                             {.topic = absl::GetFlag(FLAGS_topic),
                                              .durability = client::Durability::kSynced}));
  RETURN_IF_ERROR(publisher
                      ->PublishAsync([] {
                        v1::Event event = MakeEvent();
                        event.set_id("first");
                        return event;
                      }())
                      .get()
                      .status());
  const Stopwatch watch;
  RETURN_IF_ERROR(ForEachEvent([&](const v1::Event& event) { return publisher->Publish(event); }));
  RETURN_IF_ERROR(publisher->Flush());
  return watch.Seconds();
}

absl::StatusOr<std::unique_ptr<client::Outbox>> Open(client::OutboxMode mode, bool send) {
  client::OutboxOptions options;
  options.directory = absl::GetFlag(FLAGS_directory);
  options.mode = mode;
  options.send = send;
  options.max_bytes = uint64_t{8} << 30;
  options.hub_durability = client::Durability::kSynced;
  return client::Outbox::Open(client::Connect(absl::GetFlag(FLAGS_address)), options);
}

// Until the hub has everything.
absl::StatusOr<double> MeasureOutbox(client::OutboxMode mode) {
  ASSIGN_OR_RETURN(const auto outbox, Open(mode, /*send=*/true));
  const std::string topic = absl::GetFlag(FLAGS_topic);
  v1::Event first = MakeEvent();
  first.set_id("first");
  RETURN_IF_ERROR(outbox->Publish(topic, first));
  const Stopwatch watch;
  RETURN_IF_ERROR(
      ForEachEvent([&](const v1::Event& event) { return outbox->Publish(topic, event, nullptr); }));
  RETURN_IF_ERROR(outbox->Flush());
  RETURN_IF_ERROR(outbox->Drain());
  return watch.Seconds();
}

absl::StatusOr<double> MeasureDrain() {
  {
    ASSIGN_OR_RETURN(const auto outbox, Open(client::OutboxMode::kAlways, /*send=*/false));
    const std::string topic = absl::GetFlag(FLAGS_topic);
    RETURN_IF_ERROR(ForEachEvent(
        [&](const v1::Event& event) { return outbox->Publish(topic, event, nullptr); }));
    RETURN_IF_ERROR(outbox->Flush());
  }
  // An outbox that is open when the hub comes back has nothing to load.
  ASSIGN_OR_RETURN(const auto outbox, Open(client::OutboxMode::kAlways, /*send=*/true));
  const Stopwatch watch;
  RETURN_IF_ERROR(outbox->Drain());
  return watch.Seconds();
}

absl::Status Run() {
  std::vector<double> direct;
  std::vector<double> always;
  std::vector<double> spill;
  std::vector<double> drain;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    ASSIGN_OR_RETURN(direct.emplace_back(), MeasureDirect());
    ASSIGN_OR_RETURN(always.emplace_back(), MeasureOutbox(client::OutboxMode::kAlways));
    ASSIGN_OR_RETURN(spill.emplace_back(), MeasureOutbox(client::OutboxMode::kSpill));
    ASSIGN_OR_RETURN(drain.emplace_back(), MeasureDrain());
  }
  const auto rate = [](std::vector<double>& seconds) {
    return static_cast<double>(absl::GetFlag(FLAGS_events)) / Percentile(seconds, 0.5);
  };
  PrintResult("outbox", {{"direct_events_per_s", rate(direct)},
                         {"always_events_per_s", rate(always)},
                         {"spill_events_per_s", rate(spill)},
                         {"drain_events_per_s", rate(drain)}});
  return absl::OkStatus();
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = eventhub::benchmark::Run();
  if (!status.ok()) std::fprintf(stderr, "outbox_bench: %s\n", status.ToString().c_str());
  std::error_code ignored;
  std::filesystem::remove_all(absl::GetFlag(FLAGS_directory), ignored);
  return status.ok() ? 0 : 1;
}
