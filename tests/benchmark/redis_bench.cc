// Redis Streams under the hub's workloads: pipelined XADD, or XREAD of the whole stream. Each
// producer is a thread with its own connection. The value of the single field is as long as the
// hub's encoded events. The server's `appendfsync` determines the durability. Example:
//   redis_bench --mode=publish --port=6379 --event_bytes=100 --producers=4
#include <hiredis/hiredis.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(std::string, mode, "publish",
          "publish: deletes the stream, then adds to it; read: reads all of it");
ABSL_FLAG(int, port, 6379, "the server's port on this machine");
ABSL_FLAG(int, event_bytes, 100, "size of a value");
ABSL_FLAG(int, producers, 1, "publishing threads");
ABSL_FLAG(int, pipeline, 1024, "commands of a producer in flight");
ABSL_FLAG(double, seconds, 3, "how long to publish, or to read at most");

namespace eventhub::benchmark {
namespace {

// The number of commands sent, and of entries read, at a time.
constexpr int kSendBatch = 128;
constexpr int kReadBatch = 1000;

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;
using Reply = std::unique_ptr<redisReply, FreeReply>;

Context Connect() {
  Context context(redisConnect("127.0.0.1", absl::GetFlag(FLAGS_port)));
  if (context == nullptr || context->err != 0) {
    std::fprintf(stderr, "connect: %s\n", context ? context->errstr : "out of memory");
    return nullptr;
  }
  return context;
}

// Returns the next reply, or prints the cause and returns null if there is none or it is an error.
Reply NextReply(redisContext& context) {
  void* raw = nullptr;
  if (redisGetReply(&context, &raw) != REDIS_OK) {
    std::fprintf(stderr, "read a reply: %s\n", context.errstr);
    return nullptr;
  }
  Reply reply(static_cast<redisReply*>(raw));
  if (reply->type == REDIS_REPLY_ERROR) {
    std::fprintf(stderr, "refused: %s\n", reply->str);
    return nullptr;
  }
  return reply;
}

// Adds entries until the time is up and everything is acknowledged.
void Produce(redisContext& context, std::atomic<int64_t>& published, std::atomic<bool>& failed) {
  const std::string payload(absl::GetFlag(FLAGS_event_bytes), 'x');
  const char* words[] = {"XADD", "benchmark", "*", "d", payload.data()};
  const size_t lengths[] = {4, 9, 1, 1, payload.size()};
  const double seconds = absl::GetFlag(FLAGS_seconds);
  const int window = std::max(kSendBatch, absl::GetFlag(FLAGS_pipeline));
  const Stopwatch watch;
  int64_t sent = 0;
  int64_t acknowledged = 0;
  bool over = false;
  while (!over || acknowledged < sent) {
    over = over || watch.Seconds() >= seconds;
    for (int i = 0; !over && i < kSendBatch; ++i, ++sent) {
      redisAppendCommandArgv(&context, 5, words, lengths);
    }
    // The commands are written when the first reply is requested.
    while (acknowledged < sent && (over || sent - acknowledged > window - kSendBatch)) {
      if (NextReply(context) == nullptr) {
        failed = true;
        return;
      }
      ++acknowledged;
    }
  }
  published += acknowledged;
}

int Publish() {
  const Context control = Connect();
  if (control == nullptr) return 1;
  redisAppendCommand(control.get(), "DEL benchmark");
  if (NextReply(*control) == nullptr) return 1;
  std::vector<Context> contexts;
  for (int i = 0; i < absl::GetFlag(FLAGS_producers); ++i) {
    contexts.push_back(Connect());
    if (contexts.back() == nullptr) return 1;
  }
  std::atomic<int64_t> published{0};
  std::atomic<bool> failed{false};
  const Stopwatch watch;
  std::vector<std::thread> threads;
  for (const Context& context : contexts) {
    threads.emplace_back([&, c = context.get()] { Produce(*c, published, failed); });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) return 1;
  const auto events = static_cast<double>(published.load());
  PrintResult("redis_publish", {{"events", events}, {"events_per_s", events / watch.Seconds()}});
  return 0;
}

int Read() {
  const Context context = Connect();
  if (context == nullptr) return 1;
  const double seconds = absl::GetFlag(FLAGS_seconds);
  std::string last = "0";
  double events = 0;
  const Stopwatch watch;
  while (watch.Seconds() < seconds) {
    redisAppendCommand(context.get(), "XREAD COUNT %d STREAMS benchmark %s", kReadBatch,
                       last.c_str());
    const Reply reply = NextReply(*context);
    if (reply == nullptr) return 1;
    if (reply->type != REDIS_REPLY_ARRAY) break;  // nil: the end
    // [[key, [[id, fields], ...]]]
    const redisReply& entries = *reply->element[0]->element[1];
    events += static_cast<double>(entries.elements);
    last = entries.element[entries.elements - 1]->element[0]->str;
  }
  PrintResult("redis_read", {{"events", events}, {"events_per_s", events / watch.Seconds()}});
  return 0;
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const std::string mode = absl::GetFlag(FLAGS_mode);
  if (mode == "publish") return eventhub::benchmark::Publish();
  if (mode == "read") return eventhub::benchmark::Read();
  std::fprintf(stderr, "unknown --mode=%s\n", mode.c_str());
  return 2;
}
