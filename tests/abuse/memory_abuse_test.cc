// The daemon in a control group, as in a container, under each attack: it is not killed, a client
// next to the attackers continues to work, and the memory is released afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/abuse/attacks.h"
#include "tests/abuse/http2.h"
#include "tests/abuse/neighbour.h"
#include "tests/integration/raw_socket.h"
#include "tests/support/eventually.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/memory_cgroup.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temp_directory.h"

namespace eventhub::abuse {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr absl::Duration kAttack = absl::Seconds(1);

// Other load on the machine affects it; the faults to detect take seconds.
constexpr absl::Duration kPatience = absl::Milliseconds(1500);

// Acks 9,000 single events of others per request, from construction to destruction.
class RefusedConsumer {
 public:
  explicit RefusedConsumer(const std::string& address)
      : client_(address), stream_(client_.hub().Consume(&context_)), thread_([this] { Run(); }) {}
  ~RefusedConsumer() {
    context_.TryCancel();
    thread_.join();
  }

 private:
  void Run() {
    v1::ConsumeRequest request;
    request.mutable_open()->set_subscription("s");
    stream_->Write(request);
    request.Clear();
    v1::Ack& ack = *request.add_acks();
    ack.set_lease_epoch(1);
    for (int64_t event = 0; event < 18'000; event += 2) {
      v1::OffsetRange& range = *ack.add_ranges();
      range.set_start(event);
      range.set_end(event + 1);
    }
    while (stream_->Write(request)) {
    }
    stream_->Finish();
  }

  HubClient client_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ConsumeRequest, v1::ConsumeResponse>> stream_;
  std::thread thread_;
};

// Publishes one request again and again, over a stream, from construction to Stop().
class StreamPublisher {
 public:
  StreamPublisher(const std::string& address, v1::PublishStreamRequest request)
      : client_(address),
        request_(std::move(request)),
        stream_(client_.hub().PublishStream(&context_)),
        writer_([this] { Write(); }),
        reader_([this] { Read(); }) {}
  ~StreamPublisher() { Stop(); }

  void Stop() {
    if (!writer_.joinable()) return;
    context_.TryCancel();
    writer_.join();
    reader_.join();
    stream_->Finish();
  }

  // Call after Stop(). The number of replies by reason; unset: success.
  const std::map<std::optional<v1::ErrorDetail::Reason>, int>& replies() const { return replies_; }

 private:
  void Write() {
    while (stream_->Write(request_)) {
    }
  }
  void Read() {
    for (v1::PublishStreamResponse reply; stream_->Read(&reply);) {
      if (reply.has_error()) {
        ++replies_[DetailOf(reply.error()).reason()];
      } else {
        ++replies_[std::nullopt];
      }
    }
  }

