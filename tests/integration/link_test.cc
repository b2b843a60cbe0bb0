// Links between real hubs: events flow once and in order across restarts, and stop where they have
// already been.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

using grpc::StatusCode;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using v1::ErrorDetail;
using v1::LinkStatus;

// A hub that can be stopped and restarted with its data and address.
class LinkHub {
 public:
  explicit LinkHub(const std::string& name, size_t link_bytes = size_t{64} << 20)
      : name_(name), link_bytes_(link_bytes) {
    Start();
  }
  ~LinkHub() { Stop(); }

  void Start() {
    ServerOptions options = TestServerOptions();
    options.listen = {address()};
    options.broker.store.env = memory_.env();
    options.broker.store.directory = "/" + name_;
    options.broker.link_bytes = link_bytes_;
    options.broker.maintenance.emplace().retention_interval = absl::Milliseconds(10);
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = std::make_unique<HubClient>(address());
  }
  void Stop() {
    gate().Open();
    client_.reset();
    server_.reset();
  }
  // Gives the next start a new, empty data directory.
  void Wipe() { name_ += "+"; }

  std::string address() const { return "unix:" + directory_.path() + "/hub"; }
  HubClient& client() { return *client_; }
  SyncGate& gate() { return memory_.gate(); }

  void Publish(const std::string& topic, const std::vector<std::string>& ids,
               const std::string& key = "") {
    v1::PublishRequest request;
    request.set_topic(topic);
    for (const std::string& id : ids) *request.add_events() = MakeEvent(id, "data", key);
    eventhub::Publish(client(), request);
  }

  std::vector<std::string> Ids(const std::string& topic) {
    return ReadAll(client(), ReadOf(topic)).ids();
  }
  bool Has(const std::string& topic, size_t count) { return Ids(topic).size() == count; }

  std::vector<v1::Event> Events(const std::string& topic) {
    std::vector<v1::Event> events;
    for (const v1::ReadResponse& response : ReadAll(client(), ReadOf(topic)).responses) {
      for (const v1::EventBatch& batch : response.batches()) {
        events.insert(events.end(), batch.events().begin(), batch.events().end());
      }
    }
    return events;
  }

  std::string id() { return GetStats(client()).hub_id(); }

  grpc::Status Create(const v1::Link& link) {
    grpc::ClientContext context;
    v1::CreateLinkRequest request;
    v1::CreateLinkResponse response;
    *request.mutable_link() = link;
    return client().links().CreateLink(&context, request, &response);
  }
  grpc::Status Update(const v1::Link& link, const std::vector<std::string>& mask) {
    grpc::ClientContext context;
    v1::UpdateLinkRequest request;
    v1::UpdateLinkResponse response;
    *request.mutable_link() = link;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    return client().links().UpdateLink(&context, request, &response);
  }
  grpc::Status Delete(const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteLinkRequest request;
    v1::DeleteLinkResponse response;
    request.set_name(name);
    return client().links().DeleteLink(&context, request, &response);
  }
  LinkStatus Status(const std::string& name) {
    grpc::ClientContext context;
    v1::GetLinkRequest request;
    v1::GetLinkResponse response;
    request.set_name(name);
    EXPECT_THAT(client().links().GetLink(&context, request, &response), IsOk());
    return response.status();
  }
  bool Is(const std::string& link, LinkStatus::State state) {
    return Status(link).state() == state;
  }
  grpc::Status DeleteTopic(const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteTopicRequest request;
    v1::DeleteTopicResponse response;
    request.set_name(name);
    return client().admin().DeleteTopic(&context, request, &response);
  }
  void Update(const v1::Topic& topic, const std::string& path) {
    Update(topic, std::vector<std::string>{path});
  }
  void Update(const v1::Topic& topic, const std::vector<std::string>& mask) {
    grpc::ClientContext context;
    v1::UpdateTopicRequest request;
    v1::UpdateTopicResponse response;
    *request.mutable_topic() = topic;
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    ASSERT_THAT(client().admin().UpdateTopic(&context, request, &response), IsOk());
  }

