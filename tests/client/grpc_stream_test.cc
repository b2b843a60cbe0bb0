// The gRPC connection against a peer that accepts connections and never says a word.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <string>

#include "eventhub/connection.h"
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

TEST(GrpcPublishStreamTest, IsCancelledWhenItsLastReferenceGoes) {
  const std::string path = testing::TempDir() + "silent-" + std::to_string(getpid()) + ".sock";
  const SilentListener listener(path);
  const std::shared_ptr<Connection> connection = Connect("unix:" + path);
  const auto handler = std::make_shared<ClosedPromise>();
  std::future<absl::Status> closed = handler->closed();
  std::shared_ptr<PublishStream> stream = connection->OpenPublishStream(handler);
  stream.reset();
  EXPECT_EQ(closed.get().code(), absl::StatusCode::kCancelled);
}

TEST(GrpcConnectionTest, BlockedCallsAreCancelledAndLaterOnesToo) {
  const std::string path = testing::TempDir() + "silent-calls-" + std::to_string(getpid());
  const SilentListener listener(path);
  const std::shared_ptr<Connection> connection = Connect("unix:" + path);
  std::future<absl::Status> first = std::async(
      std::launch::async, [&] { return connection->GetStats(absl::InfiniteDuration()).status(); });
  std::future<absl::Status> second = std::async(std::launch::async, [&] {
    return connection->CheckHealth("", absl::InfiniteDuration()).status();
  });
  connection->CancelCalls();
  EXPECT_EQ(first.get().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(second.get().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(connection->GetTopic("t", absl::InfiniteDuration()).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace eventhub::client
