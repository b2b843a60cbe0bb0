// A service with an outbox in its own process, which tests kill. For each event that is accepted it
// writes a line to the standard output: its id.
//
//     outbox_process ADDRESS DIRECTORY always|spill RUN
//     outbox_process ADDRESS DIRECTORY drain
//
// The last form leaves events in a directory, and sends nothing:
//
//     outbox_process ADDRESS DIRECTORY leave TOPIC COUNT
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "eventhub/outbox.h"

namespace client = eventhub::client;

namespace {

constexpr int kKeys = 7;
constexpr int kBetweenFlushes = 64;

void WriteLine(const std::string& id) {
  const std::string line = id + "\n";
  if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(1);
}

int Publish(client::Outbox& outbox, const std::string& run) {
  for (int n = 0;; ++n) {
    const std::string key = absl::StrCat("key", n % kKeys);
    eventhub::v1::Event event;
    event.set_id(absl::StrCat(run, "/", n));
    event.set_source("/outbox_process");
    event.set_type("test");
    event.set_partition_key(key);
    event.set_data(std::string(static_cast<size_t>(n % 500), 'x'));
    const absl::Status taken =
        outbox.Publish("t", event, [id = event.id()](const absl::Status& status) {
          if (status.ok()) WriteLine(id);
        });
    if (taken.ok() && (n % kBetweenFlushes != 0 || outbox.Flush().ok())) continue;
    std::fprintf(stderr, "cannot publish: %s\n", taken.ToString().c_str());
    return 1;
  }
}

int Leave(client::Outbox& outbox, const std::string& topic, int count) {
  for (int n = 0; n < count; ++n) {
    eventhub::v1::Event event;
    event.set_id(absl::StrCat(topic, "-", n));
    event.set_source("/outbox_process");
    event.set_type("test");
    event.set_data(absl::StrCat("data ", n));
    if (!outbox.Publish(topic, event).ok()) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string mode = argv[3];
  client::OutboxOptions options;
  options.directory = argv[2];
  options.max_bytes = uint64_t{1} << 30;
  options.max_batch_bytes = 16 * 1024;
  if (mode == "spill") {
    options.mode = client::OutboxMode::kSpill;
    options.spill_after = absl::Milliseconds(20);
  }
  options.send = mode != "leave";
  auto outbox = client::Outbox::Open(client::Connect(argv[1]), options);
  if (!outbox.ok()) {
    std::fprintf(stderr, "%s\n", outbox.status().ToString().c_str());
    return 1;
  }
  if (mode == "leave") return argc == 6 ? Leave(**outbox, argv[4], std::atoi(argv[5])) : 2;
  if (mode != "drain") return Publish(**outbox, argc > 4 ? argv[4] : "0");
  const absl::Status drained = (*outbox)->Drain(absl::Seconds(60));
  if (drained.ok() && (*outbox)->status().lost_events == 0) return 0;
  std::fprintf(stderr, "%s\n", drained.ToString().c_str());
  return 1;
}
