// A connection that breaks while a request is in doubt: whatever ends the call, and however the hub
// is addressed, the request does not count as never sent.

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/connection.h"
#include "eventhub/error.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"
#include "tests/support/tcp_proxy.h"

namespace eventhub::client {
namespace {

constexpr int kBrokenConnections = 100;

// A server that receives requests, and ends no call. It replies to the requests of streams.
class UnfinishedCalls : private grpc::CallbackGenericService {
 public:
  UnfinishedCalls() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  int received() const { return received_; }

 private:
  class Call : public grpc::ServerGenericBidiReactor {
   public:
    Call(UnfinishedCalls& owner, bool replies) : owner_(owner), replies_(replies) {
      StartRead(&request_);
    }

   private:
    void OnReadDone(bool ok) override {
      if (!ok) return;
      ++owner_.received_;
      if (replies_) StartWrite(&reply_);
    }
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

    UnfinishedCalls& owner_;
    const bool replies_;
    grpc::ByteBuffer request_;
    grpc::Slice empty_;
    grpc::ByteBuffer reply_{&empty_, 1};
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Call(*this, context->method() == "/eventhub.v1.EventHubService/PublishStream");
  }

  std::atomic<int> received_{0};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class ReplyAndEnd : public PublishStream::Handler {
 public:
  void OnWritten() override {}
  void OnReply(PublishReply) override { replied_.set_value(); }
  void OnClosed(absl::Status status) override { closed_.set_value(std::move(status)); }

  std::future<void> replied() { return replied_.get_future(); }
  std::future<absl::Status> closed() { return closed_.get_future(); }

 private:
  std::promise<void> replied_;
  std::promise<absl::Status> closed_;
};

// The proxy's address, in one of the forms that gRPC resolves differently.
std::string AddressOf(const TcpProxy& proxy, int form) {
  constexpr const char* kHosts[] = {"127.0.0.1", "localhost", "ipv4:127.0.0.1", "dns:///localhost"};
  return kHosts[form % 4] + proxy.address().substr(proxy.address().rfind(':'));
}

TEST(BrokenConnectionTest, LeavesStreamInDoubt) {
  UnfinishedCalls hub;
  for (int i = 0; i < kBrokenConnections; ++i) {
    TcpProxy proxy(hub.address());
    const std::shared_ptr<Connection> connection = Connect(AddressOf(proxy, i));
    const auto handler = std::make_shared<ReplyAndEnd>();
    std::future<void> replied = handler->replied();
    std::future<absl::Status> closed = handler->closed();
    const std::shared_ptr<PublishStream> stream =
        connection->publish_streams().OpenPublishStream(handler);
    stream->Write("", Bytes());
    replied.get();
    std::thread cut([&] { proxy.Cut(); });
    if (i / 4 % 2 == 1) stream->Cancel();
    const absl::Status status = closed.get();
    cut.join();
    EXPECT_TRUE(OutcomeIsUnknown(status)) << AddressOf(proxy, i) << ": " << status;
  }
}

// The call ends by its deadline, by CancelCalls, or because the connection breaks at the same time.
TEST(BrokenConnectionTest, LeavesCallInDoubt) {
  UnfinishedCalls hub;
  for (int i = 0; i < kBrokenConnections; ++i) {
    TcpProxy proxy(hub.address());
    const std::shared_ptr<Connection> connection = Connect(AddressOf(proxy, i));
    const bool cancels = i / 4 % 2 == 1;
    const int before = hub.received();
    std::future<absl::Status> call = std::async(std::launch::async, [&] {
      return connection->topics()
          .CreateTopic({.name = "t"}, cancels ? absl::InfiniteDuration() : absl::Milliseconds(20))
          .status();
    });
    const bool sent = Eventually([&] { return hub.received() > before; },
                                 absl::Milliseconds(cancels ? 30'000 : 15));
    std::thread cut([&] { proxy.Cut(); });
    if (cancels) connection->CancelCalls();
    const absl::Status status = call.get();
    cut.join();
    EXPECT_FALSE(status.ok());
    if (sent) {
      EXPECT_TRUE(OutcomeIsUnknown(status)) << AddressOf(proxy, i) << ": " << status;
    }
  }
}

}  // namespace
}  // namespace eventhub::client