 private:
  std::string name_;
  const size_t link_bytes_;
  TempDirectory directory_;
  GatedMemory memory_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<HubClient> client_;
};

v1::Link LinkFrom(LinkHub& remote, const std::string& remote_topic,
                  const std::string& local_topic) {
  v1::Link link;
  link.set_name("link");
  link.set_remote_address(remote.address());
  link.set_remote_topic(remote_topic);
  link.set_local_topic(local_topic);
  return link;
}

std::vector<std::string> Numbered(int first, int count) {
  std::vector<std::string> ids;
  for (int i = first; i < first + count; ++i) ids.push_back(absl::StrCat(i));
  return ids;
}

std::string PathOf(const v1::Event& event) {
  const auto path = event.attributes().find("hubpath");
  return path == event.attributes().end() ? "" : path->second.string();
}

class LinkTest : public testing::Test {
 protected:
  // Creates a topic of one partition at each hub, and a link from `remote_` to `local_`.
  void Connect() {
    CreateTopic(remote_.client(), "out");
    CreateTopic(local_.client(), "in");
    ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  }
  void TearDown() override {
    for (LinkHub* hub : {&remote_, &local_}) {
      if (HasFailure() && GetStats(hub->client()).links() == 1) {
        ADD_FAILURE() << hub->Status("link").DebugString();
      }
    }
  }
  void AwaitCaughtUp() {
    ASSERT_TRUE(Eventually([&] { return local_.Is("link", LinkStatus::STATE_CAUGHT_UP); }))
        << local_.Status("link").DebugString();
  }

  LinkHub remote_{"remote"};
  LinkHub local_{"local"};
};

// While the local disk is slow, a link holds a part of the memory of links, and what is received
// ahead stays in the network.
TEST(LinkMemoryTest, ReadsNoFurtherThanItsMemory) {
  constexpr size_t kKiB = 1024;
  constexpr size_t kLinkBytes = 256 * kKiB;
  constexpr size_t kEvents = 60;
  constexpr size_t kEventBytes = 100'000;
  LinkHub remote("remote");
  LinkHub local("local", kLinkBytes);
  CreateTopic(remote.client(), "out");
  CreateTopic(local.client(), "in");
  ASSERT_THAT(local.Create(LinkFrom(remote, "out", "in")), IsOk());
  ASSERT_TRUE(Eventually([&] { return local.Is("link", LinkStatus::STATE_CAUGHT_UP); }));
  const auto used = [&] {
    const v1::GetStatsResponse stats = GetStats(local.client());
    for (const v1::MemoryShare& share : stats.memory().shares()) {
      if (share.name() == "links") return static_cast<size_t>(share.used_bytes());
    }
    return SIZE_MAX;
  };
  const size_t idle = used();
  EXPECT_EQ(idle, 64 * kKiB) << "the buffer of the connection";

  local.gate().Close();
  for (size_t i = 0; i < kEvents; ++i) {
    eventhub::Publish(remote.client(), MakePublish("out", 1, std::string(kEventBytes, 'x')));
  }
  ASSERT_TRUE(Eventually([&] { return used() > idle; }));
  size_t most = 0;
  for (const absl::Time end = absl::Now() + absl::Milliseconds(300); absl::Now() < end;) {
    most = std::max(most, used());
  }
  EXPECT_LT(most, kLinkBytes + 3 * kEventBytes);

  local.gate().Open();
  EXPECT_TRUE(Eventually([&] { return local.Has("in", kEvents) && used() == idle; }));
}