  HubClient client_;
  const v1::PublishStreamRequest request_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>>
      stream_;
  std::map<std::optional<v1::ErrorDetail::Reason>, int> replies_;  // Only for the reader.
  std::thread writer_;
  std::thread reader_;
};

class MemoryAbuseTest : public testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    if (kAddressSanitizer) GTEST_SKIP() << "the sanitizer takes several times the memory";
    absl::StatusOr<std::unique_ptr<MemoryCgroup>> group = MemoryCgroup::Create(GetParam() * kMiB);
    if (group.ok()) {
      group_ = *std::move(group);
      hub_.JoinCgroup(group_->procs_file());
    } else {
      GTEST_SKIP() << group.status().message();
    }
    hub_.Start();
    neighbour_ = std::make_unique<Neighbour>(hub_.address());
    client_ = std::make_unique<HubClient>(hub_.address());
    CreateTopic(*client_, "t");
    idle_ = hub_.AnonymousBytes();
  }

  void TearDown() override {
    if (!hub_.running()) return;
    // Enough to judge it by, on a slow machine too; and it still works after the attack.
    const size_t needed = std::max<size_t>(20, neighbour_->rounds() + 1);
    EXPECT_TRUE(Eventually([&] { return neighbour_->rounds() >= needed; }));
    neighbour_->Stop();
    std::cout << "idle " << idle_ / kMiB << " MiB, at the end " << hub_.AnonymousBytes() / kMiB
              << " MiB; neighbour: " << neighbour_->rounds() << " rounds, median "
              << neighbour_->Percentile(0.5) << ", p99 " << neighbour_->Percentile(0.99)
              << std::endl;
    EXPECT_LT(neighbour_->Percentile(0.99), kPatience);
    // If the kernel's OOM killer struck, no hub answers.
    EXPECT_FALSE(GetStats(*client_).version().empty());
    neighbour_.reset();
    client_.reset();
    hub_.Terminate();
    EXPECT_EQ(hub_.Wait(), 0);
  }

  // What remains after a hub has done some work: caches, and pages of the allocator that still hold
  // an object allocated in between.
  void ExpectMemoryBack() {
    EXPECT_TRUE(Eventually([&] {
      return hub_.AnonymousBytes() < idle_ * 6 / 5 + GetParam() * kMiB / 16 + 32 * kMiB;
    })) << hub_.AnonymousBytes() / kMiB
        << " MiB are kept, of " << idle_ / kMiB << " at first";
  }

  TempDirectory directory_;
  std::unique_ptr<MemoryCgroup> group_;  // Destroyed after the process in it.
  HubProcess hub_{directory_.path()};
  std::unique_ptr<Neighbour> neighbour_;
  std::unique_ptr<HubClient> client_;
  size_t idle_ = 0;
};

TEST_P(MemoryAbuseTest, SurvivesIncompleteRequests) {
  IncompleteRequests(hub_.address(), 10, 4 * kMiB - 1000, kAttack);
  ExpectMemoryBack();
}

TEST_P(MemoryAbuseTest, SurvivesCallsWithoutRequests) {
  CallsWithoutRequests(hub_.address(), 600, kAttack * 3 / 2);
  ExpectMemoryBack();
}

TEST_P(MemoryAbuseTest, SurvivesEndlessHeaders) {
  EndlessContinuation(hub_.address(), 1, kAttack);
  HugeMetadata(hub_.address(), 1, kAttack);
  ExpectMemoryBack();
}

TEST_P(MemoryAbuseTest, SurvivesStalledReadersOfColdEvents) {
  v1::PublishRequest request = MakePublish("t", 3, std::string(1'000'000, 'x'));
  request.set_durability(v1::DURABILITY_WRITTEN);
  const size_t bytes = GetParam() * kMiB / 4;
  for (size_t sent = 0; sent < bytes; sent += 3'000'000) {
    while (!TryPublish(*client_, request).status.ok()) {
    }
  }
  v1::ReadRequest read = ReadOf("t");
  read.set_max_response_bytes(4'000'000);
  StalledCalls(hub_.address(), 5, "Read", read.SerializeAsString(), kAttack);
  const v1::GetStatsResponse stats = GetStats(*client_);
  EXPECT_LT(hub_.AnonymousBytes(), GetParam() * kMiB * 3 / 4) << stats.DebugString();
}

TEST_P(MemoryAbuseTest, SurvivesAnswersThatNobodyTakes) {
  v1::Topic topic;
  topic.set_name("kv");
  topic.mutable_retention()->mutable_latest_per_key();
  CreateTopic(*client_, topic);
  v1::PublishRequest request = MakePublish("kv", 1, std::string(1'000'000, 'x'));
  request.mutable_events(0)->set_partition_key("k");
  Publish(*client_, request);
  v1::GetLatestRequest get;
  get.set_topic("kv");
  get.set_key("k");
  size_t most = 0;
  std::thread attack(
      [&] { StalledCalls(hub_.address(), 10, "GetLatest", get.SerializeAsString(), 3 * kAttack); });
  for (const absl::Time end = absl::Now() + 2 * kAttack; absl::Now() < end;) {
    most = std::max(most, hub_.AnonymousBytes());
  }
  attack.join();
  std::cout << "at most " << most / kMiB << " MiB" << std::endl;
  EXPECT_LT(most, GetParam() * kMiB / 2);
  ExpectMemoryBack();
  v1::GetLatestResponse got;
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext context;
    return client_->hub().GetLatest(&context, get, &got).ok();
  })) << "for a client that takes its answers";
}

