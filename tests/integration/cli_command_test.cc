// Commands that run for events: how they are split, started and fed, and what their exit means.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "client/cli/frame/command_outcome.h"
#include "client/cli/frame/command_runner.h"
#include "client/cli/run/consume_tally.h"
#include "client/cli/run/event_environment.h"

namespace eventhub::cli {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Kind = client::Outcome::Kind;

TEST(CliCommand, SplitsWords) {
  EXPECT_THAT(*SplitCommand("  ./bill  {} "), ElementsAre("./bill", "{}"));
  EXPECT_THAT(*SplitCommand(R"(sh -c "echo \"$A\" 'b'" '' 'c "d"' e\ f "\n")"),
              ElementsAre("sh", "-c", R"(echo "$A" 'b')", "", R"(c "d")", "e f", R"(\n)"));
  for (const char* text : {"", "  ", "a 'b", "a \"b"}) {
    EXPECT_EQ(SplitCommand(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

absl::StatusOr<CommandResult> Shell(const std::string& script, absl::string_view input = "") {
  return RunCommand(
      {.words = {"sh", "-c", script}, .environment = {"PATH=/usr/bin:/bin"}, .input = input});
}

TEST(CliCommand, FeedsStandardInput) {
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(Shell("test $(wc -c) = 3000000", large)->exit_code, 0);
  EXPECT_EQ(Shell("exit 0", large)->exit_code, 0) << "a command need not read it";
  EXPECT_EQ(Shell("test \"$(cat /dev/stdin)\" = abc", "abc")->exit_code, 0);
}

TEST(CliCommand, KeepsLastLineOfStderr) {
  const auto result = Shell("echo first >&2; echo ' last words ' >&2; echo >&2; exit 3");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->last_error, "last words");
  EXPECT_EQ(Shell("printf cut >&2")->last_error, "cut");
  EXPECT_EQ(Shell("head -c 600 /dev/zero | tr '\\0' y >&2")->last_error.size(), 512);
}

TEST(CliCommand, DoesNotWaitForBackgroundProcesses) {
  const absl::Time start = absl::Now();
  EXPECT_EQ(Shell("sleep 30 >&2 & echo started >&2")->last_error, "started");
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
}

TEST(CliCommand, ReportsSignal) {
  const auto result = Shell("kill -9 $$");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->signal, SIGKILL);
  EXPECT_THAT(OutcomeOf(result, std::nullopt).reason, HasSubstr("signal 9"));
}

TEST(CliCommand, RetriesCommandWithUnknownExit) {
  std::signal(SIGCHLD, SIG_IGN);
  const auto unknown = Shell("exit 0");
  ExpectCommands();
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(OutcomeOf(unknown, std::nullopt).kind, Kind::kRetry);
  EXPECT_EQ(Shell("exit 3")->exit_code, 3);
}

TEST(CliCommand, ReportsUnrunnableCommand) {
  EXPECT_EQ(RunCommand({.words = {"/nonexistent/bill"}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(RunCommand({.words = {"true", std::string(1 << 20, 'x')}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(CheckProgram("sh").ok());
  EXPECT_TRUE(CheckProgram("/bin/sh").ok());
  for (const char* program : {"no-such-program-here", "./no-such-program", "/etc/passwd"}) {
    const absl::Status status = CheckProgram(program);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(program));
  }
}

TEST(CliCommand, MapsExitCodes) {
  const auto kind = [](int code) { return OutcomeOf(CommandResult{.exit_code = code}, {}).kind; };
  EXPECT_EQ(kind(0), Kind::kAck);
  EXPECT_EQ(kind(65), Kind::kPark);
  EXPECT_EQ(kind(100), Kind::kSkip);
  for (const int code : {1, 2, 64, 66, 75, 99, 101, 124, 255}) {
    EXPECT_EQ(kind(code), Kind::kRetry) << code;
  }
  EXPECT_EQ(OutcomeOf(CommandResult{.signal = SIGTERM}, {}).kind, Kind::kRetry);
}

TEST(CliCommand, NamesReasonAndDelay) {
  const client::Outcome outcome =
      OutcomeOf(CommandResult{.exit_code = 75, .last_error = "no route"}, absl::Seconds(7));
  EXPECT_EQ(outcome.reason, "exit code 75: no route");
  EXPECT_EQ(outcome.delay, absl::Seconds(7));
  EXPECT_EQ(OutcomeOf(CommandResult{.exit_code = 1}, {}).delay, std::nullopt);
  EXPECT_EQ(OutcomeOf(absl::ResourceExhaustedError("full"), {}).kind, Kind::kRetry);
  EXPECT_EQ(OutcomeOf(absl::InvalidArgumentError("too large"), {}).kind, Kind::kPark);
}

TEST(CliEnvironment, DescribesEvent) {
  v1::Event event;
  event.set_id("1");
  event.set_type("t");
  event.set_partition_key("k");
  (*event.mutable_attributes())["trace-id"].set_string("abc");
  (*event.mutable_attributes())["tries"].set_integer(3);
  std::vector<std::string> environment;
  AppendEventEnvironment(event, {3, 17, absl::FromUnixSeconds(1'800'000'000), 2, true},
                         &environment);
  for (const char* variable :
       {"EVENTHUB_ID=1", "EVENTHUB_TYPE=t", "EVENTHUB_KEY=k",
        "EVENTHUB_SUBJECT=", "EVENTHUB_PARTITION=3", "EVENTHUB_OFFSET=17", "EVENTHUB_ATTEMPT=2",
        "EVENTHUB_REDELIVERED=true", "EVENTHUB_REPLAYED=false",
        "EVENTHUB_APPEND_TIME=2027-01-15T08:00:00Z", "EVENTHUB_ATTR_TRACE_ID=abc",
        "EVENTHUB_ATTR_TRIES=3"}) {
    EXPECT_THAT(environment, Contains(variable));
  }
}

TEST(CliEnvironment, KeepsInheritedVariablesExceptItsOwn) {
  setenv("EVENTHUB_ID", "stale", 1);
  setenv("CLI_TEST_KEPT", "yes", 1);
  const std::vector<std::string> base = BaseEnvironment("unix:/x", "billing");
  EXPECT_THAT(base, Contains("CLI_TEST_KEPT=yes"));
  EXPECT_THAT(base, Contains("EVENTHUB_ADDRESS=unix:/x"));
  EXPECT_THAT(base, Contains("EVENTHUB_SUBSCRIPTION=billing"));
  EXPECT_THAT(base, Not(Contains("EVENTHUB_ID=stale")));
}

TEST(CliConsumeTally, RespectsLimit) {
  ConsumeTally tally(5);
  EXPECT_EQ(tally.Begin(3), 3);
  EXPECT_EQ(tally.IdleFor(), absl::ZeroDuration()) << "it is at work";
  EXPECT_EQ(tally.Begin(3), 2);
  EXPECT_EQ(tally.Begin(1), 0);
  EXPECT_EQ(tally.running(), 5);
  tally.Count(client::Outcome::Ack(), 3, 30);
  EXPECT_EQ(tally.End(3), 2);
  tally.Count(client::Outcome::Park("no"), 2, 20);
  EXPECT_EQ(tally.End(2), 0);
  EXPECT_EQ(tally.handled(), 5);
  EXPECT_EQ(tally.bytes(), 50);
}

TEST(CliConsumeTally, CountsUnconfirmedOutcomes) {
  ConsumeTally tally(100);
  tally.Count(client::Outcome::Ack(), 30, 0);
  tally.Count(client::Outcome::Park("no"), 2, 0);
  tally.Count(client::Outcome::Retry("later"), 4, 0);
  client::SubscriberCounters hub = {.acked = 30, .nacked = 5, .parked = 1, .skipped = 1};
  EXPECT_EQ(tally.Unconfirmed(hub), 0);
  EXPECT_EQ(tally.Outcomes(hub), "30 acked, 4 to be retried, 1 parked, 1 skipped");
  hub.acked = 25;
  EXPECT_EQ(tally.Unconfirmed(hub), 5);
  EXPECT_EQ(tally.Outcomes(hub), "25 acked, 4 to be retried, 1 parked, 1 skipped, 5 not confirmed");
}

}  // namespace
}  // namespace eventhub::cli