TEST_F(LinkTest, CopiesEventsAndRecordsHubPath) {
  CreateTopic(remote_.client(), "out");
  CreateTopic(local_.client(), "in");
  remote_.Publish("out", {"a", "b"});
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  remote_.Publish("out", {"c"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 3); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("a", "b", "c"));
  std::vector<v1::Event> events = local_.Events("in");
  for (v1::Event& event : events) {
    EXPECT_EQ(PathOf(event), remote_.id());
    event.mutable_attributes()->erase("hubpath");
    EXPECT_EQ(event.SerializeAsString(), MakeEvent(event.id()).SerializeAsString());
  }
  AwaitCaughtUp();
  ASSERT_TRUE(Eventually([&] { return local_.Status("link").appended_events() == 3; }));
  const LinkStatus status = local_.Status("link");
  EXPECT_EQ(status.remote_hub_id(), remote_.id());
  EXPECT_EQ(status.remote_hub_id().size(), 32u);
  EXPECT_EQ(status.appended_events(), 3u);
  EXPECT_GT(status.appended_bytes(), 100u);
  EXPECT_EQ(status.lag_events(), 0u);
  EXPECT_FALSE(status.has_lag_time());
  EXPECT_THAT(status.error(), IsEmpty());
  ASSERT_THAT(status.positions(), SizeIs(1));
  EXPECT_EQ(status.positions(0).offset(), 3);
  EXPECT_EQ(GetStats(local_.client()).links(), 1u);
}

TEST_F(LinkTest, KeepsPartitionsOrRepartitionsByKey) {
  CreateTopic(remote_.client(), "out", 4);
  CreateTopic(local_.client(), "same", 4);
  CreateTopic(local_.client(), "fewer", 3);
  for (int i = 0; i < 200; ++i) {
    remote_.Publish("out", {absl::StrCat(i)}, absl::StrCat("key", i % 7));
  }
  v1::Link link = LinkFrom(remote_, "out", "same");
  ASSERT_THAT(local_.Create(link), IsOk());
  link.set_name("other");
  link.set_local_topic("fewer");
  ASSERT_THAT(local_.Create(link), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("same", 200) && local_.Has("fewer", 200); }));
  for (uint32_t p = 0; p < 4; ++p) {
    EXPECT_EQ(GetPartition(local_.client(), "same", p).end_offset(),
              GetPartition(remote_.client(), "out", p).end_offset());
  }
  std::map<std::string, int> last;
  for (const v1::Event& event : local_.Events("fewer")) {
    int number;
    ASSERT_TRUE(absl::SimpleAtoi(event.id(), &number));
    const auto [it, first] = last.try_emplace(event.partition_key(), number);
    EXPECT_TRUE(first || it->second < number) << event.id();
    it->second = number;
  }
}

TEST_F(LinkTest, AdvancesPastFilteredEventsAndAcceptsNewFilter) {
  CreateTopic(remote_.client(), "out");
  CreateTopic(local_.client(), "in");
  v1::Link link = LinkFrom(remote_, "out", "in");
  link.mutable_filter()->set_sql("id = '1'");
  ASSERT_THAT(local_.Create(link), IsOk());
  remote_.Publish("out", Numbered(0, 5));
  ASSERT_TRUE(Eventually([&] {
    const LinkStatus status = local_.Status("link");
    return status.positions_size() == 1 && status.positions(0).offset() == 5;
  }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("1"));
  link.clear_filter();
  ASSERT_THAT(local_.Update(link, {"filter"}), IsOk());
  remote_.Publish("out", {"next"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 2); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("1", "next"));
}

TEST_F(LinkTest, OppositeLinksDoNotLoop) {
  CreateTopic(remote_.client(), "t");
  CreateTopic(local_.client(), "t");
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "t", "t")), IsOk());
  ASSERT_THAT(remote_.Create(LinkFrom(local_, "t", "t")), IsOk());
  remote_.Publish("t", {"r1", "r2"});
  local_.Publish("t", {"l1"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("t", 3) && remote_.Has("t", 3); }));
  // Later events show that each link has passed the ones that it has seen before.
  remote_.Publish("t", {"r3"});
  local_.Publish("t", {"l2"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("t", 5) && remote_.Has("t", 5); }));
  // Counted shortly after the appended events can be read.
  EXPECT_TRUE(Eventually([&] {
    return local_.Status("link").looped_events() >= 1 &&
           remote_.Status("link").looped_events() >= 2 &&
           local_.Status("link").appended_events() == 3 &&
           remote_.Status("link").appended_events() == 2;
  }));
}

