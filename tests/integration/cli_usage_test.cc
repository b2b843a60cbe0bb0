// How the command line interprets its arguments: places and words, and how it reports invalid ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "client/cli/frame/command.h"
#include "client/cli/frame/usage.h"
#include "client/cli/input/places.h"
#include "client/cli/input/subscription_flags.h"
#include "storage/base/nearest_word.h"

namespace eventhub::cli {
namespace {

using testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(CliPlaces, ParsesStarts) {
  using Kind = client::StartPosition::Kind;
  EXPECT_EQ(ParseStart("earliest", kNow)->kind, Kind::kEarliest);
  EXPECT_EQ(ParseStart("latest", kNow)->kind, Kind::kLatest);
  EXPECT_EQ(ParseStart("1200", kNow)->kind, Kind::kOffset);
  EXPECT_EQ(ParseStart("1200", kNow)->offset, 1200);
  EXPECT_EQ(ParseStart("15m", kNow)->timestamp, kNow - absl::Minutes(15));
  EXPECT_EQ(ParseStart("2027-01-15T08:00:00Z", kNow)->timestamp, kNow);
  for (const char* text : {"", "yesterday", "-1", "0:1", "99999999999999999999"}) {
    EXPECT_EQ(ParseStart(text, kNow).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(CliPlaces, ParsesOffsetsOfPartitions) {
  EXPECT_THAT(*ParsePartitionOffsets("0:1200,11:0"),
              ElementsAre(client::PartitionOffset{0, 1200}, client::PartitionOffset{11, 0}));
  for (const char* text : {"", "0", "0:", ":1", "0:1,", "0:-1", "0:1:2", "5000000000:1"}) {
    EXPECT_FALSE(ParsePartitionOffsets(text).ok()) << text;
  }
}

TEST(CliPlaces, ParsesRangesWithTheirLast) {
  EXPECT_EQ(*ParsePartitionRange("2:10-19"), (client::PartitionRange{2, {10, 20}}));
  EXPECT_EQ(*ParsePartitionRange("2:10"), (client::PartitionRange{2, {10, 11}}));
  for (const char* text :
       {"", "2", "10-19", "2:10-", "2:19-10", "2:-5", "2:1-9223372036854775807"}) {
    EXPECT_FALSE(ParsePartitionRange(text).ok()) << text;
  }
}

TEST(CliUsage, SplitsOffEmptyValues) {
  const char* const line[] = {"eventhub", "update", "--description=", "--to=x", "--", "--a="};
  EXPECT_THAT(CommandLineWords(6, line),
              ElementsAre("update", "--description", "", "--to=x", "--", "--a="));
}

TEST(CliUsage, TakesHelpForACommand) {
  const char* const line[] = {"eventhub", "help", "topics", "create"};
  EXPECT_THAT(CommandLineWords(2, line), ElementsAre("--help"));
  EXPECT_THAT(CommandLineWords(4, line), ElementsAre("topics", "create", "--help"));
}

TEST(CliUsage, FindsTheNearestWord) {
  const std::vector<std::string> words = {"topics", "publish", "subscriptions", "stats"};
  EXPECT_EQ(NearestWord("topcis", words), "topics");
  EXPECT_EQ(NearestWord("topic", words), "topics");
  EXPECT_EQ(NearestWord("sub", words), "subscriptions");
  EXPECT_EQ(NearestWord("stat", words), "stats");
  EXPECT_EQ(NearestWord("consume", words), "");
  EXPECT_EQ(NearestWord("x", words), "");
}

// A command line like the program's, and its reaction to `words`.
std::string Explain(std::vector<std::string> words) {
  CLI::App app("", "eventhub");
  app.require_subcommand(1);
  app.fallthrough();
  CLI::App* topics = app.add_subcommand("topics");
  topics->require_subcommand(1);
  CLI::App* create = topics->add_subcommand("create");
  std::string name;
  std::string output;
  uint32_t partitions = 0;
  bool yes = false;
  create->add_option("TOPIC", name)->required();
  create->add_option("--output", output)->check(OneOf({"table", "json"}));
  AddCountOption(*create, "-p,--partitions", &partitions, 1, 100, "");
  create->add_flag("--yes", yes)->envname("EVENTHUB_TEST_YES");
  std::reverse(words.begin(), words.end());
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return ExplainParseError(app, error);
  }
  return "";
}

TEST(CliUsage, SaysWhatIsWrong) {
  EXPECT_EQ(Explain({"topics", "create", "t", "--partitions=3"}), "");
  EXPECT_EQ(Explain({}), "'eventhub' needs a command: topics");
  EXPECT_EQ(Explain({"topcis"}), "'eventhub' has no command 'topcis'; did you mean 'topics'?");
  EXPECT_EQ(Explain({"frob"}), "'eventhub' has no command 'frob'; it has topics");
  EXPECT_EQ(Explain({"topics"}), "'topics' needs a command: create");
  EXPECT_EQ(Explain({"topics", "creat"}),
            "'topics' has no command 'creat'; did you mean 'create'?");
  EXPECT_EQ(Explain({"topics", "create"}), "TOPIC is missing");
  EXPECT_EQ(Explain({"topics", "create", "t", "u"}), "'u' is more than 'create' takes");
  EXPECT_EQ(Explain({"topics", "create", "t", "--partitoins=2"}),
            "'create' has no option '--partitoins'; did you mean '--partitions'?");
  EXPECT_EQ(Explain({"topics", "create", "t", "--partitions"}),
            "--partitions: its value is missing");
  EXPECT_EQ(Explain({"topics", "create", "t", "-p", "0"}),
            "--partitions: '0' is not a number from 1 to 100");
  EXPECT_EQ(Explain({"topics", "create", "t", "--output=xml"}),
            "--output: 'xml' is not one of: table, json");
}

TEST(CliUsage, NamesAValueByWhereItCameFrom) {
  EXPECT_EQ(Explain({"topics", "create", "t", "--yes=perhaps"}),
            "--yes: 'perhaps' is neither true nor false");
  setenv("EVENTHUB_TEST_YES", "maybe", 1);
  EXPECT_EQ(Explain({"topics", "create", "t"}),
            "EVENTHUB_TEST_YES: 'maybe' is neither true nor false");
  EXPECT_EQ(Explain({"topics", "create", "t", "--yes=perhaps"}),
            "--yes: 'perhaps' is neither true nor false");
  unsetenv("EVENTHUB_TEST_YES");
}

TEST(CliSubscriptionFlags, AppliesWhatIsGiven) {
  client::SubscriptionUpdate update;
  EXPECT_TRUE(IsEmpty(update));
  update.max_delivery_attempts = 0;
  EXPECT_FALSE(IsEmpty(update));
  update.min_backoff = absl::Seconds(1);
  update.events_per_second = 50;
  client::Subscription subscription;
  subscription.max_delivery_attempts = 9;
  subscription.description = "kept";
  ApplyUpdate(update, &subscription);
  EXPECT_EQ(subscription.max_delivery_attempts, 0);
  EXPECT_EQ(subscription.retry_policy.min_backoff, absl::Seconds(1));
  EXPECT_EQ(subscription.retry_policy.max_backoff, absl::Minutes(1));
  EXPECT_EQ(subscription.rate_limit.events_per_second, 50);
  EXPECT_EQ(subscription.description, "kept");
}

}  // namespace
}  // namespace eventhub::cli
