// deploy/proxy in front of a hub: it stops what gRPC cannot bound.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "tests/abuse/attacks.h"
#include "tests/abuse/neighbour.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_process.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temp_directory.h"

namespace eventhub::abuse {
namespace {

constexpr absl::Duration kProxyAttack = absl::Seconds(2);

// HAProxy with the configuration in deploy/. It is killed with the test.
class Proxy {
 public:
  static std::string Program() {
    for (const char* path : {"/usr/sbin/haproxy", "/usr/local/sbin/haproxy"}) {
      if (std::filesystem::exists(path)) return path;
    }
    return "";
  }

  explicit Proxy(const std::string& hub) {
    // A port that was free a moment ago.
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    bind(fd, reinterpret_cast<sockaddr*>(&name), size);
    getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
    close(fd);
    address_ = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
    const std::string program = Program();
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("EVENTHUB_BIND", address_.c_str(), 1);
    setenv("EVENTHUB_HUB", hub.c_str(), 1);
    const int nothing = open("/dev/null", O_WRONLY);
    dup2(nothing, STDERR_FILENO);
    execl(program.c_str(), program.c_str(), "-db", "-f", HAPROXY_CONFIG, nullptr);
    _exit(127);
  }
  ~Proxy() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  const std::string& address() const { return address_; }

 private:
  std::string address_;
  pid_t pid_ = 0;
};

class ProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    if (Proxy::Program().empty()) GTEST_SKIP() << "haproxy is not installed";
    hub_.Start();
    proxy_ = std::make_unique<Proxy>(hub_.address());
    ASSERT_TRUE(Eventually([&] {
      HubClient client(proxy_->address());
      grpc::ClientContext context;
      v1::GetStatsResponse stats;
      return client.admin().GetStats(&context, {}, &stats).ok();
    }));
    // Not through the proxy, whose per-address rules would apply, since everything in this test has
    // one address.
    neighbour_ = std::make_unique<Neighbour>(hub_.address());
    ASSERT_TRUE(Eventually([&] { return GetStatsOfHub().totals().delivered_events() > 10; }));
    before_ = hub_.AnonymousBytes();
  }

  v1::GetStatsResponse GetStatsOfHub() {
    HubClient client(hub_.address());
    return GetStats(client);
  }

  void ExpectUnharmed() {
    // The sanitizer retains freed memory.
    if (!kAddressSanitizer) {
      EXPECT_LT(hub_.AnonymousBytes(), before_ + (size_t{32} << 20));
    }
    neighbour_->Stop();
    std::cout << "neighbour: median " << neighbour_->Percentile(0.5) << ", p99 "
              << neighbour_->Percentile(0.99) << std::endl;
    EXPECT_LT(neighbour_->Percentile(0.99), absl::Seconds(1));
  }

  TempDirectory directory_;
  HubProcess hub_{directory_.path()};
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Neighbour> neighbour_;
  size_t before_ = 0;
};

TEST_F(ProxyTest, SurvivesRapidReset) {
  RapidReset(proxy_->address(), 2, kProxyAttack);
  ExpectUnharmed();
}

TEST_F(ProxyTest, SurvivesEndlessHeaders) {
  EndlessContinuation(proxy_->address(), 2, kProxyAttack);
  HugeMetadata(proxy_->address(), 1, kProxyAttack);
  ExpectUnharmed();
}

}  // namespace
}  // namespace eventhub::abuse