TEST_F(LinkTest, RingOfThreeHubsDoesNotLoop) {
  LinkHub third("third");
  for (LinkHub* hub : {&remote_, &local_, &third}) CreateTopic(hub->client(), "t");
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "t", "t")), IsOk());
  ASSERT_THAT(third.Create(LinkFrom(local_, "t", "t")), IsOk());
  ASSERT_THAT(remote_.Create(LinkFrom(third, "t", "t")), IsOk());
  remote_.Publish("t", {"a"});
  local_.Publish("t", {"b"});
  third.Publish("t", {"c"});
  for (LinkHub* hub : {&remote_, &local_, &third}) {
    ASSERT_TRUE(Eventually([&] { return hub->Has("t", 3); }));
  }
  // Later events show that each link has passed the ones that it has seen before.
  for (LinkHub* hub : {&remote_, &local_, &third}) hub->Publish("t", {"last" + hub->id()});
  for (LinkHub* hub : {&remote_, &local_, &third}) {
    ASSERT_TRUE(Eventually([&] { return hub->Has("t", 6); }));
    EXPECT_TRUE(Eventually([&] {
      const v1::LinkStatus status = hub->Status("link");
      return status.appended_events() == 4 && status.looped_events() >= 1;
    }));
  }
  std::map<std::string, std::string> paths;
  for (const v1::Event& event : third.Events("t")) paths[event.id()] = PathOf(event);
  EXPECT_EQ(paths["a"], absl::StrCat(remote_.id(), ",", local_.id()));
  EXPECT_EQ(paths["b"], local_.id());
  EXPECT_EQ(paths["c"], "");
}

TEST_F(LinkTest, CopiesEachEventOnceAcrossRestarts) {
  CreateTopic(remote_.client(), "out", 2);
  CreateTopic(local_.client(), "in", 3);
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  constexpr int kRounds = 6;
  constexpr int kPerRound = 300;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kPerRound; i += 20) {
      for (int key = 0; key < 4; ++key) {
        std::vector<std::string> ids;
        for (int n = i; n < i + 20; n += 4) {
          ids.push_back(absl::StrCat(key, "/", round * kPerRound + n));
        }
        remote_.Publish("out", ids, absl::StrCat("key", key));
      }
    }
    const size_t some = static_cast<size_t>(round * kPerRound + 1);
    ASSERT_TRUE(Eventually([&] { return local_.Ids("in").size() >= some; }));
    LinkHub& restarted = round % 2 == 0 ? remote_ : local_;
    restarted.Stop();
    restarted.Start();
  }
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", kRounds * kPerRound); }));
  AwaitCaughtUp();
  std::map<std::string, int> last;
  for (const std::string& id : local_.Ids("in")) {
    const std::vector<std::string> parts = absl::StrSplit(id, '/');
    int number;
    ASSERT_TRUE(absl::SimpleAtoi(parts[1], &number));
    const auto [it, first] = last.try_emplace(parts[0], number);
    EXPECT_TRUE(first || it->second < number) << id;
    it->second = number;
  }
  EXPECT_EQ(local_.Ids("in").size(), static_cast<size_t>(kRounds * kPerRound));
}

TEST_F(LinkTest, ResolvesLatestOnce) {
  CreateTopic(remote_.client(), "out");
  CreateTopic(local_.client(), "in");
  remote_.Publish("out", {"before"});
  v1::Link link = LinkFrom(remote_, "out", "in");
  link.mutable_start()->set_latest(true);
  ASSERT_THAT(local_.Create(link), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Status("link").positions_size() == 1; }));
  local_.Stop();
  remote_.Publish("out", {"meanwhile"});
  local_.Start();
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 1); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("meanwhile"));
}