// Small requests of many parts take thirty times their size when they are parsed.
TEST_P(MemoryAbuseTest, SurvivesLargeTopologies) {
  v1::ApplyTopologyRequest request;
  request.set_dry_run(true);
  for (int i = 0; i < 20'000; ++i) {
    request.mutable_topology()->add_topics()->set_name("many-" + std::to_string(i));
  }
  std::atomic<int> planned{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> clients;
  const absl::Time end = absl::Now() + 3 * kAttack;
  for (int i = 0; i < 40; ++i) {
    clients.emplace_back([&] {
      HubClient client(hub_.address());
      while (absl::Now() < end) {
        grpc::ClientContext context;
        context.set_deadline(absl::ToChronoTime(end));  // Those that still wait are not planned.
        v1::ApplyTopologyResponse response;
        const grpc::Status status = client.topologies().ApplyTopology(&context, request, &response);
        if (status.ok()) {
          ++planned;
        } else if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) {
          EXPECT_THAT(status, FailsWith(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                        v1::ErrorDetail::REASON_TOO_MUCH_IN_FLIGHT));
          ++refused;
        }
      }
    });
  }
  size_t most = 0;
  while (absl::Now() < end) most = std::max(most, hub_.AnonymousBytes());
  for (std::thread& client : clients) client.join();
  std::cout << "at most " << most / kMiB << " MiB; " << planned << " were planned, " << refused
            << " refused" << std::endl;
  EXPECT_GT(planned, 0);
  EXPECT_LT(most, GetParam() * kMiB / 2);
  ExpectMemoryBack();
}

// Large requests of fields that the methods do not have.
TEST_P(MemoryAbuseTest, SurvivesRequestsOfUnknownFields) {
  std::string groups;
  std::string numbers;
  for (int i = 0; i < 1'000'000; ++i) {
    groups += "\xfb\x07\xfc\x07";
    numbers += "\xf8\x07\x01";
  }
  const std::vector<std::string> paths = {
      "/eventhub.v1.AdminService/GetTopic", "/eventhub.v1.RouteService/TestRoutes",
      "/eventhub.v1.SubscriptionService/SeekSubscription",
      "/eventhub.v1.TopologyService/ApplyTopology", "/grpc.health.v1.Health/Check"};
  std::atomic<int> refused{0};
  std::vector<std::thread> clients;
  const absl::Time end = absl::Now() + 2 * kAttack;
  for (size_t i = 0; i < 40; ++i) {
    clients.emplace_back(
        [&, path = paths[i % paths.size()], &body = i % 2 == 0 ? groups : numbers] {
          HubClient client(hub_.address());
          while (absl::Now() < end) {
            const grpc::Status status = CallRaw(client, path, body);
            EXPECT_FALSE(status.ok());
            refused += status.error_details().empty() ? 0 : 1;
          }
        });
  }
  size_t most = 0;
  while (absl::Now() < end) most = std::max(most, hub_.AnonymousBytes());
  for (std::thread& client : clients) client.join();
  std::cout << "at most " << most / kMiB << " MiB; " << refused << " were refused" << std::endl;
  EXPECT_GT(refused, 0);
  EXPECT_LT(most, GetParam() * kMiB * 3 / 5);
  ExpectMemoryBack();
}

