// Hubs with different logs follow each other at one address. Clients that resume are told.
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/admin_client.h"
#include "eventhub/error.h"
#include "eventhub/link_client.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "eventhub/transaction.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_hub.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kLongest = absl::Seconds(60);
const RetryOptions kSoon{.initial_delay = absl::Milliseconds(1),
                         .max_delay = absl::Milliseconds(20)};

// A hub with a fixed address and replaceable data directories.
class SwappedHub {
 public:
  SwappedHub(const TempDirectory& directory, const std::string& socket, const std::string& data)
      : directory_(directory), socket_(socket) {
    Start(data);
  }

  // Replaces the previous hub.
  void Start(const std::string& data) {
    Stop();
    ServerOptions options = TestServerOptions();
    options.listen = {address()};
    options.broker.store.directory = directory_ / data;
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    connection_ = Connect(address());
  }
  void Stop() {
    connection_.reset();
    server_.reset();
  }
  // Copies a directory while the hub runs, like a snapshot of the file system.
  void Copy(const std::string& from, const std::string& to) {
    std::filesystem::copy(directory_ / from, directory_ / to,
                          std::filesystem::copy_options::recursive);
  }

  std::string address() const { return "unix:" + (directory_ / socket_); }
  const std::shared_ptr<Connection>& connection() const { return connection_; }

  void CreateTopic(const std::string& name) {
    ASSERT_TRUE(AdminClient(connection_).CreateTopic({.name = name}).ok());
  }
  void Publish(const std::string& topic, const std::vector<std::string>& ids) {
    auto publisher = Publisher::Create(connection_, {.topic = topic});
    ASSERT_TRUE(publisher.ok());
    v1::Event event;
    event.set_source("/test");
    event.set_type("test");
    for (const std::string& id : ids) {
      event.set_id(id);
      ASSERT_TRUE((*publisher)->Publish(event).ok());
    }
    ASSERT_TRUE((*publisher)->Flush().ok());
  }
  std::vector<std::string> Ids(const std::string& topic) {
    auto reader = Reader::Create(connection_, {.topic = topic});
    return TakeIds(**reader);
  }

  // Reads up to the end of the log.
  static std::vector<std::string> TakeIds(Reader& reader, absl::Status* status = nullptr) {
    std::vector<std::string> ids;
    v1::Event event;
    for (;;) {
      const absl::StatusOr<EventBatch> batch = reader.Next(kLongest);
      if (status != nullptr) *status = batch.status();
      if (!batch.ok()) return ids;
      for (const ReceivedEvent& received : *batch) {
        EXPECT_TRUE(received.ParseTo(event).ok());
        ids.push_back(event.id());
      }
      if (batch->done() || batch->caught_up()) return ids;
    }
  }

 private:
  const TempDirectory& directory_;
  const std::string socket_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<Connection> connection_;
};

class OtherLogHubTest : public testing::Test {
 protected:
  OtherLogHubTest() { hub_.CreateTopic("ord"); }

  // Returns a reader with its own connection, which outlives hubs.
  std::unique_ptr<Reader> Follow(std::vector<PartitionOffset> from = {}) {
    auto reader = Reader::Create(
        Connect(hub_.address()),
        {.topic = "ord", .offsets = std::move(from), .follow = true, .retry = kSoon});
    EXPECT_TRUE(reader.ok());
    return *std::move(reader);
  }

  TempDirectory directory_;
  SwappedHub hub_{directory_, "socket", "first"};
};

