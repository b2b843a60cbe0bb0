// How the command line interprets its arguments: places and words, and how it reports invalid ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "client/cli/frame/command.h"
#include "client/cli/frame/help.h"
#include "client/cli/frame/hub_address.h"
#include "client/cli/frame/usage.h"
#include "client/cli/input/places.h"
#include "client/cli/input/subscription_flags.h"
#include "storage/base/nearest_word.h"

namespace eventhub::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(CliPlaces, ParsesStartPositions) {
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

TEST(CliPlaces, ParsesPartitionOffsets) {
  EXPECT_THAT(*ParsePartitionOffsets("0:1200,11:0"),
              ElementsAre(client::PartitionOffset{0, 1200}, client::PartitionOffset{11, 0}));
  for (const char* text : {"", "0", "0:", ":1", "0:1,", "0:-1", "0:1:2", "5000000000:1"}) {
    EXPECT_FALSE(ParsePartitionOffsets(text).ok()) << text;
  }
}

TEST(CliPlaces, ParsesInclusiveRanges) {
  EXPECT_EQ(*ParsePartitionRange("2:10-19"), (client::PartitionRange{2, {10, 20}}));
  EXPECT_EQ(*ParsePartitionRange("2:10"), (client::PartitionRange{2, {10, 11}}));
  for (const char* text :
       {"", "2", "10-19", "2:10-", "2:19-10", "2:-5", "2:1-9223372036854775807"}) {
    EXPECT_FALSE(ParsePartitionRange(text).ok()) << text;
  }
}

// Returns the words that the program parses from a command line, joined by spaces.
std::string Words(std::vector<const char*> line) {
  CLI::App app("", "eventhub");
  std::string address;
  bool tls = false;
  app.add_option("-a,--address", address);
  app.add_flag("--tls", tls);
  app.add_subcommand("subscriptions")->add_subcommand("seek");
  for (const char* group : {"links", "topics"}) {
    CLI::App* const verbs = app.add_subcommand(group);
    verbs->add_subcommand("update");
    verbs->add_subcommand("pause");
  }
  line.insert(line.begin(), "eventhub");
  return absl::StrJoin(CommandLineWords(app, static_cast<int>(line.size()), line.data()), " ");
}

TEST(CliUsage, SplitsOffEmptyValues) {
  EXPECT_EQ(Words({"update", "--description=", "--to=x", "--", "--a="}),
            "update --description  --to=x -- --a=");
}

TEST(CliUsage, AcceptsHelpAsCommand) {
  EXPECT_EQ(Words({"help"}), "--help");
  EXPECT_EQ(Words({"help", "topics", "create"}), "topics create --help");
}

TEST(CliUsage, ReplacesOldNames) {
  EXPECT_EQ(Words({"seek", "s", "--to=1"}), "subscriptions seek s --to=1");
  EXPECT_EQ(Words({"help", "seek"}), "subscriptions seek --help");
  EXPECT_EQ(Words({"dead-letters", "list", "s"}), "subscriptions dead-letters list s");
  EXPECT_EQ(Words({"links", "disable", "enable"}), "links pause enable");
  EXPECT_EQ(Words({"links", "update", "l", "--enable"}), "links update l --resume");
  EXPECT_EQ(Words({"-a", "seek", "--tls", "seek", "s"}), "-a seek --tls subscriptions seek s");
  EXPECT_EQ(Words({"links", "-a", "enable", "enable"}), "links -a enable resume");
}

TEST(CliUsage, KeepsOldNamesUsedAsArguments) {
  EXPECT_EQ(Words({"subscriptions", "seek", "seek"}), "subscriptions seek seek");
  EXPECT_EQ(Words({"topics", "update", "seek", "--enable"}), "topics update seek --enable");
  EXPECT_EQ(Words({"links", "update", "enable"}), "links update enable");
  EXPECT_EQ(Words({"links", "update", "--", "--enable"}), "links update -- --enable");
}

TEST(CliUsage, FindsNearestWord) {
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

TEST(CliUsage, ExplainsUsageErrors) {
  EXPECT_EQ(Explain({"topics", "create", "t", "--partitions=3"}), "");
  EXPECT_EQ(Explain({}), "'eventhub' needs a command: topics");
  EXPECT_EQ(Explain({"topcis"}), "'eventhub' has no command 'topcis'; did you mean 'topics'?");
  EXPECT_EQ(Explain({"frob"}), "'eventhub' has no command 'frob'; it has topics");
  EXPECT_EQ(Explain({"create", "t"}), "'create' is a command of: topics");
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

TEST(CliUsage, NamesSourceOfValue) {
  EXPECT_EQ(Explain({"topics", "create", "t", "--yes=perhaps"}),
            "--yes: 'perhaps' is neither true nor false");
  setenv("EVENTHUB_TEST_YES", "maybe", 1);
  EXPECT_EQ(Explain({"topics", "create", "t"}),
            "EVENTHUB_TEST_YES: 'maybe' is neither true nor false");
  EXPECT_EQ(Explain({"topics", "create", "t", "--yes=perhaps"}),
            "--yes: 'perhaps' is neither true nor false");
  unsetenv("EVENTHUB_TEST_YES");
}

TEST(CliHelp, WrapsToWidth) {
  CLI::App app("Says hello.", "hello");
  app.formatter(std::make_shared<HelpFormatter>(50));
  std::string name;
  app.add_option("--name", name, "The name of the one to greet, as they like to be called")
      ->type_name("NAME");
  app.add_option("--an-option-with-a-long-name", name, "Über größere Größen");
  app.footer(
      "\nA paragraph of text that is longer than one\nline of the terminal.\n\n"
      "Examples:\n  hello --name=World --an-option-with-a-long-name=x");
  const std::string help = app.help();
  EXPECT_THAT(help, HasSubstr("  --name NAME            The name of the one to\n"
                              "                         greet, as they like to be\n"
                              "                         called\n"));
  EXPECT_THAT(help, HasSubstr("  --an-option-with-a-long-name TEXT\n"
                              "                         Über größere Größen\n"));
  EXPECT_THAT(help, HasSubstr("\nA paragraph of text that is longer than one line\n"
                              "of the terminal.\n\nExamples:\n"
                              "  hello --name=World --an-option-with-a-long-name=x\n"));
}

TEST(CliHubAddress, ValidatesAddresses) {
  for (const char* address :
       {"localhost:7070", "hub.example:1", "10.0.0.1:65535", "[::1]:7070", "unix:/run/hub",
        "unix-abstract:hub", "dns:///hub:7070", "ipv4:10.0.0.1:7070"}) {
    EXPECT_TRUE(CheckAddress(address).ok()) << address;
  }
  const std::pair<const char*, const char*> wrong[] = {
      {"", "is empty"},         {"http://hub:7070", "is a URL"}, {"/run/hub", "a path"},
      {"hub", "has no port"},   {"[::1]", "has no port"},        {":7070", "has no host"},
      {"::1:7070", "brackets"}, {"hub:", "from 1 to 65535"},     {"hub:0", "from 1 to 65535"},
      {"hub:x", "1 to 65535"},  {"hub:65536", "1 to 65535"},
  };
  for (const auto& [address, problem] : wrong) {
    EXPECT_THAT(std::string(CheckAddress(address).message()), HasSubstr(problem)) << address;
  }
}

TEST(CliHubAddress, ExplainsConnectionErrors) {
  EXPECT_EQ(ExplainConnectionError(
                "DNS resolution failed for hub:1: C-ares status is not ARES_SUCCESS qtype=AAAA "
                "name=hub is_balancer=0: Domain name not found"),
            "cannot resolve the host name: Domain name not found");
  EXPECT_EQ(ExplainConnectionError("failed to connect to all addresses; last error: UNKNOWN: "
                                   "ipv6:%5B::1%5D:1: Failed to connect to remote host: "
                                   "Connection refused"),
            "cannot connect: ipv6:[::1]:1: Connection refused");
  EXPECT_EQ(ExplainConnectionError("failed to connect to all addresses"),
            "cannot connect: no address answers");
  EXPECT_EQ(ExplainConnectionError("topic 'a: b' is full"), "topic 'a: b' is full");
}

TEST(CliSubscriptionFlags, AppliesGivenFlags) {
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