TEST_F(LinkTest, FollowsRemoteTopicWhenRecreated) {
  CreateTopic(local_.client(), "in");
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  ASSERT_TRUE(Eventually([&] { return !local_.Status("link").error().empty(); }));
  EXPECT_EQ(local_.Status("link").state(), LinkStatus::STATE_CONNECTING);
  EXPECT_THAT(local_.Status("link").error(), HasSubstr("has no topic out"));
  EXPECT_EQ(local_.Status("link").failures(), 0u);
  CreateTopic(remote_.client(), "out", 2);
  for (const char* id : {"a", "b", "c"}) remote_.Publish("out", {id}, id);
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 3); }));
  ASSERT_THAT(remote_.DeleteTopic("out"), IsOk());
  CreateTopic(remote_.client(), "out");
  remote_.Publish("out", {"new"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 4); }));
  AwaitCaughtUp();
  ASSERT_THAT(local_.Status("link").positions(), SizeIs(1));
  EXPECT_EQ(local_.Status("link").positions(0).offset(), 1);
}

TEST_F(LinkTest, ReadsReplacedHubFromBeginning) {
  Connect();
  remote_.Publish("out", Numbered(0, 3));
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 3); }));
  const std::string before = remote_.id();
  remote_.Stop();
  remote_.Wipe();
  remote_.Start();
  CreateTopic(remote_.client(), "out");
  remote_.Publish("out", {"new"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 4); }));
  EXPECT_NE(remote_.id(), before);
  EXPECT_EQ(local_.Status("link").remote_hub_id(), remote_.id());
}

TEST_F(LinkTest, CopiesAddedPartitions) {
  Connect();
  remote_.Publish("out", {"a"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 1); }));
  v1::Topic topic;
  topic.set_name("out");
  topic.set_partitions(3);
  remote_.Update(topic, "partitions");
  v1::PublishRequest request = MakePublish("out");
  request.set_partition(2);
  eventhub::Publish(remote_.client(), request);
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 2); }));
  ASSERT_TRUE(Eventually([&] { return local_.Status("link").positions_size() == 3; }));
}

TEST_F(LinkTest, SkipsAndCountsOversizedEvents) {
  CreateTopic(remote_.client(), "out");
  v1::Topic small;
  small.set_name("in");
  small.set_max_event_bytes(1000);
  CreateTopic(local_.client(), small);
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  eventhub::Publish(remote_.client(), MakePublish("out", 2, std::string(1000, 'x')));
  remote_.Publish("out", {"fits"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 1); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("fits"));
  EXPECT_TRUE(Eventually([&] { return local_.Status("link").refused_events() == 2; }));
  local_.Stop();
  local_.Start();
  EXPECT_EQ(local_.Status("link").refused_events(), 2u);
}

TEST_F(LinkTest, BlockedLinkReportsLag) {
  CreateTopic(remote_.client(), "out");
  v1::Topic full;
  full.set_name("in");
  full.mutable_retention()->set_max_bytes(1);
  full.mutable_retention()->set_refuse_when_full(true);
  CreateTopic(local_.client(), full);
  remote_.Publish("out", {"a"});
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 1); }));
  AwaitCaughtUp();
  remote_.Publish("out", Numbered(0, 3));
  ASSERT_TRUE(Eventually([&] { return local_.Is("link", LinkStatus::STATE_BLOCKED); }));
  EXPECT_TRUE(Eventually([&] { return local_.Status("link").lag_events() == 3; }));
  remote_.Publish("out", Numbered(3, 2));
  EXPECT_TRUE(Eventually([&] { return local_.Status("link").lag_events() == 5; }));
  EXPECT_THAT(local_.Status("link").error(), HasSubstr("topic in is full"));
  full.mutable_retention()->set_max_bytes(1 << 20);
  local_.Update(full, "retention.max_bytes");
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 6); }));
  AwaitCaughtUp();
  EXPECT_EQ(local_.Status("link").lag_events(), 0u);
}

