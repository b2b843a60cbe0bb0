// TLS with a hub, through the SDK: which clients are accepted, what a start refuses, renewed
// certificates, links. deploy/make-certificates.sh makes the certificates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "eventhub/admin_client.h"
#include "eventhub/link_client.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "tests/support/events.h"
#include "tests/support/eventually.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_hub.h"

namespace eventhub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

// A certificate authority and the certificates that it has signed, in a directory.
class Authority {
 public:
  explicit Authority(std::string directory) : directory_(std::move(directory)) {}

  // Makes or renews a hub's certificate for `host` and localhost.
  void SignHub(const std::string& name, const std::string& host = "hub.example") {
    Sign(absl::StrCat("hub ", name, " ", host));
  }
  void SignClient(const std::string& name) { Sign("client " + name); }

  std::string ca() const { return directory_ + "/ca.pem"; }
  std::string certificate(const std::string& name) const { return Path(name, ".pem"); }
  std::string key(const std::string& name) const { return Path(name, ".key"); }

  ServerTlsOptions Server(bool authenticate_clients) const {
    return {.certificate_file = certificate("hub"),
            .key_file = key("hub"),
            .client_ca_file = authenticate_clients ? ca() : ""};
  }
  // Trusts this authority.
  client::TlsOptions Client() const { return {.ca_file = ca()}; }
  client::TlsOptions Client(const std::string& name) const {
    return {.ca_file = ca(), .certificate_file = certificate(name), .key_file = key(name)};
  }

 private:
  void Sign(const std::string& arguments) {
    const std::string command =
        absl::StrCat(EVENTHUB_MAKE_CERTIFICATES, " ", directory_, " ", arguments, " >/dev/null");
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  std::string Path(const std::string& name, const char* suffix) const {
    return absl::StrCat(directory_, "/", name, suffix);
  }

  const std::string directory_;
};

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    authority_.SignHub("hub");
    authority_.SignClient("billing");
    stranger_.SignClient("billing");
  }

  static ServerOptions Options(ServerTlsOptions tls) {
    ServerOptions options = TestServerOptions();
    options.tls = std::move(tls);
    return options;
  }
  static absl::Status Start(ServerTlsOptions tls) {
    GatedMemory memory;
    ServerOptions options = Options(std::move(tls));
    options.broker.store.env = memory.env();
    return Server::Start(std::move(options)).status();
  }

  // Returns the outcome of a call over a new connection. A call that cannot connect tries again
  // until its timeout.
  static absl::Status Call(const std::string& address, std::optional<client::TlsOptions> tls,
                           absl::Duration timeout = absl::Seconds(5)) {
    client::ConnectionOptions options;
    options.tls = std::move(tls);
    client::AdminClient admin(client::Connect(address, options), {.timeout = timeout});
    return admin.GetStats().status();
  }
  static absl::Status RefusedCall(const std::string& address,
                                  std::optional<client::TlsOptions> tls) {
    return Call(address, std::move(tls), absl::Seconds(2));
  }

  TempDirectory directory_;
  Authority authority_{directory_ / "ours"};
  Authority stranger_{directory_ / "theirs"};
};

