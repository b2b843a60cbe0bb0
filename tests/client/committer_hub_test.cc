// The committer against the real hub, over connections that break, and against a hub without
// TransactStream.

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "eventhub/admin_client.h"
#include "eventhub/committer.h"
#include "eventhub/error.h"
#include "eventhub/reader.h"
#include "eventhub/v1/hub.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"
#include "tests/support/tcp_proxy.h"
#include "tests/support/test_hub.h"

namespace eventhub::client {
namespace {

Transaction TransactionOf(int i) {
  Transaction transaction(absl::StrCat("transaction ", i));
  v1::Event event;
  event.set_id(absl::StrCat(i));
  event.set_source("/test");
  event.set_type("t");
  return std::move(transaction.Append("out", std::move(event)));
}

// How often each event is in the topic.
std::map<std::string, int> IdsOf(const std::shared_ptr<Connection>& hub) {
  std::map<std::string, int> ids;
  const auto reader = Reader::Create(hub, {.topic = "out"});
  EXPECT_TRUE(reader.ok());
  v1::Event event;
  for (;;) {
    const auto batch = (*reader)->Next(absl::Seconds(30));
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (!batch.ok() || batch->done()) return ids;
    for (const ReceivedEvent& received : *batch) {
      EXPECT_TRUE(received.ParseTo(event).ok());
      ++ids[event.id()];
    }
  }
}

TEST(CommitterHubTest, CommitsOnceOverConnectionsThatBreak) {
  constexpr int kTransactions = 2000;
  TestHub hub;
  const std::shared_ptr<Connection> direct = Connect(hub.address());
  ASSERT_TRUE(AdminClient(direct).CreateTopic({.name = "out"}).ok());
  std::atomic<int> committed{0};
  int taken = 0;
  // Each committer goes through a proxy that is cut while transactions are in flight; the next one
  // commits them all again, under their ids.
  for (int cut = 0; cut < 3; ++cut) {
    TcpProxy proxy(hub.address());
    const auto committer = Committer::Create(Connect(proxy.address()), {});
    ASSERT_TRUE(committer.ok()) << committer.status();
    for (int i = 0; i < taken + kTransactions / 4; ++i) {
      ASSERT_TRUE(
          (*committer)
              ->Commit(TransactionOf(i), [&](const auto& result) { committed += result.ok(); })
              .ok());
    }
    taken += kTransactions / 4;
    ASSERT_TRUE(Eventually([&] { return committed > 0; }));
    proxy.Cut();
    (*committer)->Close(absl::ZeroDuration()).IgnoreError();
  }
  const auto committer = Committer::Create(direct, {});
  ASSERT_TRUE(committer.ok()) << committer.status();
  committed = 0;
  for (int i = 0; i < kTransactions; ++i) {
    ASSERT_TRUE(
        (*committer)
            ->Commit(TransactionOf(i), [&](const auto& result) { committed += result.ok(); })
            .ok());
  }
  ASSERT_TRUE((*committer)->Flush(absl::Seconds(60)).ok());
  EXPECT_EQ(committed, kTransactions);
  const std::map<std::string, int> ids = IdsOf(direct);
  EXPECT_EQ(ids.size(), static_cast<size_t>(kTransactions));
  for (const auto& [id, count] : ids) EXPECT_EQ(count, 1) << id;
}

TEST(CommitterHubTest, ReturnsTheHubsErrorsAndFailsOnlyTheOversizedOne) {
  TestHub hub;
  const std::shared_ptr<Connection> connection = Connect(hub.address());
  ASSERT_TRUE(AdminClient(connection).CreateTopic({.name = "out"}).ok());
  const auto committer = Committer::Create(connection, {});
  ASSERT_TRUE(committer.ok()) << committer.status();
  absl::Status large, unknown, expected;
  int committed = 0;
  const auto commit = [&](Transaction transaction, absl::Status& status) {
    ASSERT_TRUE(
        (*committer)
            ->Commit(std::move(transaction), [&](const auto& result) { status = result.status(); })
            .ok());
  };
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        (*committer)
            ->Commit(TransactionOf(i), [&](const auto& result) { committed += result.ok(); })
            .ok());
  }
  Transaction too_large = TransactionOf(100);
  too_large.appends[0].events[0].set_data(std::string(size_t{5} << 20, 'x'));
  commit(std::move(too_large), large);
  Transaction elsewhere = TransactionOf(101);
  elsewhere.appends[0].topic = "none";
  commit(std::move(elsewhere), unknown);
  commit(std::move(TransactionOf(102).Expect("out", 0, 4711)), expected);
  ASSERT_TRUE((*committer)->Flush(absl::Seconds(60)).ok());
  EXPECT_EQ(committed, 10);
  EXPECT_EQ(GetErrorReason(large), ErrorReason::kRequestTooLarge) << large;
  EXPECT_TRUE(absl::IsNotFound(unknown)) << unknown;
  EXPECT_TRUE(absl::IsAborted(expected)) << expected;
  EXPECT_EQ(IdsOf(connection).size(), 10u);
}

// A hub from before TransactStream, which is all that this one lacks.
class OldHub final : public v1::EventHubService::Service {
 public:
  OldHub() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~OldHub() override { server_->Shutdown(); }

  grpc::Status Transact(grpc::ServerContext*, const v1::TransactRequest* request,
                        v1::TransactResponse* response) override {
    v1::Placement& placement = *response->add_results()->add_placements();
    placement.set_base_offset(next_++);
    placement.set_count(static_cast<uint32_t>(request->appends(0).events_size()));
    return grpc::Status::OK;
  }

  const std::string& address() const { return address_; }

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::atomic<int64_t> next_{0};
};

TEST(CommitterHubTest, OlderHubGetsOneCallAfterAnother) {
  OldHub hub;
  const auto committer = Committer::Create(Connect(hub.address()), {});
  ASSERT_TRUE(committer.ok()) << committer.status();
  std::vector<int64_t> offsets;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE((*committer)
                    ->Commit(TransactionOf(i),
                             [&](const auto& result) {
                               ASSERT_TRUE(result.ok()) << result.status();
                               offsets.push_back(result->events[0].offset);
                             })
                    .ok());
  }
  ASSERT_TRUE((*committer)->Flush(absl::Seconds(60)).ok());
  ASSERT_EQ(offsets.size(), 100u);
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(offsets[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace eventhub::client