TEST_F(LinkTest, DisabledLinkKeepsPosition) {
  Connect();
  remote_.Publish("out", {"a"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 1); }));
  v1::Link link;
  link.set_name("link");
  link.set_disabled(true);
  ASSERT_THAT(local_.Update(link, {"disabled"}), IsOk());
  EXPECT_EQ(local_.Status("link").state(), LinkStatus::STATE_DISABLED);
  remote_.Publish("out", {"b"});
  local_.Stop();
  local_.Start();
  EXPECT_EQ(local_.Status("link").state(), LinkStatus::STATE_DISABLED);
  EXPECT_TRUE(local_.Has("in", 1));
  link.set_disabled(false);
  ASSERT_THAT(local_.Update(link, {"disabled"}), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 2); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("a", "b"));
}

TEST_F(LinkTest, LinkToSameHubDoesNothing) {
  CreateTopic(local_.client(), "out");
  CreateTopic(local_.client(), "in");
  ASSERT_THAT(local_.Create(LinkFrom(local_, "out", "in")), IsOk());
  ASSERT_TRUE(Eventually([&] { return !local_.Status("link").error().empty(); }));
  EXPECT_THAT(local_.Status("link").error(), HasSubstr("is this hub itself"));
  EXPECT_EQ(local_.Status("link").state(), LinkStatus::STATE_CONNECTING);
}

TEST_F(LinkTest, LocalTopicIsInUseUntilLinkIsDeleted) {
  Connect();
  const grpc::Status refused = local_.DeleteTopic("in");
  EXPECT_THAT(refused,
              FailsWith(StatusCode::FAILED_PRECONDITION, ErrorDetail::REASON_TOPIC_IN_USE));
  EXPECT_THAT(refused.error_message(), HasSubstr("link"));
  ASSERT_THAT(local_.Delete("link"), IsOk());
  EXPECT_THAT(local_.Delete("link"),
              FailsWith(StatusCode::NOT_FOUND, ErrorDetail::REASON_LINK_NOT_FOUND));
  EXPECT_THAT(local_.DeleteTopic("in"), IsOk());
}

TEST_F(LinkTest, RecreatedLinkStartsOver) {
  Connect();
  remote_.Publish("out", {"a"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 1); }));
  ASSERT_THAT(local_.Delete("link"), IsOk());
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 2); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("a", "a"));
}

TEST_F(LinkTest, CountsTrimmedEventsAsLost) {
  Connect();
  remote_.Publish("out", Numbered(0, 5));
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 5); }));
  v1::Link link = LinkFrom(remote_, "out", "in");
  link.set_disabled(true);
  ASSERT_THAT(local_.Update(link, {"disabled"}), IsOk());
  remote_.Publish("out", Numbered(5, 10));
  v1::Topic topic;
  topic.set_name("out");
  topic.mutable_retention()->set_max_bytes(1);
  remote_.Update(topic, "retention.max_bytes");
  ASSERT_TRUE(
      Eventually([&] { return GetPartition(remote_.client(), "out").start_offset() == 15; }));
  topic.mutable_retention()->set_max_bytes(0);
  remote_.Update(topic, "retention.max_bytes");
  remote_.Publish("out", Numbered(15, 3));
  link.set_disabled(false);
  ASSERT_THAT(local_.Update(link, {"disabled"}), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 8); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("0", "1", "2", "3", "4", "15", "16", "17"));
  AwaitCaughtUp();
  // A link that starts at an offset which no longer exists.
  CreateTopic(local_.client(), "late");
  link = LinkFrom(remote_, "out", "late");
  link.set_name("late");
  link.mutable_start()->set_offset(2);
  ASSERT_THAT(local_.Create(link), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("late", 3); }));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(local_.Status("link").lost_events(), 10u);
    EXPECT_EQ(local_.Status("late").lost_events(), 13u);
    local_.Stop();
    local_.Start();
  }
  ASSERT_THAT(local_.Delete("late"), IsOk());
}