TEST_F(TlsTest, ClientsVerifyHubCertificate) {
  TestHub hub(Options(authority_.Server(false)));
  EXPECT_THAT(Call(hub.address(), authority_.Client()), IsOk());
  EXPECT_THAT(RefusedCall(hub.address(), stranger_.Client()),
              StatusIs(absl::StatusCode::kUnavailable, "certificate verify failed"));
  EXPECT_THAT(RefusedCall(hub.address(), std::nullopt), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(TlsTest, ClientsVerifyHubName) {
  TestHub hub(Options(authority_.Server(false)));
  client::TlsOptions tls = authority_.Client();
  tls.server_name = "hub.example";
  EXPECT_THAT(Call(hub.address(), tls), IsOk());
  tls.server_name = "another.example";
  EXPECT_THAT(RefusedCall(hub.address(), tls),
              StatusIs(absl::StatusCode::kUnavailable, "Hostname Verification"));
}

TEST_F(TlsTest, RejectsClientsWithoutTrustedCertificate) {
  TestHub hub(Options(authority_.Server(true)));
  EXPECT_THAT(Call(hub.address(), authority_.Client("billing")), IsOk());
  client::TlsOptions forged = stranger_.Client("billing");
  forged.ca_file = authority_.ca();
  for (const auto& tls : {std::optional(authority_.Client()), std::optional(forged),
                          std::optional<client::TlsOptions>()}) {
    EXPECT_THAT(RefusedCall(hub.address(), tls), StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST_F(TlsTest, UnixSocketsNeedNoCertificate) {
  ServerOptions options = Options(authority_.Server(true));
  const std::string path = directory_ / "socket";
  options.listen = {"127.0.0.1:0", "unix:" + path};
  TestHub hub(std::move(options));
  EXPECT_THAT(Call(hub.address(1), std::nullopt), IsOk());
  EXPECT_THAT(Call(hub.address(1), authority_.Client()),
              IsOk());  // One environment serves both addresses.
  struct stat about;
  ASSERT_EQ(stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0660u);
}

TEST_F(TlsTest, ReportsUnprotectedAddresses) {
  const auto unprotected = [](ServerTlsOptions tls) {
    ServerOptions options = Options(std::move(tls));
    options.listen = {"0.0.0.0:0", "127.0.0.1:0", "localhost:0", "[::1]:0"};
    TestHub hub(std::move(options));
    return hub.server().unprotected_addresses();
  };
  EXPECT_THAT(unprotected({}), ElementsAre(StartsWith("0.0.0.0:")));
  EXPECT_THAT(unprotected(authority_.Server(false)), ElementsAre(StartsWith("0.0.0.0:")));
  EXPECT_THAT(unprotected(authority_.Server(true)), IsEmpty());
}

TEST_F(TlsTest, StatsDescribeEachAddress) {
  ServerOptions options = Options(authority_.Server(true));
  options.listen = {"0.0.0.0:0", "unix:" + (directory_ / "socket")};
  TestHub hub(std::move(options));
  client::ConnectionOptions connection;
  connection.tls = authority_.Client("billing");
  client::AdminClient admin(client::Connect(hub.address(1), connection));
  const auto stats = admin.GetStats();
  ASSERT_THAT(stats.status(), IsOk());
  ASSERT_EQ(stats->listeners.size(), 2u);
  EXPECT_EQ(stats->listeners[0].address, hub.address(0));
  EXPECT_TRUE(stats->listeners[0].tls && stats->listeners[0].client_certificates);
  EXPECT_FALSE(stats->listeners[0].unprotected);
  EXPECT_FALSE(stats->listeners[1].tls || stats->listeners[1].client_certificates ||
               stats->listeners[1].unprotected);
}

TEST_F(TlsTest, ReloadsRenewedCertificates) {
  TestHub hub(Options(authority_.Server(true)));
  client::TlsOptions tls = authority_.Client("billing");
  tls.server_name = "moved.example";
  EXPECT_THAT(RefusedCall(hub.address(), tls), StatusIs(absl::StatusCode::kUnavailable));
  authority_.SignHub("hub", "moved.example");
  EXPECT_TRUE(Eventually([&] { return RefusedCall(hub.address(), tls).ok(); }));
  tls.server_name = "hub.example";
  EXPECT_THAT(RefusedCall(hub.address(), tls), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(TlsTest, StartRejectsUnusableFiles) {
  const std::string missing = directory_ / "missing.pem";
  const std::string text = directory_ / "text.pem";
  std::ofstream(text) << "-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----\n";
  const ServerTlsOptions good = authority_.Server(true);
  const auto with = [&](std::string ServerTlsOptions::*file, std::string path) {
    ServerTlsOptions tls = good;
    tls.*file = std::move(path);
    return Start(tls);
  };
  EXPECT_THAT(Start(good), IsOk());
  for (const auto file : {&ServerTlsOptions::certificate_file, &ServerTlsOptions::key_file,
                          &ServerTlsOptions::client_ca_file}) {
    EXPECT_THAT(with(file, missing), StatusIs(absl::StatusCode::kNotFound, missing));
    EXPECT_THAT(with(file, text), StatusIs(absl::StatusCode::kInvalidArgument, text));
    EXPECT_THAT(with(file, directory_.path()),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not a file"));
  }
  EXPECT_THAT(with(&ServerTlsOptions::key_file, authority_.key("billing")),
              StatusIs(absl::StatusCode::kInvalidArgument, "is not the key of"));
}

TEST_F(TlsTest, ValidatesClientFiles) {
  EXPECT_THAT(client::CheckTls({}), IsOk());
  EXPECT_THAT(client::CheckTls(authority_.Client("billing")), IsOk());
  client::TlsOptions tls = authority_.Client("billing");
  tls.key_file.clear();
  EXPECT_THAT(client::CheckTls(tls), StatusIs(absl::StatusCode::kInvalidArgument));
  tls = authority_.Client();
  tls.ca_file += ".not";
  EXPECT_THAT(client::CheckTls(tls), StatusIs(absl::StatusCode::kNotFound, tls.ca_file));
}

TEST_F(TlsTest, LinksUseTls) {
  ServerOptions remote_options = Options(authority_.Server(true));
  TestHub remote(std::move(remote_options));
  ServerOptions options = TestServerOptions();
  options.link_tls = authority_.Client("hub");
  TestHub local(std::move(options));

  client::ConnectionOptions secured;
  secured.tls = authority_.Client("billing");
  const auto connection = client::Connect(remote.address(), secured);
  ASSERT_THAT(client::AdminClient(connection).CreateTopic({.name = "egress"}), IsOk());
  const auto here = client::Connect(local.address());
  ASSERT_THAT(client::AdminClient(here).CreateTopic({.name = "ingress"}), IsOk());
  auto publisher = client::Publisher::Create(connection, {.topic = "egress"});
  ASSERT_THAT(publisher.status(), IsOk());
  ASSERT_THAT((*publisher)->Publish(MakeEvent("1")), IsOk());
  ASSERT_THAT((*publisher)->Flush(), IsOk());

  client::LinkClient links(here);
  client::Link link{.name = "in",
                    .remote_address = remote.address(),
                    .remote_topic = "egress",
                    .local_topic = "ingress"};
  ASSERT_THAT(links.CreateLink(link), IsOk());
  EXPECT_TRUE(Eventually([&] { return links.GetLink("in")->status.failures > 0; }));
  ASSERT_THAT(links.UpdateLink("in", {.tls = true}), IsOk());
  const auto reader = client::Reader::Create(here, {.topic = "ingress", .follow = true});
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT((*reader)->Next(), IsOk());
  EXPECT_TRUE(links.GetLink("in")->link.tls);
  EXPECT_THAT(links.UpdateLink("in", {.remote_address = "unix:/hub", .tls = true}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "link.tls"));
}

}  // namespace
}  // namespace eventhub
