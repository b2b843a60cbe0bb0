// NATS JetStream under the hub's workloads. Publishes asynchronously to a stream on file storage,
// reads it with an ordered consumer, or consumes it with a pull consumer that acknowledges each
// message explicitly. Each producer and each fetcher is a thread with its own connection. The
// messages are as long as the hub's encoded events. Example:
//   nats_bench --mode=publish --url=nats://localhost:4222 --event_bytes=100 --producers=4
#include <nats.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(std::string, mode, "publish",
          "publish: deletes and creates the stream, then publishes; read: reads all of it; pull: "
          "fetches and acknowledges all of it");
ABSL_FLAG(std::string, url, "nats://localhost:4222", "the server");
ABSL_FLAG(int, event_bytes, 100, "size of a message");
ABSL_FLAG(int, producers, 1, "publishing threads");
ABSL_FLAG(int64_t, max_pending, 8192, "messages of a producer in flight");
ABSL_FLAG(int, fetchers, 1, "threads that fetch and acknowledge");
ABSL_FLAG(int, fetch, 1000, "messages to fetch at a time");
ABSL_FLAG(double, seconds, 3, "how long to publish, or to read at most");

namespace eventhub::benchmark {
namespace {

constexpr char kStream[] = "benchmark";
constexpr char kPullConsumer[] = "pull";

// Prints the failure, if any; returns whether there was one.
bool Failed(natsStatus status, const char* what) {
  if (status == NATS_OK) return false;
  std::fprintf(stderr, "%s: %s\n", what, natsStatus_GetText(status));
  return true;
}

struct Session {
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    jsCtx_Destroy(js);
    natsConnection_Destroy(connection);
  }

  bool Open() {
    jsOptions options;
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = absl::GetFlag(FLAGS_max_pending);
    options.PublishAsync.StallWait = 10'000;
    return !Failed(natsConnection_ConnectTo(&connection, absl::GetFlag(FLAGS_url).c_str()),
                   "connect") &&
           !Failed(natsConnection_JetStream(&js, connection, &options), "open JetStream");
  }

  natsConnection* connection = nullptr;
  jsCtx* js = nullptr;
};

bool CreateStream() {
  Session session;
  if (!session.Open()) return false;
  jsErrCode error{};
  const natsStatus deleted = js_DeleteStream(session.js, kStream, nullptr, &error);
  if (deleted != NATS_NOT_FOUND && Failed(deleted, "delete the stream")) return false;
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  const char* subject = kStream;
  config.Name = kStream;
  config.Subjects = &subject;
  config.SubjectsLen = 1;
  config.Storage = js_FileStorage;
  return !Failed(js_AddStream(nullptr, session.js, &config, nullptr, &error), "create the stream");
}

// Publishes until the time is up and everything is acknowledged.
void Produce(Session& session, std::atomic<int64_t>& published, std::atomic<bool>& failed) {
  const std::string payload(absl::GetFlag(FLAGS_event_bytes), 'x');
  const double seconds = absl::GetFlag(FLAGS_seconds);
  const Stopwatch watch;
  int64_t count = 0;
  // The clock is read only now and then.
  while (count % 64 != 0 || watch.Seconds() < seconds) {
    if (Failed(js_PublishAsync(session.js, kStream, payload.data(),
                               static_cast<int>(payload.size()), nullptr),
               "publish")) {
      failed = true;
      return;
    }
    ++count;
  }
  jsPubOptions options;
  jsPubOptions_Init(&options);
  options.MaxWait = 30'000;
  if (Failed(js_PublishAsyncComplete(session.js, &options), "wait for the acknowledgements")) {
    failed = true;
  }
  published += count;
}

int Publish() {
  if (!CreateStream()) return 1;
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < absl::GetFlag(FLAGS_producers); ++i) {
    sessions.push_back(std::make_unique<Session>());
    if (!sessions.back()->Open()) return 1;
  }
  std::atomic<int64_t> published{0};
  std::atomic<bool> failed{false};
  const Stopwatch watch;
  std::vector<std::thread> threads;
  for (const auto& session : sessions) {
    threads.emplace_back([&, s = session.get()] { Produce(*s, published, failed); });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) return 1;
  const auto events = static_cast<double>(published.load());
  PrintResult("nats_publish", {{"events", events}, {"events_per_s", events / watch.Seconds()}});
  return 0;
}

// Returns the number of messages in the stream, or -1 if it cannot be determined.
int64_t Available(Session& session) {
  jsErrCode error{};
  jsStreamInfo* info = nullptr;
  if (Failed(js_GetStreamInfo(&info, session.js, kStream, nullptr, &error), "find the stream")) {
    return -1;
  }
  const auto available = static_cast<int64_t>(info->State.Msgs);
  jsStreamInfo_Destroy(info);
  return available;
}

