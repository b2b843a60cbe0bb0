// Which connections are admitted, and which are cut off.
#include "server/rpc/connection_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_clock.h"

namespace eventhub {
namespace {

// A TCP connection of this process to itself.
class Pair {
 public:
  Pair() {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    bind(listener, reinterpret_cast<sockaddr*>(&name), size);
    listen(listener, 1);
    getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size);
    client_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(client_, reinterpret_cast<sockaddr*>(&name), size), 0);
    server_ = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    close(listener);
  }
  Pair(Pair&& other) noexcept
      : client_(std::exchange(other.client_, -1)), server_(std::exchange(other.server_, -1)) {}
  ~Pair() {
    if (client_ >= 0) close(client_);
    if (server_ >= 0) close(server_);
  }

  // For the table, which closes it.
  int Watched() const { return dup(server_); }
  // Returns when all of it has arrived and been read.
  void Send(size_t bytes) {
    std::string piece(64 << 10, 'x');
    for (size_t sent = 0; sent < bytes; sent += piece.size()) {
      ASSERT_EQ(send(client_, piece.data(), piece.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(piece.size()));
      ASSERT_EQ(recv(server_, piece.data(), piece.size(), MSG_WAITALL),
                static_cast<ssize_t>(piece.size()));
    }
  }
  bool CutOff() const {
    char byte;
    return recv(client_, &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  int client_;
  int server_;
};

PeerAddress From(const std::string& host, int port = 1) {
  return {host, "ipv4:" + host + ":" + std::to_string(port)};
}

class ConnectionTableTest : public testing::Test {
 protected:
  static ConnectionLimits Limits() {
    ConnectionLimits limits;
    limits.total = 5;
    limits.per_peer = 3;
    limits.new_per_second = 4;
    return limits;
  }

  bool Admit(ConnectionTable& table, const PeerAddress& peer) {
    pairs_.emplace_back();
    const int watched = pairs_.back().Watched();
    const bool admitted = table.Admit(peer, watched);
    if (!admitted) {
      close(watched);
      pairs_.pop_back();
    } else {
      watched_.push_back(watched);
    }
    return admitted;
  }

  FakeClock clock_;
  PublishLimits publish_limits_{PublishLimitOptions()};
  Metrics metrics_;
  ConnectionTable table_{Limits(), publish_limits_, clock_, metrics_};
  std::vector<Pair> pairs_;
  std::vector<int> watched_;
};

TEST(PublishLimitsTest, LeaveAPartForOtherHosts) {
  constexpr size_t kMiB = size_t{1} << 20;
  PublishLimits limits({.connection_bytes = 2 * kMiB, .total_bytes = 8 * kMiB});
  std::vector<std::shared_ptr<PublishLimits::Connection>> connections;
  for (int port = 1; port <= 4; ++port) {
    connections.push_back(limits.Connect(absl::StrCat("ipv4:10.0.0.1:", port)));
  }
  const auto neighbour = limits.Connect("ipv4:10.0.0.2:1");
  for (int i = 0; i < 3; ++i) connections[i]->Add(2 * kMiB);
  EXPECT_TRUE(connections[3]->spent()) << "a new connection is no way around the limit";
  EXPECT_EQ(connections[3]->culprit(), "the connections of this host");
  EXPECT_FALSE(neighbour->spent());
  connections[0]->Release(2 * kMiB);
  EXPECT_FALSE(connections[3]->spent());
  // The host is forgotten with its last connection.
  for (int i = 1; i < 3; ++i) connections[i]->Release(2 * kMiB);
  connections.clear();
  EXPECT_FALSE(limits.Connect("ipv4:10.0.0.1:9")->spent());
  EXPECT_EQ(limits.in_flight_bytes(), 0u);
}

TEST_F(ConnectionTableTest, LimitsConnectionsPerHostAndInTotal) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Admit(table_, From("10.0.0.1", i)));
  EXPECT_FALSE(Admit(table_, From("10.0.0.1", 4)));
  EXPECT_TRUE(Admit(table_, From("10.0.0.2")));
  EXPECT_TRUE(Admit(table_, From("10.0.0.3")));
  EXPECT_FALSE(Admit(table_, From("10.0.0.4")));
  EXPECT_EQ(table_.size(), 5u);
  table_.Remove(watched_.back());
  EXPECT_TRUE(Admit(table_, From("10.0.0.4")));
  EXPECT_EQ(table_.counters().accepted.value(), 6u);
  EXPECT_EQ(table_.counters().refused.value(), 2u);
}

TEST_F(ConnectionTableTest, LimitsNewConnectionsPerSecond) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(Admit(table_, From("10.0.0.1", i)));
    table_.Remove(watched_.back());
  }
  EXPECT_FALSE(Admit(table_, From("10.0.0.1", 5)));
  EXPECT_TRUE(Admit(table_, From("10.0.0.2", 5)));  // Another host has its own.
  clock_.Advance(absl::Milliseconds(300));
  EXPECT_TRUE(Admit(table_, From("10.0.0.1", 6)));
}