// Who takes its frames gets large ones beside those who do not.
TEST_P(MemoryAbuseTest, StalledReadersDoNotShrinkFramesOfOthers) {
  for (int i = 0; i < 24; ++i) Publish(*client_, MakePublish("t", 1000, std::string(1000, 'x')));
  const auto responses = [&] {
    const ReadOutcome read = ReadAll(*client_, ReadOf("t"));
    EXPECT_THAT(read.status, IsOk());
    return read.responses.size();
  };
  const size_t alone = responses();
  std::thread attack([&] {
    StalledCalls(hub_.address(), 5, "Read", ReadOf("t").SerializeAsString(), 3 * kAttack);
  });
  EXPECT_TRUE(Eventually([&] { return GetStats(*client_).totals().readers() > 300; }));
  const size_t beside = responses();
  attack.join();
  std::cout << alone << " responses alone, " << beside << " beside stalled readers" << std::endl;
  EXPECT_LT(beside, 3 * alone);
}

// Each request becomes sixty. Those of half of the publishers are too large for that, and the
// others compete for the memory of copies.
TEST_P(MemoryAbuseTest, SurvivesCopiesOfRoutes) {
  constexpr int kRoutes = 60;
  for (int i = 0; i < kRoutes; ++i) {
    const std::string name = "copies-" + std::to_string(i);
    CreateTopic(*client_, name);
    v1::CreateRouteRequest create;
    create.mutable_route()->set_name(name);
    create.mutable_route()->set_source_topic("t");
    create.mutable_route()->add_target_topics(name);
    (*create.mutable_route()->mutable_set_attributes())["seen"].set_boolean(true);
    grpc::ClientContext context;
    v1::CreateRouteResponse created;
    ASSERT_THAT(client_->routes().CreateRoute(&context, create, &created), IsOk());
  }
  size_t limit = 0;
  const v1::GetStatsResponse before = GetStats(*client_);
  for (const v1::MemoryShare& share : before.memory().shares()) {
    if (share.name() == "copies") limit = share.limit_bytes();
  }
  ASSERT_GT(limit, 0u);
  const auto request = [](size_t bytes) {
    v1::PublishStreamRequest publish = MakeStreamPublish("t", 1, 10, std::string(bytes / 10, 'x'));
    publish.set_durability(v1::DURABILITY_WRITTEN);
    return publish;
  };
  std::vector<std::unique_ptr<StreamPublisher>> large;
  std::vector<std::unique_ptr<StreamPublisher>> small;
  for (int i = 0; i < 6; ++i) {
    large.push_back(std::make_unique<StreamPublisher>(hub_.address(), request(4'100'000)));
    small.push_back(
        std::make_unique<StreamPublisher>(hub_.address(), request(limit * 4 / 5 / kRoutes)));
  }
  size_t most = 0;
  for (const absl::Time end = absl::Now() + 3 * kAttack; absl::Now() < end;) {
    most = std::max(most, hub_.AnonymousBytes());
  }
  const auto sum_of = [](auto& publishers) {
    std::map<std::optional<v1::ErrorDetail::Reason>, int> sum;
    for (const auto& publisher : publishers) {
      publisher->Stop();
      for (const auto& [reason, count] : publisher->replies()) sum[reason] += count;
    }
    return sum;
  };
  const auto of_large = sum_of(large);
  const auto of_small = sum_of(small);
  std::cout << "at most " << most / kMiB << " MiB; small requests:";
  for (const auto& [reason, count] : of_small) {
    std::cout << " " << (reason ? v1::ErrorDetail::Reason_Name(*reason) : "OK") << " " << count;
  }
  std::cout << std::endl;
  // Those of the others may have left no memory before a request turned out to be too large.
  EXPECT_EQ(of_large.count(std::nullopt), 0u);
  EXPECT_GT(of_large.at(v1::ErrorDetail::REASON_TOO_MANY_COPIES), 0);
  EXPECT_GT(of_small.at(std::nullopt), 0);
  for (const auto& [reason, count] : of_small) {
    EXPECT_EQ(reason.value_or(v1::ErrorDetail::REASON_COPIES_IN_FLIGHT),
              v1::ErrorDetail::REASON_COPIES_IN_FLIGHT);
  }
  EXPECT_LT(most, GetParam() * kMiB * 3 / 4);
  ExpectMemoryBack();
}