int Read() {
  Session session;
  if (!session.Open()) return 1;
  const int64_t available = Available(session);
  if (available < 0) return 1;
  jsErrCode error{};
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Ordered = true;
  natsSubscription* subscription = nullptr;
  const Stopwatch watch;
  if (Failed(js_SubscribeSync(&subscription, session.js, kStream, nullptr, &options, &error),
             "subscribe") ||
      Failed(natsSubscription_SetPendingLimits(subscription, -1, -1), "set the limits")) {
    return 1;
  }
  const double seconds = absl::GetFlag(FLAGS_seconds);
  int64_t count = 0;
  bool ok = true;
  while (ok && count < available && (count % 64 != 0 || watch.Seconds() < seconds)) {
    natsMsg* message = nullptr;
    ok = !Failed(natsSubscription_NextMsg(&message, subscription, 5'000), "read");
    natsMsg_Destroy(message);
    if (ok) ++count;
  }
  const double events_per_s = static_cast<double>(count) / watch.Seconds();
  if (ok) {
    PrintResult("nats_read",
                {{"events", static_cast<double>(count)}, {"events_per_s", events_per_s}});
  }
  // No cleanup: libnats 3.4 can crash when an ordered consumer is destroyed while messages still
  // arrive.
  std::_Exit(ok ? 0 : 1);
}

// One of the threads that share the pull consumer; the first of them creates it.
struct Fetcher {
  Session session;
  natsSubscription* subscription = nullptr;
  bool ok = false;
  double last_ack = 0;

  bool Open() {
    if (!session.Open()) return false;
    jsErrCode error{};
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Config.AckPolicy = js_AckExplicit;
    options.Config.MaxAckPending = -1;  // Outstanding messages never block it.
    return !Failed(js_PullSubscribe(&subscription, session.js, kStream, kPullConsumer, nullptr,
                                    &options, &error),
                   "pull");
  }

  // Runs until all threads together have `available` messages, or the time is up. Acknowledgements
  // count when they are sent, without waiting for confirmation.
  void Run(int64_t available, const Stopwatch& watch, std::atomic<int64_t>& acked) {
    const double seconds = absl::GetFlag(FLAGS_seconds);
    ok = true;
    while (ok && acked < available && watch.Seconds() < seconds) {
      natsMsgList list{};
      jsErrCode error{};
      const natsStatus fetched = natsSubscription_Fetch(
          &list, subscription, absl::GetFlag(FLAGS_fetch), /*timeout ms=*/200, &error);
      // The other threads may have received the last messages.
      ok = fetched == NATS_TIMEOUT || !Failed(fetched, "fetch");
      for (int i = 0; ok && i < list.Count; ++i) {
        ok = !Failed(natsMsg_Ack(list.Msgs[i], nullptr), "acknowledge");
      }
      acked += list.Count;
      if (list.Count > 0) last_ack = watch.Seconds();
      natsMsgList_Destroy(&list);
    }
    ok = ok && !Failed(natsConnection_Flush(session.connection), "flush");
  }
};

int Pull() {
  std::vector<std::unique_ptr<Fetcher>> fetchers;
  for (int i = 0; i < absl::GetFlag(FLAGS_fetchers); ++i) {
    fetchers.push_back(std::make_unique<Fetcher>());
    if (!fetchers.back()->Open()) return 1;
  }
  const int64_t available = Available(fetchers.front()->session);
  if (available < 0) return 1;
  std::atomic<int64_t> acked{0};
  const Stopwatch watch;
  std::vector<std::thread> threads;
  for (const auto& fetcher : fetchers) {
    threads.emplace_back([&, f = fetcher.get()] { f->Run(available, watch, acked); });
  }
  for (std::thread& thread : threads) thread.join();
  double seconds = 0;  // Excludes the wait of threads after the last message.
  for (const auto& fetcher : fetchers) {
    if (!fetcher->ok) return 1;
    seconds = std::max(seconds, fetcher->last_ack);
    natsSubscription_Destroy(fetcher->subscription);
  }
  const auto events = static_cast<double>(acked.load());
  PrintResult("nats_pull", {{"events", events}, {"events_per_s", events / seconds}});
  return 0;
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const std::string mode = absl::GetFlag(FLAGS_mode);
  int code = 2;
  if (mode == "publish") {
    code = eventhub::benchmark::Publish();
  } else if (mode == "read") {
    code = eventhub::benchmark::Read();
  } else if (mode == "pull") {
    code = eventhub::benchmark::Pull();
  } else {
    std::fprintf(stderr, "unknown --mode=%s\n", mode.c_str());
  }
  nats_Close();
  return code;
}
