// The gRPC connection against peers that are not hubs: one that accepts connections and never
// answers, one that acts while its transport reports a failure, one that starts late, and none.

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "client/src/connection/grpc_thread.h"
#include "eventhub/connection.h"
#include "eventhub/error.h"
#include "eventhub/transaction.h"
#include "gtest/gtest.h"

namespace eventhub::client {
namespace {

class SilentListener {
 public:
  explicit SilentListener(const std::string& path) : path_(path) {
    unlink(path.c_str());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
  }
  ~SilentListener() {
    close(fd_);
    unlink(path_.c_str());
  }

 private:
  const std::string path_;
  const int fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

class ClosedPromise : public PublishStream::Handler {
 public:
  void OnWritten() override {}
  void OnReply(PublishReply) override {}
  void OnClosed(absl::Status status) override { closed_.set_value(std::move(status)); }

  std::future<absl::Status> closed() { return closed_.get_future(); }

 private:
  std::promise<absl::Status> closed_;
};

TEST(GrpcPublishStreamTest, DestructorCancelsStream) {
  const std::string path = testing::TempDir() + "silent-" + std::to_string(getpid()) + ".sock";
  const SilentListener listener(path);
  const std::shared_ptr<Connection> connection = Connect("unix:" + path);
  const auto handler = std::make_shared<ClosedPromise>();
  std::future<absl::Status> closed = handler->closed();
  std::shared_ptr<PublishStream> stream = connection->publish_streams().OpenPublishStream(handler);
  stream.reset();
  EXPECT_EQ(closed.get().code(), absl::StatusCode::kCancelled);
}

// Holds the last reference to a connection until the stream closes, on a thread of gRPC's.
class LastOwner : public PublishStream::Handler {
 public:
  explicit LastOwner(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  void OnWritten() override {}
  void OnReply(PublishReply) override {}
  void OnClosed(absl::Status) override {
    connection_.reset();
    dropped_.set_value();
  }

  std::future<void> dropped() { return dropped_.get_future(); }

 private:
  std::shared_ptr<Connection> connection_;
  std::promise<void> dropped_;
};

// Reports its destruction.
struct Witness {
  ~Witness() { std::fputs("the connection is destroyed", stderr); }
};

[[noreturn]] void ExitWhileTheConnectionIsDestroyed() {
  std::shared_ptr<Connection> connection = Connect("unix:/nonexistent/hub.sock");
  Connection& hub = *connection;
  hub.RunAfter(absl::Hours(1), [witness = std::make_unique<Witness>()] {});
  const auto owner = std::make_shared<LastOwner>(std::move(connection));
  std::future<void> dropped = owner->dropped();
  std::shared_ptr<PublishStream> stream = hub.publish_streams().OpenPublishStream(owner);
  dropped.wait();
  stream.reset();  // The connection waits for it.
  std::exit(0);
}

TEST(GrpcConnectionDeathTest, ExitWaitsForConnectionReleasedByGrpc) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(ExitWhileTheConnectionIsDestroyed(), testing::ExitedWithCode(0),
              "the connection is destroyed");
}

TEST(GrpcConnectionTest, CancelsBlockedAndLaterCalls) {
  const std::string path = testing::TempDir() + "silent-calls-" + std::to_string(getpid());
  const SilentListener listener(path);
  const std::shared_ptr<Connection> connection = Connect("unix:" + path);
  std::future<absl::Status> first = std::async(std::launch::async, [&] {
    return connection->health().GetStats(absl::InfiniteDuration()).status();
  });
  std::future<absl::Status> second = std::async(std::launch::async, [&] {
    return connection->health().CheckHealth("", absl::InfiniteDuration()).status();
  });
  connection->CancelCalls();
  EXPECT_EQ(first.get().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(second.get().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(connection->topics().GetTopic("t", absl::InfiniteDuration()).status().code(),
            absl::StatusCode::kCancelled);
}

// A server that accepts any call, and then ends it with a status that comes from gRPC and not from
// a hub.
class TransportThatFails : private grpc::CallbackGenericService {
 public:
  explicit TransportThatFails(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }

  void FailWith(int code) { code_ = code; }
  int port() const { return port_; }
  int acted() const { return acted_; }

 private:
  class Call : public grpc::ServerGenericBidiReactor {
   public:
    explicit Call(TransportThatFails& owner) : owner_(owner) { StartRead(&request_); }

   private:
    void OnReadDone(bool ok) override {
      if (ok) ++owner_.acted_;
      Finish(grpc::Status(static_cast<grpc::StatusCode>(owner_.code_.load()), "reset"));
    }
    void OnDone() override { delete this; }

    TransportThatFails& owner_;
    grpc::ByteBuffer request_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Call(*this);
  }

  std::atomic<int> code_{14};
  std::atomic<int> acted_{0};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST(OutcomeTest, IsUnknownAfterTransportErrors) {
  const std::string path = "unix:" + testing::TempDir() + "fails-" + std::to_string(getpid());
  TransportThatFails local(path);
  TransportThatFails remote("127.0.0.1:0");
  for (const auto& hub : {Connect(path), Connect("unix://" + path.substr(5)),
                          Connect("localhost:" + std::to_string(remote.port())),
                          Connect("ipv4:127.0.0.1:" + std::to_string(remote.port()))}) {
    for (const int code : {1, 2, 4, 7, 8, 12, 13, 14, 16}) {
      local.FailWith(code);
      remote.FailWith(code);
      const absl::Status created =
          hub->topics().CreateTopic({.name = "t"}, absl::InfiniteDuration()).status();
      // CANCELLED is reported only for calls that this program cancelled.
      EXPECT_EQ(static_cast<int>(created.code()), code == 1 ? 14 : code);
      EXPECT_TRUE(OutcomeIsUnknown(created)) << created;
      EXPECT_TRUE(OutcomeIsUnknown(
          hub->transactions().Transact(Transaction(), absl::InfiniteDuration()).status()));
    }
  }
  EXPECT_EQ(local.acted(), 2 * 2 * 9);
  EXPECT_EQ(remote.acted(), 2 * 2 * 9);
}

TEST(OutcomeTest, IsKnownForReadOnlyCalls) {
  TransportThatFails hub("127.0.0.1:0");
  const auto connection = Connect("127.0.0.1:" + std::to_string(hub.port()));
  const auto outcome_is_unknown = [&](bool dry_run) {
    constexpr absl::Duration kTimeout = absl::InfiniteDuration();
    return std::vector<bool>{
        OutcomeIsUnknown(
            connection->subscriptions().SeekSubscription("s", {}, dry_run, kTimeout).status()),
        OutcomeIsUnknown(
            connection->subscriptions().ReplaySubscription("s", {}, dry_run, kTimeout).status()),
        OutcomeIsUnknown(
            connection->dead_letters().RedriveDeadLetters("s", {}, dry_run, kTimeout).status()),
        OutcomeIsUnknown(
            connection->dead_letters().DiscardDeadLetters("s", {}, dry_run, kTimeout).status()),
        OutcomeIsUnknown(
            connection->topology().ApplyTopology({}, {.dry_run = dry_run}, kTimeout).status())};
  };
  EXPECT_EQ(outcome_is_unknown(/*dry_run=*/false), std::vector<bool>(5, true));
  EXPECT_EQ(outcome_is_unknown(/*dry_run=*/true), std::vector<bool>(5, false));
  EXPECT_FALSE(
      OutcomeIsUnknown(connection->topics().GetTopic("t", absl::InfiniteDuration()).status()));
  EXPECT_FALSE(
      OutcomeIsUnknown(connection->health().CheckHealth("", absl::InfiniteDuration()).status()));
}

TEST(ChannelUsersTest, AwaitNoneTimesOut) {
  const auto users = std::make_shared<ChannelUsers>();
  auto use = std::make_unique<ChannelUse>(users);
  EXPECT_FALSE(users->AwaitNone(absl::Milliseconds(1)));
  use.reset();
  EXPECT_TRUE(users->AwaitNone(absl::Seconds(10)));
}

TEST(WaitingCallsTest, RetriesOnlyReadOnlyCalls) {
  TransportThatFails hub("127.0.0.1:0");
  const auto connection = Connect("127.0.0.1:" + std::to_string(hub.port()));
  EXPECT_EQ(connection->topics().CreateTopic({.name = "t"}, absl::Seconds(10)).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(hub.acted(), 1);
  EXPECT_EQ(connection->topics().GetTopic("t", absl::Seconds(10)).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(hub.acted(), 1 + 2);
  hub.FailWith(static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_EQ(connection->topics().GetTopic("t", absl::Seconds(10)).status().code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(hub.acted(), 1 + 2 + 1);
}

TEST(WaitingCallsTest, WaitForTheHubAndAreSentOnce) {
  const std::string path = testing::TempDir() + "late-" + std::to_string(getpid());
  unlink(path.c_str());
  const auto connection = Connect("unix:" + path);
  std::future<absl::Status> waiting = std::async(std::launch::async, [&] {
    return connection->topics().CreateTopic({.name = "t"}, absl::InfiniteDuration()).status();
  });
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  TransportThatFails hub("unix:" + path);
  hub.FailWith(static_cast<int>(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(waiting.get().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(hub.acted(), 1);
}

TEST(WaitingCallsTest, ReportWhyTheHubWasUnreachable) {
  const auto connection = Connect("unix:/nonexistent/hub.sock");
  const absl::Status status = connection->health().GetStats(absl::Milliseconds(50)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("No such file"), absl::string_view::npos) << status;
}

TEST(OutcomeTest, IsKnownForUnsentCalls) {
  const std::string path = testing::TempDir() + "silent-outcome-" + std::to_string(getpid());
  const SilentListener listener(path);
  for (const std::string& address :
       {"unix:" + path, std::string("unix:/nonexistent/hub.sock"), std::string("127.0.0.1:1")}) {
    const absl::Status created =
        Connect(address)->topics().CreateTopic({.name = "t"}, absl::Milliseconds(100)).status();
    EXPECT_FALSE(created.ok());
    EXPECT_FALSE(OutcomeIsUnknown(created)) << created;
  }
  const std::shared_ptr<Connection> connection = Connect("unix:/nonexistent/hub.sock");
  const auto handler = std::make_shared<ClosedPromise>();
  std::future<absl::Status> closed = handler->closed();
  const std::shared_ptr<PublishStream> stream =
      connection->publish_streams().OpenPublishStream(handler);
  EXPECT_FALSE(OutcomeIsUnknown(closed.get()));
}

}  // namespace
}  // namespace eventhub::client
