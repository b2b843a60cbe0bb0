#include <grpcpp/generic/generic_stub.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/benchmark/measure.h"
#include "tests/benchmark/transport.h"

namespace eventhub::benchmark {
namespace {

using Reactor = grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

std::shared_ptr<grpc::Channel> Connect(const TransportOptions& options) {
  grpc::ChannelArguments args;
  if (!ParseChannelArgs(options.channel_args, args)) {
    std::fprintf(stderr, "channel arguments must be name=integer,...\n");
    return nullptr;
  }
  // Otherwise channels with equal arguments share a connection.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetMaxReceiveMessageSize(64 << 20);
  auto channel =
      grpc::CreateCustomChannel(options.address, grpc::InsecureChannelCredentials(), args);
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(5);
  if (!channel->WaitForConnected(deadline)) {
    std::fprintf(stderr, "cannot connect to %s\n", options.address.c_str());
    return nullptr;
  }
  return channel;
}

// A call with its own connection. Await() returns when the call has ended.
class Call : public Reactor {
 public:
  Call(std::shared_ptr<grpc::Channel> channel, const char* method) : stub_(std::move(channel)) {
    stub_.PrepareBidiStreamingCall(&context_, method, {}, this);
  }

  void OnDone(const grpc::Status& status) override {
    const std::lock_guard lock(done_mutex_);
    status_ = status;
    done_ = true;
    done_changed_.notify_all();
  }

  grpc::Status Await() {
    std::unique_lock lock(done_mutex_);
    done_changed_.wait(lock, [&] { return done_; });
    return status_;
  }

 private:
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::mutex done_mutex_;
  std::condition_variable done_changed_;
  grpc::Status status_;  // guarded by done_mutex_
  bool done_ = false;    // guarded by done_mutex_
};

// Sends frames for a fixed time, never more than the window ahead of the acknowledgements.
class SinkCall final : public Call {
 public:
  SinkCall(std::shared_ptr<grpc::Channel> channel, const TransportOptions& options)
      : Call(std::move(channel), kSinkMethod),
        window_(std::max<int64_t>(1, options.window_bytes / options.frame_bytes)),
        seconds_(options.seconds) {
    // A real sender does not repeatedly send the same bytes from the CPU's cache.
    for (int64_t i = 0; i < window_; ++i) frames_.push_back(MakeFrame(options.frame_bytes));
  }

  void Start() {
    StartRead(&ack_);
    AddHold();  // for writes that acknowledgements start
    StartCall();
    std::unique_lock lock(mutex_);
    Continue(lock);
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    writing_ = false;
    if (!ok) closing_ = true;
    Continue(lock);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      std::unique_lock lock(mutex_);
      ++acknowledged_;
      last_ack_ = watch_.Seconds();
      Continue(lock);
    }
    StartRead(&ack_);
  }

  // To be called after Await().
  int64_t acknowledged() const { return acknowledged_; }
  double seconds() const { return last_ack_; }

 private:
  // Starts the next write if the window allows it. `lock` holds mutex_ and may be released.
  void Continue(std::unique_lock<std::mutex>& lock) {
    if (writing_ || closed_) return;
    if (watch_.Seconds() >= seconds_) closing_ = true;
    if (closing_) {
      closed_ = true;
      lock.unlock();
      StartWritesDone();
      RemoveHold();
    } else if (sent_ - acknowledged_ < window_) {
      const grpc::ByteBuffer& frame = frames_[sent_ % window_];
      ++sent_;
      writing_ = true;
      lock.unlock();
      StartWrite(&frame);
    }
  }

  std::vector<grpc::ByteBuffer> frames_;
  const int64_t window_;  // in frames
  const double seconds_;
  const Stopwatch watch_;
  grpc::ByteBuffer ack_;
  std::mutex mutex_;
  int64_t sent_ = 0;  // guarded by mutex_, like all below
  int64_t acknowledged_ = 0;
  double last_ack_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool closed_ = false;
};

// Receives what the source sends, at full speed.
class SourceCall final : public Call {
 public:
  SourceCall(std::shared_ptr<grpc::Channel> channel, const TransportOptions& options,
             uint64_t frames)
      : Call(std::move(channel), kSourceMethod) {
    const SourceRequest request{options.frame_bytes, frames};
    const grpc::Slice slice(&request, sizeof(request));
    request_ = grpc::ByteBuffer(&slice, 1);
  }

  void Start() {
    StartRead(&frame_);
    StartWriteLast(&request_, {});
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    bytes_ += frame_.Length();
    frame_.Clear();
    StartRead(&frame_);
  }

