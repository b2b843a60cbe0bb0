#include "eventhub/testing/in_memory_hub.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/server.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/memory_files.h"

namespace eventhub::client {
namespace {

constexpr absl::Duration kShutdownGrace = absl::Seconds(5);
constexpr absl::Duration kReconnectDelay = absl::Milliseconds(100);
constexpr size_t kTailCacheBytes = size_t{16} << 20;
// Its data is not secret.
constexpr char kMasterKey[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

// A name that no other hub has. The slashes tell gRPC's name of the target from that of its peer,
// so that calls know whether they left.
std::string NewAddress() {
  absl::BitGen random;
  return absl::StrCat("unix-abstract:///eventhub-", absl::Hex(absl::Uniform<uint64_t>(random)),
                      absl::Hex(absl::Uniform<uint64_t>(random)));
}

}  // namespace

class InMemoryHub::Impl {
 public:
  Impl() { Start(); }

  std::shared_ptr<Connection> Connect() const {
    return client::Connect(address_, {.max_reconnect_delay = kReconnectDelay});
  }

  void Start() {
    MutexLock lock(mutex_);
    if (server_ != nullptr) return;
    ServerOptions options;
    options.listen = {"unix-abstract:" + address_.substr(address_.rfind('/'))};
    options.disk_threads = 1;
    options.version = "in memory";
    options.broker.clock = &clock_;
    options.broker.store.directory = "/hub";
    options.broker.store.env = files_.env();
    options.broker.tail_cache_bytes = kTailCacheBytes;
    options.broker.master_keys = *MasterKeys::Parse(kMasterKey);
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(options));
    if (!server.ok()) {
      std::fprintf(stderr, "the hub in memory cannot start: %s\n",
                   server.status().ToString().c_str());
      std::abort();
    }
    server_ = *std::move(server);
  }

  void Stop() {
    std::unique_ptr<Server> server;
    {
      MutexLock lock(mutex_);
      server = std::move(server_);
    }
    if (server != nullptr) server->Shutdown(kShutdownGrace);
  }

  void Advance(absl::Duration by) {
    MutexLock lock(mutex_);
    clock_.Advance(by);
    if (server_ != nullptr) server_->OnClockMoved();
  }

  absl::Time Now() const { return clock_.Now(); }

 private:
  // The system's clock, moved forward.
  class ForwardClock final : public Clock {
   public:
    absl::Time Now() const override { return Clock::System().Now() + ahead(); }
    absl::Duration Monotonic() const override { return Clock::System().Monotonic() + ahead(); }

    void Advance(absl::Duration by) {
      MutexLock lock(mutex_);
      ahead_ += by;
    }

   private:
    absl::Duration ahead() const {
      MutexLock lock(mutex_);
      return ahead_;
    }

    mutable Mutex mutex_;
    absl::Duration ahead_ ABSL_GUARDED_BY(mutex_);
  };

  const std::string address_ = NewAddress();
  ForwardClock clock_;
  MemoryFiles files_;
  Mutex mutex_;
  std::unique_ptr<Server> server_ ABSL_GUARDED_BY(mutex_);
};

InMemoryHub::InMemoryHub() : impl_(std::make_unique<Impl>()) {}

InMemoryHub::~InMemoryHub() { impl_->Stop(); }

std::shared_ptr<Connection> InMemoryHub::Connect() { return impl_->Connect(); }

void InMemoryHub::Advance(absl::Duration by) { impl_->Advance(by); }

absl::Time InMemoryHub::Now() const { return impl_->Now(); }

void InMemoryHub::Start() { impl_->Start(); }

void InMemoryHub::Stop() { impl_->Stop(); }

void InMemoryHub::Restart() {
  impl_->Stop();
  impl_->Start();
}

}  // namespace eventhub::client