// Consumers whose every range is refused, and that take no answers.
TEST_P(MemoryAbuseTest, SurvivesRefusedAcks) {
  v1::CreateSubscriptionRequest create;
  create.mutable_subscription()->set_name("s");
  create.mutable_subscription()->set_topic("t");
  create.mutable_subscription()->set_kind(v1::Subscription::KIND_QUEUE);
  grpc::ClientContext context;
  v1::CreateSubscriptionResponse created;
  ASSERT_THAT(client_->subscriptions().CreateSubscription(&context, create, &created), IsOk());
  std::vector<std::unique_ptr<RefusedConsumer>> consumers;
  for (size_t i = 0; i < GetParam() / 32; ++i) {
    consumers.push_back(std::make_unique<RefusedConsumer>(hub_.address()));
  }
  size_t most = 0;
  for (const absl::Time end = absl::Now() + kAttack; absl::Now() < end;) {
    most = std::max(most, hub_.AnonymousBytes());
  }
  consumers.clear();
  std::cout << "at most " << most / kMiB << " MiB" << std::endl;
  EXPECT_LT(most, GetParam() * kMiB / 8);
  ExpectMemoryBack();
}

TEST_P(MemoryAbuseTest, SurvivesTopicsOfManyPartitions) {
  grpc::Status status;
  int made = 0;
  for (; status.ok() && made < 100; ++made) {
    v1::CreateTopicRequest request;
    request.mutable_topic()->set_name("many-" + std::to_string(made));
    request.mutable_topic()->set_partitions(20'000);
    grpc::ClientContext context;
    v1::CreateTopicResponse response;
    status = client_->admin().CreateTopic(&context, request, &response);
  }
  EXPECT_THAT(status, FailsWith(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                v1::ErrorDetail::REASON_TOO_MANY_PARTITIONS));
  EXPECT_LT(hub_.AnonymousBytes(), GetParam() * kMiB / 2);
  for (int i = 0; i + 1 < made; ++i) {
    v1::DeleteTopicRequest request;
    request.set_name("many-" + std::to_string(i));
    grpc::ClientContext context;
    v1::DeleteTopicResponse response;
    EXPECT_THAT(client_->admin().DeleteTopic(&context, request, &response), IsOk());
  }
  ExpectMemoryBack();
}

TEST_P(MemoryAbuseTest, SurvivesConnectionFlood) {
  EXPECT_GT(ConnectionFlood(hub_.address(), kAttack), 1000u);
  EXPECT_GT(GetStats(*client_).connections().refused(), 100u);
  ExpectMemoryBack();
}

INSTANTIATE_TEST_SUITE_P(Limits, MemoryAbuseTest, testing::Values(512, 2048),
                         [](const auto& limit) { return std::to_string(limit.param) + "MiB"; });

// With only connections that nobody answers left, a shutdown does not wait for them.
TEST(ShutdownTest, IdleConnectionsDoNotDelayShutdown) {
  TempDirectory directory;
  HubProcess hub(directory.path(), {"--shutdown_grace=60s"});
  hub.Start();
  RawSocket silent(hub.address());
  RawSocket idle(hub.address());
  idle.Send(kPreface + Http2Frame(kSettings, 0, 0, ""));
  HubClient client(hub.address());
  ASSERT_TRUE(Eventually([&] { return GetStats(client).connections().open() == 3; }));
  const absl::Time start = absl::Now();
  hub.Terminate();
  EXPECT_EQ(hub.Wait(), 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(15));
}

}  // namespace
}  // namespace eventhub::abuse
