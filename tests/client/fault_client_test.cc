// FaultClient: pages, sums and groups; details of faults and texts of nacks.

#include "eventhub/fault_client.h"

#include <string>
#include <vector>

#include "client/src/admin/subscription_proto.h"
#include "client/src/base/reason.h"
#include "client/src/subscribe/fault_proto.h"
#include "eventhub/mocks/mock_connection.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eventhub::client {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::Return;
using ::testing::SizeIs;
using ::testing::StrictMock;

class FaultClientTest : public testing::Test {
 protected:
  static auto PageAt(const std::string& token) {
    return Field("page_token", &CloseLettersSpec::page_token, token);
  }

  const std::shared_ptr<StrictMock<MockConnection>> hub_ =
      std::make_shared<StrictMock<MockConnection>>();
  FaultClient client_{hub_, {.timeout = absl::Seconds(3)}};
};

TEST_F(FaultClientTest, ResubmitsPageByPageAndAddsUp) {
  EXPECT_CALL(*hub_, RedriveDeadLetterPage("s", PageAt(""), absl::Seconds(3)))
      .WillOnce(Return(RedriveResult{.events = 1000, .in_flight = 1, .next_page_token = "p"}));
  EXPECT_CALL(*hub_, RedriveDeadLetterPage("s", PageAt("p"), _))
      .WillOnce(Return(RedriveResult{.events = 5, .to_come = 2, .trimmed = 3}));
  std::vector<uint64_t> progress;
  const auto result = client_.Resubmit("s", {}, [&](const RedriveResult& so_far) {
    progress.push_back(so_far.events);
    return true;
  });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->events, 1005u);
  EXPECT_EQ(result->in_flight, 1u);
  EXPECT_EQ(result->to_come, 2u);
  EXPECT_EQ(result->trimmed, 3u);
  EXPECT_EQ(result->next_page_token, "");
  EXPECT_THAT(progress, ElementsAre(1000u, 1005u));
}

TEST_F(FaultClientTest, EndsEarlyAndContinues) {
  EXPECT_CALL(*hub_, DiscardDeadLetterPage("s", PageAt(""), _))
      .WillOnce(Return(RedriveResult{.events = 7, .next_page_token = "p"}));
  const auto part = client_.Discard("s", {}, [](const RedriveResult&) { return false; });
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->next_page_token, "p");
  EXPECT_CALL(*hub_, DiscardDeadLetterPage("s", PageAt("p"), _))
      .WillOnce(Return(absl::UnavailableError("gone")));
  EXPECT_EQ(client_.Discard("s", {.page_token = "p"}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(FaultClientTest, AddsUpTheGroupsOfAllPages) {
  const auto group = [](const char* error, uint64_t events, int64_t from, int64_t to,
                        const char* message) {
    return DeadLetterGroup{.subscription = "s",
                           .error = error,
                           .events = events,
                           .failed_again = 1,
                           .first_time = absl::FromUnixSeconds(from),
                           .last_time = absl::FromUnixSeconds(to),
                           .message = message};
  };
  EXPECT_CALL(*hub_, CountDeadLetters("", _, "", _))
      .WillOnce(Return(
          Page<DeadLetterGroup>{.items = {group("B", 1, 5, 5, "b"), group("A", 2, 3, 9, "late")},
                                .next_page_token = "p"}));
  EXPECT_CALL(*hub_, CountDeadLetters("", _, "p", _))
      .WillOnce(Return(Page<DeadLetterGroup>{.items = {group("A", 3, 1, 4, "early")}}));
  const auto groups = client_.Count("", {});
  ASSERT_TRUE(groups.ok());
  ASSERT_THAT(*groups, SizeIs(2));
  EXPECT_EQ((*groups)[0].error, "A");
  EXPECT_EQ((*groups)[0].events, 5u);
  EXPECT_EQ((*groups)[0].failed_again, 2u);
  EXPECT_EQ((*groups)[0].first_time, absl::FromUnixSeconds(1));
  EXPECT_EQ((*groups)[0].last_time, absl::FromUnixSeconds(9));
  EXPECT_EQ((*groups)[0].message, "late");
  EXPECT_EQ((*groups)[1].error, "B");
}

TEST(FaultDetailTest, GoesToTheHubAndBack) {
  const FaultDetail detail{.processor = "/p",
                           .pipeline = "charge",
                           .step = "s",
                           .error = "E",
                           .message = "m",
                           .causes = {"a", "b"},
                           .attempts = 3,
                           .host = "h",
                           .time = absl::FromUnixSeconds(7),
                           .trace_id = "t",
                           .group = "g"};
  v1::FaultDetail proto;
  ToProto(detail, proto);
  v1::DeadLetter letter;
  *letter.mutable_fault() = proto;
  letter.set_state(v1::DeadLetter::STATE_FAILED_AGAIN);
  letter.set_failures(4);
  const DeadLetter read = FromProto(letter);
  ASSERT_TRUE(read.fault.has_value());
  v1::FaultDetail again;
  ToProto(*read.fault, again);
  EXPECT_EQ(again.SerializeAsString(), proto.SerializeAsString());
  EXPECT_EQ(read.fault->causes, detail.causes);
  EXPECT_EQ(read.fault->time, detail.time);
  EXPECT_EQ(read.state, DeadLetterState::kFailedAgain);
  EXPECT_EQ(read.failures, 4u);
}

TEST(FaultDetailTest, WhatTheHubWouldRefuseIsLeftOut) {
  std::vector<FaultDetail> faults = {{.pipeline = "a", .error = "first"},
                                     {.pipeline = "a", .error = "second"},
                                     {.pipeline = std::string(1000, 'p')}};
  for (int i = 0; i < 200; ++i) faults.push_back({.pipeline = std::to_string(i)});
  v1::Nack nack;
  AddFaults(faults, nack);
  ASSERT_EQ(nack.faults_size(), 100);
  EXPECT_EQ(nack.faults(0).error(), "first");
  EXPECT_LE(nack.faults(1).pipeline().size(), 256u);
  EXPECT_EQ(nack.faults(2).pipeline(), "0");
}

TEST(FaultDetailTest, TextsAreMadeFit) {
  EXPECT_EQ(CleanText("a\xff", 10), "a?");
  const std::string cut = CleanText(std::string(3000, 'x'), 2048);
  EXPECT_THAT(cut, testing::EndsWith("x [984 bytes cut]"));
  EXPECT_LE(cut.size(), 2048u);
}

}  // namespace
}  // namespace eventhub::client