TEST_F(LinkTest, FullTopicBlocksLinkUntilSpaceIsFree) {
  CreateTopic(remote_.client(), "out");
  v1::Topic topic;
  topic.set_name("in");
  topic.mutable_retention()->set_max_bytes(1000);
  topic.mutable_retention()->set_refuse_when_full(true);
  CreateTopic(local_.client(), topic);
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  // This event alone fills the topic, however the link batches events.
  eventhub::Publish(remote_.client(), MakePublish("out", 1, std::string(1000, 'x')));
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 1); }));
  remote_.Publish("out", Numbered(1, 3));
  ASSERT_TRUE(Eventually([&] { return local_.Is("link", LinkStatus::STATE_BLOCKED); }));
  LinkStatus status = local_.Status("link");
  EXPECT_THAT(status.error(), HasSubstr("topic in is full"));
  EXPECT_TRUE(status.has_lag_time());
  EXPECT_EQ(status.failures(), 0u);
  EXPECT_EQ(status.positions(0).offset(), 1);
  // It also waits across a restart.
  local_.Stop();
  local_.Start();
  ASSERT_TRUE(Eventually([&] { return local_.Is("link", LinkStatus::STATE_BLOCKED); }));
  EXPECT_TRUE(local_.Has("in", 1));
  topic.mutable_retention()->set_max_bytes(100'000);
  local_.Update(topic, "retention.max_bytes");
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 4); }));
  AwaitCaughtUp();
  EXPECT_THAT(local_.Ids("in"), ElementsAre("0", "1", "2", "3"));
  status = local_.Status("link");
  EXPECT_THAT(status.error(), IsEmpty());
  EXPECT_FALSE(status.has_lag_time());
  EXPECT_EQ(status.appended_events(), 3u);
  EXPECT_EQ(status.refused_events() + status.lost_events(), 0u);
}

TEST_F(LinkTest, FollowsAddressChange) {
  LinkHub third("third");
  CreateTopic(third.client(), "out");
  third.Publish("out", {"t1", "t2"});
  Connect();
  remote_.Publish("out", {"a", "b"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 2); }));
  // The same hub by a different path: the link keeps its position.
  v1::Link link = LinkFrom(remote_, "out", "in");
  const std::string other_way = absl::StrReplaceAll(remote_.address(), {{"/hub", "/./hub"}});
  link.set_remote_address(other_way);
  ASSERT_THAT(local_.Update(link, {"remote_address"}), IsOk());
  remote_.Publish("out", {"c"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 3); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("a", "b", "c"));
  // No hub is there: the link keeps its position.
  link.set_remote_address("unix:/nobody/there");
  ASSERT_THAT(local_.Update(link, {"remote_address"}), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Is("link", LinkStatus::STATE_CONNECTING); }));
  remote_.Publish("out", {"d"});
  link.set_remote_address(remote_.address());
  ASSERT_THAT(local_.Update(link, {"remote_address"}), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 4); }));
  // A different hub: its topic is a different one too, and is read from the beginning.
  link.set_remote_address(third.address());
  ASSERT_THAT(local_.Update(link, {"remote_address"}), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 6); }));
  remote_.Publish("out", {"not linked any more"});
  third.Publish("out", {"t3"});
  ASSERT_TRUE(Eventually([&] { return local_.Has("in", 7); }));
  EXPECT_THAT(local_.Ids("in"), ElementsAre("a", "b", "c", "d", "t1", "t2", "t3"));
  AwaitCaughtUp();
  EXPECT_EQ(local_.Status("link").remote_hub_id(), third.id());
}

TEST_F(LinkTest, FilteredEventsAtHeadCauseFewWrites) {
  CreateTopic(remote_.client(), "out", 2);
  CreateTopic(local_.client(), "in");
  v1::Link link = LinkFrom(remote_, "out", "in");
  link.mutable_filter()->set_sql("id = 'wanted'");
  ASSERT_THAT(local_.Create(link), IsOk());
  AwaitCaughtUp();
  const uint64_t before = GetStats(local_.client()).commits();
  const absl::Time start = absl::Now();
  for (int i = 0; i < 200; ++i) {
    remote_.Publish("out", {absl::StrCat(i)}, absl::StrCat("key", i % 9));
  }
  ASSERT_TRUE(Eventually([&] {
    const LinkStatus status = local_.Status("link");
    int64_t passed = 0;
    for (const v1::PartitionOffset& at : status.positions()) passed += at.offset();
    return passed == 200;
  }));
  EXPECT_LE(GetStats(local_.client()).commits() - before,
            static_cast<uint64_t>((absl::Now() - start) / absl::Seconds(1)) + 2);
  EXPECT_TRUE(local_.Is("link", LinkStatus::STATE_CAUGHT_UP));
  EXPECT_EQ(local_.Status("link").looped_events(), 0u);
  EXPECT_THAT(local_.Ids("in"), IsEmpty());
}

