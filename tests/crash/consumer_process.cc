// A consumer in its own process, which tests can kill. For each event that it receives it writes a
// line to the standard output ("D partition offset attempt") before it acks the event, and for each
// confirmed ack another one ("S partition offset attempt").
//
//     crash_consumer_process ADDRESS SUBSCRIPTION SEED
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_consumer.h"

namespace {

int lines = -1;  // The standard output, used for nothing else.

// Writes a complete line or nothing, whenever the process dies: a pipe accepts short writes
// atomically.
void WriteLine(char kind, const eventhub::Place& place, uint32_t attempt) {
  char line[80];
  const int size = std::snprintf(line, sizeof(line), "%c %u %lld %u\n", kind, place.first,
                                 static_cast<long long>(place.second), attempt);
  if (write(lines, line, static_cast<size_t>(size)) != size) _exit(1);
  // The consumer itself detected and reported an error.
  if (testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed()) _exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seed;
  if (argc != 4 || !absl::SimpleAtoi(argv[3], &seed)) return 2;
  lines = dup(STDOUT_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  eventhub::ConsumerEvents events;
  events.delivered = [](const eventhub::Place& place, uint32_t attempt) {
    WriteLine('D', place, attempt);
  };
  events.settled = [](const eventhub::Place& place, uint32_t attempt) {
    WriteLine('S', place, attempt);
  };
  events.nacked = [](const eventhub::Place&, uint32_t) {};
  const grpc::Status status = eventhub::CrashConsumer(argv[2], events, seed).Run(argv[1]);
  std::fprintf(stderr, "the stream ended: %s\n", status.error_message().c_str());
  return 1;
}