  // To be called after Await().
  uint64_t bytes() const { return bytes_; }

 private:
  grpc::ByteBuffer request_;
  grpc::ByteBuffer frame_;
  uint64_t bytes_ = 0;
};

// CPU time of both ends, per gigabyte.
class CpuMeter {
 public:
  explicit CpuMeter(int64_t server_pid)
      : server_pid_(server_pid), client_(CpuSeconds(getpid())), server_(CpuSeconds(server_pid)) {}

  void Report(double bytes, Result& result) const {
    result.emplace_back("client_cpu_s_per_gb", (CpuSeconds(getpid()) - client_) / bytes * 1e9);
    result.emplace_back("server_cpu_s_per_gb", (CpuSeconds(server_pid_) - server_) / bytes * 1e9);
  }

 private:
  const int64_t server_pid_;
  const double client_;
  const double server_;
};

bool Failed(const grpc::Status& status) {
  if (status.ok()) return false;
  std::fprintf(stderr, "the call failed: %s\n", status.error_message().c_str());
  return true;
}

}  // namespace

int MeasureSink(const TransportOptions& options) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < options.streams; ++i) {
    channels.push_back(Connect(options));
    if (channels.back() == nullptr) return 1;
  }
  const CpuMeter cpu(options.server_pid);
  std::deque<SinkCall> calls;
  for (const auto& channel : channels) calls.emplace_back(channel, options).Start();
  double bytes = 0;
  double seconds = 0;
  for (SinkCall& call : calls) {
    if (Failed(call.Await())) return 1;
    bytes += static_cast<double>(call.acknowledged()) * static_cast<double>(options.frame_bytes);
    seconds = std::max(seconds, call.seconds());
  }
  Result result = {{"frame_bytes", static_cast<double>(options.frame_bytes)},
                   {"streams", static_cast<double>(options.streams)},
                   {"mb_per_s", bytes / seconds / 1e6}};
  cpu.Report(bytes, result);
  PrintResult("transport_sink", result);
  return 0;
}

int MeasureSource(const TransportOptions& options) {
  // A first, short call determines how many frames fill the time.
  const auto channel = Connect(options);
  if (channel == nullptr) return 1;
  const uint64_t probe = std::max<uint64_t>(1, (64 << 20) / options.frame_bytes);
  const Stopwatch probe_watch;
  SourceCall probe_call(channel, options, probe);
  probe_call.Start();
  if (Failed(probe_call.Await())) return 1;
  const auto frames = static_cast<uint64_t>(static_cast<double>(probe) * options.seconds /
                                            probe_watch.Seconds() / options.streams) +
                      1;

  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < options.streams; ++i) {
    channels.push_back(Connect(options));
    if (channels.back() == nullptr) return 1;
  }
  const CpuMeter cpu(options.server_pid);
  const Stopwatch watch;
  std::deque<SourceCall> calls;
  for (const auto& c : channels) calls.emplace_back(c, options, frames).Start();
  double bytes = 0;
  for (SourceCall& call : calls) {
    if (Failed(call.Await())) return 1;
    bytes += static_cast<double>(call.bytes());
  }
  Result result = {{"frame_bytes", static_cast<double>(options.frame_bytes)},
                   {"streams", static_cast<double>(options.streams)},
                   {"mb_per_s", bytes / watch.Seconds() / 1e6}};
  cpu.Report(bytes, result);
  PrintResult("transport_source", result);
  return 0;
}

int MeasureEcho(const TransportOptions& options) {
  const auto channel = Connect(options);
  if (channel == nullptr) return 1;
  grpc::GenericStub stub(channel);
  const grpc::ByteBuffer message = MakeFrame(options.frame_bytes);
  std::vector<double> micros;
  const Stopwatch watch;
  while (watch.Seconds() < options.seconds) {
    grpc::ClientContext context;
    grpc::ByteBuffer reply;
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    grpc::Status status;
    const Stopwatch one;
    stub.UnaryCall(&context, kEchoMethod, {}, &message, &reply, [&](const grpc::Status& s) {
      const std::lock_guard lock(mutex);
      status = s;
      done = true;
      changed.notify_one();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
    if (Failed(status)) return 1;
    micros.push_back(one.Seconds() * 1e6);
  }
  PrintResult("transport_echo",
              {{"message_bytes", static_cast<double>(options.frame_bytes)},
               {"calls_per_s", static_cast<double>(micros.size()) / watch.Seconds()},
               {"p50_us", Percentile(micros, 0.5)},
               {"p99_us", Percentile(micros, 0.99)}});
  return 0;
}

}  // namespace eventhub::benchmark
