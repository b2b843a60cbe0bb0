// Long work in short steps, which continues after crashes: publishes the lines of files, a hundred
// in a step, each exactly once.
//
//   job [address] [topic of jobs] [target] [pause in ms]
//
// An event `import.begin` starts a job. Its key is the name of the job, its data the path of a
// file. `import.cancel` with that key cancels the job. A topic shows its progress:
//
//   echo /data/articles.csv | eventhub publish imports --type=import.begin --key=monday
//   eventhub topics get imports.state import/0/monday --output=json
//   echo enough | eventhub publish imports --type=import.cancel --key=monday
//
// Several of these programs may run, on machines that have the files: any of them continues a job.

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "eventhub/admin_client.h"
#include "eventhub/processor/processor.h"
#include "eventhub/subscription_client.h"

using eventhub::client::AdminClient;
using eventhub::client::Connect;
using eventhub::client::Connection;
using eventhub::client::LatestPerKey;
using eventhub::client::StartPosition;
using eventhub::client::SubscriptionClient;
using eventhub::client::SubscriptionKind;
using eventhub::processor::AnyPipeline;
using eventhub::processor::Fault;
using eventhub::processor::Job;
using eventhub::processor::JobProgress;
using eventhub::processor::Pipeline;
using eventhub::processor::Processor;
using eventhub::processor::ReasonOf;
using eventhub::v1::Event;

namespace {

constexpr size_t kLinesInAStep = 100;

// Some lines of a file, and the position of the next line.
struct Page {
  std::vector<std::string> lines{};
  int64_t next = 0;
};

// Reads a local file, so it need not be a Call, unlike access to a database.
absl::StatusOr<Page> ReadPage(const Job& job) {
  Page page;
  if (!job.continuation.empty() && !absl::SimpleAtoi(job.continuation, &page.next)) {
    return absl::InternalError("the continuation is not a number");
  }
  std::ifstream file(job.start->data(), std::ios::binary);
  if (!file.is_open()) return absl::NotFoundError(absl::StrCat("cannot open ", job.start->data()));
  file.seekg(page.next);
  std::string line;
  while (page.lines.size() < kLinesInAStep && std::getline(file, line)) {
    page.next += static_cast<int64_t>(line.size()) + 1;
    page.lines.push_back(std::move(line));
  }
  return page;
}

JobProgress GoOn(const Page& page) {
  if (page.lines.size() < kLinesInAStep) return JobProgress::Finished(page.lines.size());
  return {.continuation = absl::StrCat(page.next), .items = page.lines.size()};
}

std::vector<Event> LinesOf(const Page& page) {
  std::vector<Event> events(page.lines.size());
  for (size_t i = 0; i < events.size(); ++i) {
    events[i].set_type("import.line");
    events[i].set_data(page.lines[i]);
  }
  return events;
}

AnyPipeline ImportRule(const std::string& topic, const std::string& target, int pause_ms) {
  return Pipeline("import")
      .On({"import.begin", "import.cancel"})
      .Job({.state = topic + ".state",
            .cancel = {"import.cancel"},
            .pause = absl::Milliseconds(pause_ms)})
      .Map(ReadPage)
      .Continue(GoOn)
      .Publish(target, LinesOf);
}

absl::Status CreateWhatItNeeds(const std::shared_ptr<Connection>& hub, const std::string& topic) {
  const auto state =
      AdminClient(hub).CreateTopic({.name = topic + ".state", .latest_per_key = LatestPerKey{}});
  if (!state.ok() && !absl::IsAlreadyExists(state.status())) return state.status();
  const auto subscription = SubscriptionClient(hub).CreateSubscription(
      {.name = "example-job", .topic = topic, .kind = SubscriptionKind::kStream},
      StartPosition::Earliest());
  return absl::IsAlreadyExists(subscription.status()) ? absl::OkStatus() : subscription.status();
}

}  // namespace

int main(int argc, char** argv) {
  const auto hub = Connect(argc > 1 ? argv[1] : "localhost:7070");
  const std::string topic = argc > 2 ? argv[2] : "imports";
  const std::string target = argc > 3 ? argv[3] : "lines";
  const int pause_ms = argc > 4 ? std::atoi(argv[4]) : 0;

  if (const absl::Status created = CreateWhatItNeeds(hub, topic); !created.ok()) {
    std::cerr << created.message() << "\n";
    return 1;
  }
  // Until SIGINT or SIGTERM, or an end for another reason: e.g. the subscription was deleted.
  const absl::Status stopped = Processor::RunUntilSignal(
      hub,
      {.subscription = "example-job",
       .source = "/example/job",
       .pipelines = {ImportRule(topic, target, pause_ms)},
       .hooks = {.on_fault = [](const Fault& fault) { std::cerr << ReasonOf(fault) << "\n"; }}});
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}