TEST_F(LinkTest, CountsLoopedEventsAtHead) {
  CreateTopic(remote_.client(), "t");
  CreateTopic(local_.client(), "t");
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "t", "t")), IsOk());
  ASSERT_THAT(remote_.Create(LinkFrom(local_, "t", "t")), IsOk());
  local_.Publish("t", {"a", "b"});
  ASSERT_TRUE(Eventually([&] { return remote_.Has("t", 2); }));
  ASSERT_TRUE(Eventually([&] {
    const LinkStatus status = local_.Status("link");
    return status.looped_events() == 2 && status.positions_size() == 1 &&
           status.positions(0).offset() == 2;
  }));
  EXPECT_EQ(local_.Status("link").appended_events(), 0u);
}

TEST_F(LinkTest, CountsLoopedEventsFromBeforeCreation) {
  CreateTopic(remote_.client(), "t");
  CreateTopic(local_.client(), "t");
  ASSERT_THAT(remote_.Create(LinkFrom(local_, "t", "t")), IsOk());
  local_.Publish("t", {"a", "b"});
  ASSERT_TRUE(Eventually([&] { return remote_.Has("t", 2); }));
  remote_.Publish("t", {"c"});
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "t", "t")), IsOk());
  ASSERT_TRUE(Eventually([&] { return local_.Has("t", 3); }));
  EXPECT_TRUE(Eventually([&] { return local_.Status("link").looped_events() == 2; }));
}

// Accepts connections and says nothing.
class SilentServer {
 public:
  SilentServer() : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory_.path() + "/silent";
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
  }
  ~SilentServer() {
    close(accepted_);
    close(fd_);
  }
  std::string address() const { return "unix:" + directory_.path() + "/silent"; }
  // Waits for a connection.
  void Await() {
    accepted_ = accept(fd_, nullptr, nullptr);
    EXPECT_GE(accepted_, 0);
  }

 private:
  TempDirectory directory_;
  const int fd_;
  int accepted_ = -1;
};

TEST_F(LinkTest, StopsImmediatelyWhileRemoteHubIsSilent) {
  SilentServer silent;
  CreateTopic(local_.client(), "in");
  v1::Link link = LinkFrom(remote_, "out", "in");
  link.set_remote_address(silent.address());
  ASSERT_THAT(local_.Create(link), IsOk());
  silent.Await();
  const absl::Time start = absl::Now();
  local_.Stop();
  EXPECT_LT(absl::Now() - start, absl::Seconds(1));
  local_.Start();
}

TEST_F(LinkTest, CopiesManyEventsPerCommit) {
  CreateTopic(remote_.client(), "out");
  CreateTopic(local_.client(), "in");
  constexpr int kRequests = 2000;
  for (int i = 0; i < kRequests; ++i) {
    v1::PublishRequest request = MakePublish("out", 10, std::string(500, 'x'));
    request.set_durability(v1::DURABILITY_WRITTEN);
    eventhub::Publish(remote_.client(), request);
  }
  const uint64_t before = GetStats(local_.client()).commits();
  ASSERT_THAT(local_.Create(LinkFrom(remote_, "out", "in")), IsOk());
  ASSERT_TRUE(Eventually(
      [&] { return GetPartition(local_.client(), "in").end_offset() == kRequests * 10; }));
  EXPECT_LT(GetStats(local_.client()).commits() - before, kRequests / 10);
}

}  // namespace
}  // namespace eventhub