TEST_F(OtherLogHubTest, ReaderRejectsTopicOfAnotherHub) {
  hub_.Publish("ord", {"0", "1", "2", "3", "4"});
  const auto reader = Follow();
  EXPECT_THAT(SwappedHub::TakeIds(*reader), ElementsAre("0", "1", "2", "3", "4"));
  {
    SwappedHub other(directory_, "elsewhere",
                     "second");  // Prepared elsewhere, so that clients only see the complete log.
    other.CreateTopic("ord");
    other.Publish("ord", {"a", "b", "c", "d", "e", "f", "g", "h"});
  }
  hub_.Start("second");
  absl::Status status;
  EXPECT_TRUE(SwappedHub::TakeIds(*reader, &status).empty());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(GetErrorReason(status), ErrorReason::kOtherLog);
  EXPECT_FALSE(GetErrorInfo(status)->agreed_offset.has_value());
  EXPECT_THAT(std::string(status.message()), HasSubstr("earliest"));
  EXPECT_EQ(Follow(reader->positions())->Next(kLongest).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(OtherLogHubTest, RestoredCopyMatchesUpToItsEnd) {
  hub_.Publish("ord", {"0", "1", "2"});
  const auto slow = Follow();
  EXPECT_EQ(SwappedHub::TakeIds(*slow).size(), 3u);
  const std::vector<PartitionOffset> kept = slow->positions();
  hub_.Copy("first", "backup");
  hub_.Publish("ord", {"3", "4"});
  const auto fast = Follow();
  EXPECT_EQ(SwappedHub::TakeIds(*fast).size(), 5u);
  hub_.Start("backup");
  hub_.Publish("ord", {"C", "D", "E"});
  absl::Status status;
  EXPECT_TRUE(SwappedHub::TakeIds(*fast, &status).empty());
  ASSERT_EQ(GetErrorReason(status), ErrorReason::kOtherLog) << status;
  const std::optional<int64_t> agreed = GetErrorInfo(status)->agreed_offset;
  ASSERT_EQ(agreed, 3);
  for (const std::vector<PartitionOffset>& from : {kept, {{0, *agreed}}}) {
    EXPECT_THAT(SwappedHub::TakeIds(*Follow(from)), ElementsAre("C", "D", "E"));
  }
}

TEST_F(OtherLogHubTest, ReaderResumesAfterRestart) {
  hub_.Publish("ord", {"0", "1"});
  const auto reader = Follow();
  EXPECT_EQ(SwappedHub::TakeIds(*reader).size(), 2u);
  for (const char* id : {"2", "3"}) {
    hub_.Start("first");
    hub_.Publish("ord", {id});
    std::vector<std::string> ids;
    while (ids.empty())
      ids = SwappedHub::TakeIds(*reader);  // At first, the reader waits at the head again.
    EXPECT_THAT(ids, ElementsAre(id));
  }
}

TEST_F(OtherLogHubTest, SubscriberDetectsRecreatedSubscription) {
  const Subscription settings{.name = "s", .topic = "ord", .kind = SubscriptionKind::kStream};
  const auto create = [&] {
    ASSERT_TRUE(SubscriptionClient(hub_.connection()).CreateSubscription(settings).ok());
  };
  create();
  auto subscriber = Subscriber::Start(
      Connect(hub_.address()), {.subscription = "s",
                                .on_event = [](const ReceivedEvent&) { return Outcome::Ack(); },
                                .retry = kSoon});
  ASSERT_TRUE(subscriber.ok());
  const auto connections = [&] { return (*subscriber)->counters().connections; };
  ASSERT_TRUE(Eventually([&] { return connections() == 1; }));
  hub_.Start("first");
  ASSERT_TRUE(Eventually([&] { return connections() == 2; })) << "it is the same";
  hub_.Stop();
  {
    SwappedHub other(directory_, "elsewhere", "second");
    other.CreateTopic("ord");
    ASSERT_TRUE(SubscriptionClient(other.connection()).CreateSubscription(settings).ok());
  }
  hub_.Start("second");
  const absl::Status status = (*subscriber)->Wait(kLongest);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(GetErrorReason(status), ErrorReason::kOtherSubscription);
}

TEST_F(OtherLogHubTest, TransactionChecksExpectedRun) {
  hub_.Publish("ord", {"0"});
  const auto reader = Follow();
  EXPECT_EQ(SwappedHub::TakeIds(*reader).size(), 1u);
  const PartitionOffset at = reader->positions()[0];
  Transaction transaction;
  transaction.checks = {{.topic = "ord", .next_offset = at.offset, .expected_run = at.run + 1}};
  v1::Event event;
  event.set_id("1");
  event.set_source("/test");
  event.set_type("test");
  transaction.appends = {{.topic = "ord",
                          .partition = 0,
                          .expected_offset = at.offset,
                          .expected_run = at.run,
                          .events = {event}}};
  const auto refused = Commit(*hub_.connection(), transaction);
  EXPECT_EQ(GetErrorReason(refused.status()), ErrorReason::kOtherLog) << refused.status();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kAborted);
  transaction.checks[0].expected_run = at.run;
  EXPECT_TRUE(Commit(*hub_.connection(), transaction).ok());
  EXPECT_THAT(hub_.Ids("ord"), ElementsAre("0", "1"));
}

// After its restored end, the remote hub has other events, which the link reads. The link does not
// read the events before it twice.
TEST_F(OtherLogHubTest, LinkRewindsToAgreedOffset) {
  SwappedHub local(directory_, "local", "local-data");
  local.CreateTopic("in");
  hub_.Publish("ord", {"0", "1", "2"});
  const Link link{
      .name = "link", .remote_address = hub_.address(), .remote_topic = "ord", .local_topic = "in"};
  ASSERT_TRUE(LinkClient(local.connection()).CreateLink(link).ok());
  const auto has = [&](size_t count) {
    return Eventually([&] { return local.Ids("in").size() == count; });
  };
  ASSERT_TRUE(has(3));
  hub_.Copy("first", "backup");
  hub_.Publish("ord", {"3", "4"});
  ASSERT_TRUE(has(5));
  hub_.Start("first");  // So that the backup contains nothing of the newest run.
  hub_.Publish("ord", {"5"});
  ASSERT_TRUE(has(6));
  hub_.Start("backup");
  hub_.Publish("ord", {"C", "D", "E", "F"});
  ASSERT_TRUE(has(10));
  EXPECT_THAT(local.Ids("in"), ElementsAre("0", "1", "2", "3", "4", "5", "C", "D", "E", "F"));
}

}  // namespace
}  // namespace eventhub::client
