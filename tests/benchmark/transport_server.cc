#include <grpc/grpc.h>
#include <grpcpp/generic/async_generic_service.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "tests/benchmark/transport.h"

namespace eventhub::benchmark {
namespace {

// Acknowledges each frame. Continues reading while acknowledgements wait for the one being written.
class SinkReactor final : public grpc::ServerGenericBidiReactor {
 public:
  SinkReactor() : ack_(MakeFrame(kAckBytes)) { StartRead(&frame_); }

  void OnReadDone(bool ok) override {
    std::unique_lock lock(mutex_);
    if (!ok) {
      half_closed_ = true;
    } else {
      ++owed_;
    }
    Continue(lock);
    if (ok) {
      frame_.Clear();
      StartRead(&frame_);
    }
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    writing_ = false;
    if (!ok) owed_ = 0;
    Continue(lock);
  }

  void OnDone() override { delete this; }

 private:
  // Starts the next write, or finishes the call. `lock` holds mutex_ and is released.
  void Continue(std::unique_lock<std::mutex>& lock) {
    if (writing_) return;
    if (owed_ > 0) {
      --owed_;
      writing_ = true;
      lock.unlock();
      StartWrite(&ack_);
    } else if (half_closed_ && !finished_) {
      finished_ = true;
      lock.unlock();
      Finish(grpc::Status::OK);
    }
  }

  grpc::ByteBuffer frame_;
  const grpc::ByteBuffer ack_;
  std::mutex mutex_;
  int64_t owed_ = 0;          // guarded by mutex_
  bool writing_ = false;      // guarded by mutex_
  bool half_closed_ = false;  // guarded by mutex_
  bool finished_ = false;     // guarded by mutex_
};

// Streams the requested number of frames.
class SourceReactor final : public grpc::ServerGenericBidiReactor {
 public:
  SourceReactor() { StartRead(&request_buffer_); }

  void OnReadDone(bool ok) override {
    grpc::Slice slice;
    SourceRequest request;
    if (!ok || !request_buffer_.DumpToSingleSlice(&slice).ok() || slice.size() != sizeof(request)) {
      Finish({grpc::StatusCode::INVALID_ARGUMENT, "not a SourceRequest"});
      return;
    }
    std::memcpy(&request, slice.begin(), sizeof(request));
    left_ = request.frames;
    frame_ = MakeFrame(request.frame_bytes);
    OnWriteDone(true);
  }

  void OnWriteDone(bool ok) override {
    if (!ok || left_ == 0) {
      Finish(grpc::Status::OK);
      return;
    }
    --left_;
    StartWrite(&frame_);
  }

  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer request_buffer_;
  grpc::ByteBuffer frame_;
  uint64_t left_ = 0;
};

// Echoes the one message that it receives.
class EchoReactor final : public grpc::ServerGenericBidiReactor {
 public:
  EchoReactor() { StartRead(&message_); }

  void OnReadDone(bool ok) override {
    if (ok) {
      StartWriteAndFinish(&message_, {}, grpc::Status::OK);
    } else {
      Finish({grpc::StatusCode::INVALID_ARGUMENT, "no message"});
    }
  }

  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer message_;
};

class RefusingReactor final : public grpc::ServerGenericBidiReactor {
 public:
  RefusingReactor() { Finish({grpc::StatusCode::UNIMPLEMENTED, "no such method"}); }
  void OnDone() override { delete this; }
};

class TransportService final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    if (context->method() == kSinkMethod) return new SinkReactor;
    if (context->method() == kSourceMethod) return new SourceReactor;
    if (context->method() == kEchoMethod) return new EchoReactor;
    return new RefusingReactor;
  }
};

}  // namespace

int RunTransportServer(const std::string& address, const std::string& channel_args) {
  // Keeps gRPC from shutting down at exit, which would wait up to 10 s for its backup poller.
  grpc_init();
  TransportService service;
  grpc::ServerBuilder builder;
  int port = 0;
  if (!ParseChannelArgs(channel_args, builder)) {
    std::fprintf(stderr, "channel arguments must be name=integer,...\n");
    return 2;
  }
  builder.SetMaxReceiveMessageSize(64 << 20);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "cannot listen on %s\n", address.c_str());
    return 1;
  }
  if (address.rfind("unix:", 0) == 0) {
    std::puts(address.c_str());
  } else {
    std::printf("localhost:%d\n", port);
  }
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return 0;
}

}  // namespace eventhub::benchmark
