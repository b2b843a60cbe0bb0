// The command line's output for subscriptions and topics, for people and for programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/cli/output/subscription_output.h"
#include "client/cli/output/terminal.h"
#include "client/cli/output/topic_output.h"
#include "client/cli/run/progress.h"

namespace eventhub::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const absl::Time kReportTime = absl::FromUnixSeconds(1'800'000'000);

client::SubscriptionDescription Behind() {
  client::SubscriptionDescription description;
  client::Subscription& subscription = description.subscription;
  subscription.name = "billing";
  subscription.topic = "orders";
  subscription.kind = client::SubscriptionKind::kQueue;
  subscription.ack_deadline = absl::Seconds(30);
  subscription.max_delivery_attempts = 5;
  subscription.dead_letter_topic = "billing.dead-letters";
  subscription.create_time = kReportTime - absl::Hours(1);
  description.stats.lag_events = 1234;
  description.stats.lag_bytes = 2048;
  description.stats.oldest_age = absl::Minutes(3);
  description.stats.last_ack_time = kReportTime - absl::Seconds(90);
  description.findings = {"partition 0: offset 7 fails, \x1b[2Jattempt 3"};
  client::SubscriptionPartition partition;
  partition.acked_offset = 7;
  partition.next_offset = 900;
  partition.end_offset = 1241;
  partition.lag_events = 1234;
  partition.head_attempts = 3;
  partition.head_retry_time = kReportTime + absl::Seconds(4);
  partition.head_reason = "exit code 1: no route";
  description.partitions = {partition, {.partition = 1}};
  client::ConsumerInfo consumer;
  consumer.name = "worker-1";
  consumer.connect_time = kReportTime - absl::Minutes(5);
  consumer.credit.events = 20;
  consumer.in_use.events = 17;
  description.consumers = {consumer};
  return description;
}

TEST(CliReport, FindingsComeFirst) {
  const std::string report = RenderDescription(Behind(), kReportTime);
  EXPECT_THAT(report, StartsWith("billing: queue of topic orders\n\n"
                                 "  * partition 0: offset 7 fails, \\x1b[2Jattempt 3\n\n"));
  EXPECT_THAT(report, HasSubstr("1,234 events (2.00 KiB), the oldest is 3m old"));
  EXPECT_THAT(report, HasSubstr("last ack:     1m30s ago"));
  EXPECT_THAT(report, HasSubstr("attempt 3, again in 4s, \"exit code 1: no route\""));
  EXPECT_THAT(report, HasSubstr("worker-1"));
  EXPECT_THAT(report, HasSubstr("max attempts: 5"));
}

TEST(CliReport, OmitsIdlePartitions) {
  client::SubscriptionDescription description = Behind();
  description.partitions.erase(description.partitions.begin());
  EXPECT_THAT(RenderDescription(description, kReportTime), Not(HasSubstr("PARTITION")));
}

TEST(CliReport, ReportsHealthySubscription) {
  client::SubscriptionDescription description = Behind();
  description.findings.clear();
  EXPECT_THAT(RenderDescription(description, kReportTime), HasSubstr("* nothing blocks it"));
  description.stats.lag_events = 0;
  EXPECT_THAT(RenderDescription(description, kReportTime), HasSubstr("* all is settled"));
  description.consumers.clear();
  EXPECT_THAT(RenderDescription(description, kReportTime), HasSubstr("No consumer is connected."));
}

TEST(CliReport, NamesConsumerOfStreamPartition) {
  client::SubscriptionDescription description = Behind();
  description.subscription.kind = client::SubscriptionKind::kStream;
  description.partitions.front().consumer = "worker-1";
  description.consumers.front().partitions = {0, 3};
  const std::string report = RenderDescription(description, kReportTime);
  EXPECT_THAT(report, HasSubstr("CONSUMER  OLDEST EVENT"));
  EXPECT_THAT(report, HasSubstr("  0,3\n"));
}

TEST(CliSubscriptionJson, IncludesEveryField) {
  const Json json = DescriptionJson(Behind());
  EXPECT_EQ(json["kind"], "queue");
  EXPECT_EQ(json["ack_deadline_seconds"], 30.0);
  EXPECT_TRUE(json["expire_after_seconds"].is_null());
  EXPECT_TRUE(json["events_per_second"].is_null());
  EXPECT_EQ(json["findings"].size(), 1);
  EXPECT_EQ(json["stats"]["lag_events"], 1234);
  EXPECT_EQ(json["partition_list"].size(), 2);
  EXPECT_EQ(json["partition_list"][0]["head_reason"], "exit code 1: no route");
  EXPECT_TRUE(json["partition_list"][0]["head_consumer"].is_null());
  EXPECT_EQ(json["consumers"][0]["in_use"]["events"], 17);
}

TEST(CliSubscriptionOutput, ListsSubscriptionsWithState) {
  client::SubscriptionSummary behind{.subscription = Behind().subscription,
                                     .stats = Behind().stats};
  client::SubscriptionSummary idle{.subscription = {.name = "idle", .topic = "orders"}};
  const std::string table = RenderSubscriptions({behind, idle});
  EXPECT_THAT(table, HasSubstr("billing  orders  queue    no consumer  1,234  2.00 KiB      3m"));
  EXPECT_THAT(table, HasSubstr("idle     orders  unknown  idle"));
}

TEST(CliSubscriptionOutput, SummarizesSeek) {
  const std::string moves = RenderMoves({{0, 10, 5, 90, 95}, {1, 7, 0, 3, 10}}, true);
  EXPECT_THAT(moves, HasSubstr("lag: 93 events before, 105 after\n"));
  EXPECT_THAT(moves, HasSubstr("dry run: nothing was changed\n"));
  EXPECT_EQ(RenderMoves({}, false), "nothing moves\n");
  EXPECT_EQ(MovesJson({{0, 10, 5, 90, 95}}, true)["moves"][0]["to_offset"], 5);
}

TEST(CliSubscriptionOutput, DescribesReplay) {
  const client::ReplayResult result{.events = 30, .ranges = {{2, {100, 130}}}};
  EXPECT_THAT(RenderReplay(result, false), HasSubstr("30 events are replayed\n"));
  EXPECT_THAT(RenderReplay(result, false), HasSubstr("100   129\n"));
  EXPECT_THAT(RenderReplay(result, true), HasSubstr("30 events would be replayed\n"));
}

TEST(CliSubscriptionOutput, ListsDeadLettersWithReason) {
  client::DeadLetter letter;
  letter.offset = 17;
  letter.source_partition = 3;
  letter.source_offset = 1200;
  letter.attempts = 5;
  letter.reason = "exit code 65: \x1b]0;no";
  letter.time = kReportTime;
  letter.event.set_type("shop.order.placed");
  const std::string table = RenderDeadLetters({letter});
  EXPECT_THAT(table, HasSubstr("0:17"));
  EXPECT_THAT(table, HasSubstr("3:1200"));
  EXPECT_THAT(table, HasSubstr("exit code 65: \\x1b]0;no"));
  EXPECT_EQ(DeadLetterJson(letter)["source_offset"], 1200);
}

TEST(CliOutput, FormatsShareAndTimeLeft) {
  EXPECT_EQ(ShareText(5, 0, absl::Seconds(1)), "");
  EXPECT_EQ(ShareText(0, 1000, absl::Seconds(1)), ", 0% of 1,000");
  EXPECT_EQ(ShareText(250, 1000, absl::Seconds(10)), ", 25% of 1,000, 30s left");
  EXPECT_EQ(ShareText(1000, 1000, absl::Seconds(10)), ", 100% of 1,000");
  EXPECT_EQ(ShareText(1500, 1000, absl::Seconds(10)), ", 100% of 1,000");
  EXPECT_EQ(ShareOfBytesText(1 << 20, 2 << 20, absl::Seconds(10)), ", 50% of 2.00 MiB, 10s left");
}

TEST(CliOutput, MarksAppendTimesAheadOfClock) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const client::PartitionInfo right{.partition = 0, .last_append_time = now};
  const client::PartitionInfo ahead{.partition = 1, .last_append_time = now + absl::Hours(1)};
  EXPECT_EQ(RenderPartitions({right}, now).find('!'), std::string::npos);
  const std::string text = RenderPartitions({right, ahead, {.partition = 2}}, now);
  EXPECT_NE(text.find("Z !\n"), std::string::npos) << text;
  EXPECT_NE(text.find("! 1 partition with append times ahead of the clock"), std::string::npos);
}

}  // namespace
}  // namespace eventhub::cli
