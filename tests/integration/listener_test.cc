// The addresses at which a hub can be reached.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/support/hub_calls.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

class ListenerTest : public testing::Test {
 protected:
  static absl::StatusOr<std::unique_ptr<Server>> Start(GatedMemory& memory,
                                                       std::vector<std::string> listen) {
    ServerOptions options = TestServerOptions();
    options.broker.store.env = memory.env();
    options.listen = std::move(listen);
    return Server::Start(std::move(options));
  }
  std::string socket() const { return "unix:" + (directory_ / "socket"); }

  TempDirectory directory_;
};

TEST_F(ListenerTest, ListensOnTcpAndUnixSockets) {
  GatedMemory memory;
  const auto server = Start(memory, {"127.0.0.1:0", socket(), "[::1]:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  const std::vector<std::string>& addresses = (*server)->addresses();
  ASSERT_EQ(addresses.size(), 3u);
  EXPECT_THAT(addresses[0], testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  EXPECT_EQ(addresses[1], socket());
  EXPECT_THAT(addresses[2], testing::MatchesRegex("\\[::1\\]:[1-9][0-9]*"));
  for (const std::string& address : addresses) {
    HubClient client(address);
    EXPECT_EQ(GetStats(client).version(), "test") << address;
  }
}

TEST_F(ListenerTest, RejectsPortInUse) {
  GatedMemory memory;
  GatedMemory other;
  const auto first = Start(memory, {"127.0.0.1:0"});
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string taken = (*first)->addresses()[0];
  const auto second = Start(other, {"127.0.0.1:0", taken});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.status().message(), "cannot listen on " + taken + ": Address already in use");
}

TEST_F(ListenerTest, ReplacesStaleSocket) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (directory_ / "socket").c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
  GatedMemory memory;
  const auto server = Start(memory, {socket()});
  ASSERT_TRUE(server.ok()) << server.status();
  HubClient client(socket());
  EXPECT_EQ(GetStats(client).version(), "test");
}

TEST_F(ListenerTest, RejectsSocketInUse) {
  GatedMemory memory;
  GatedMemory other;
  const auto first = Start(memory, {socket()});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Start(other, {socket()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.status().message(),
            "cannot listen on " + socket() + ": another process is listening");
  HubClient client(socket());
  EXPECT_EQ(GetStats(client).version(), "test");
}

TEST_F(ListenerTest, NamesInvalidAddress) {
  const std::pair<std::string, std::string> addresses[] = {
      {"no-such-host.invalid:1", ""},  // The message is the resolver's.
      {"unix:/no/such/directory/socket", ": No such file or directory"},
      {absl::StrCat("unix:/", std::string(200, 'x')), ": the path is too long"},
  };
  for (const auto& [address, why] : addresses) {
    GatedMemory memory;
    const auto server = Start(memory, {address});
    EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(server.status().message()),
                testing::StartsWith("cannot listen on " + address + why));
  }
}

}  // namespace
}  // namespace eventhub