TEST_F(ConnectionTableTest, ShedsConnectionsThatSendUselessBytes) {
  const PeerAddress bad = From("10.0.0.1");
  const PeerAddress good = From("10.0.0.2");
  ASSERT_TRUE(Admit(table_, bad));
  ASSERT_TRUE(Admit(table_, good));
  ASSERT_TRUE(Admit(table_, From("10.0.0.3")));
  table_.Sample();
  pairs_[0].Send(4 << 20);
  pairs_[1].Send(4 << 20);
  publish_limits_.Connect(good.name)->Add(4 << 20);  // What it sent became requests.
  table_.Sample();
  EXPECT_EQ(table_.Shed(), 1u);
  EXPECT_TRUE(pairs_[0].CutOff());
  EXPECT_FALSE(pairs_[1].CutOff());
  EXPECT_FALSE(pairs_[2].CutOff());
  EXPECT_EQ(table_.Shed(), 0u);
  // Its host is refused for a while.
  EXPECT_FALSE(Admit(table_, From("10.0.0.1", 2)));
  clock_.Advance(absl::Seconds(4));
  EXPECT_TRUE(Admit(table_, From("10.0.0.1", 3)));
}

// Many small requests come with a lot of frames and headers.
TEST_F(ConnectionTableTest, ToleratesOverheadOfRequests) {
  const PeerAddress busy = From("10.0.0.1");
  ASSERT_TRUE(Admit(table_, busy));
  table_.Sample();
  pairs_[0].Send(10 << 20);
  const auto share = publish_limits_.Connect(busy.name);
  share->NoteTaken(6 << 20);
  table_.Sample();
  EXPECT_EQ(table_.Shed(), 0u);
  pairs_[0].Send(4 << 20);
  table_.Sample();
  EXPECT_EQ(table_.Shed(), 1u);
}

TEST_F(ConnectionTableTest, IgnoresOldTraffic) {
  ASSERT_TRUE(Admit(table_, From("10.0.0.1")));
  pairs_[0].Send(8 << 20);
  table_.Sample();
  clock_.Advance(absl::Seconds(20));
  table_.Sample();
  EXPECT_EQ(table_.Shed(), 0u);
}

TEST_F(ConnectionTableTest, ShedHostClosesHostWithMostConnections) {
  Metrics metrics;
  ConnectionTable table({.total = 100, .per_peer = 100, .new_per_second = 100}, publish_limits_,
                        clock_, metrics);
  for (int i = 0; i < 15; ++i) ASSERT_TRUE(Admit(table, From("10.0.0.1", i)));
  ASSERT_TRUE(Admit(table, From("10.0.0.2")));
  EXPECT_EQ(table.ShedHost(), 0u);  // Too few.
  for (int i = 15; i < 20; ++i) ASSERT_TRUE(Admit(table, From("10.0.0.1", i)));
  EXPECT_EQ(table.ShedHost(), 20u);
  EXPECT_TRUE(pairs_[0].CutOff());
  EXPECT_FALSE(pairs_[15].CutOff());
  EXPECT_FALSE(Admit(table, From("10.0.0.1", 20)));
  EXPECT_TRUE(Admit(table, From("10.0.0.2", 2)));
}

TEST_F(ConnectionTableTest, ClosesSilentConnections) {
  ASSERT_TRUE(Admit(table_, From("10.0.0.1")));
  ASSERT_TRUE(Admit(table_, From("10.0.0.2")));
  for (Pair& pair : pairs_) pair.Send(64 << 10);
  table_.MarkReceived();
  pairs_[1].Send(64 << 10);
  table_.CloseSilent();
  EXPECT_TRUE(pairs_[0].CutOff());
  EXPECT_FALSE(pairs_[1].CutOff());
}

TEST_F(ConnectionTableTest, ClosedForATimeExceptToAFew) {
  Metrics metrics;
  ConnectionTable table({.total = 100, .per_peer = 100, .new_per_second = 100}, publish_limits_,
                        clock_, metrics);
  table.SetClosed(true);
  for (size_t i = 0; i < ConnectionTable::kAlways; ++i) {
    ASSERT_TRUE(Admit(table, From("10.0.0.1", static_cast<int>(i))));
  }
  for (int i = 0; i < 3; ++i) {  // Beyond these, one by one.
    EXPECT_TRUE(Admit(table, From("10.0.0.2")));
    EXPECT_FALSE(Admit(table, From("10.0.0.2")));
    clock_.Advance(ConnectionTable::kTrickle);
  }
  table.SetClosed(false);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Admit(table, From("10.0.0.2", i)));
}

TEST(PeerTest, UsesPeerNamesOfGrpc) {
  sockaddr_storage address = {};
  auto& ipv6 = reinterpret_cast<sockaddr_in6&>(address);
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(5);
  inet_pton(AF_INET6, "2001:db8:1:2:3::4", &ipv6.sin6_addr);
  EXPECT_EQ(PeerOf(address).host, "2001:db8:1:2::/64");
  EXPECT_EQ(PeerOf(address).name, "ipv6:%5B2001:db8:1:2:3::4%5D:5");
  inet_pton(AF_INET6, "::ffff:10.1.2.3", &ipv6.sin6_addr);
  EXPECT_EQ(PeerOf(address).host, "10.1.2.3");
  EXPECT_EQ(PeerOf(address).name, "ipv4:10.1.2.3:5");
}

}  // namespace
}  // namespace eventhub
