// Jobs: step by step to the end, each step once, despite crashes.

#include <map>
#include <random>

#include "absl/strings/escaping.h"
#include "client/processor/job_state.h"
#include "tests/client/processor/processor_fixture.h"
#include "tests/support/env_number.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using internal::DecodeJobState;
using internal::EncodeJobState;
using internal::JobState;

// A job that counts to the number in its first event, two numbers per step.
JobProgress CountOn(const Job& job) {
  const int last = std::stoi(job.start->data());
  const int next = static_cast<int>(job.items) + 2;
  if (next >= last) return JobProgress::Finished(static_cast<uint64_t>(last) - job.items);
  return {.continuation = absl::StrCat("after ", next), .items = 2};
}

struct Counted {
  int number;
};

std::vector<Counted> NumbersOf(const Job& job) {
  std::vector<Counted> numbers;
  const int last = std::stoi(job.start->data());
  for (int i = static_cast<int>(job.items) + 1; i <= last && numbers.size() < 2; ++i) {
    numbers.push_back({i});
  }
  return numbers;
}

v1::Event NumberOf(const Job& job, const Counted& counted) {
  v1::Event event;
  event.set_type("counted");
  event.set_data(absl::StrCat(job.start->partition_key(), counted.number));
  return event;
}

AnyPipeline CountJob(JobOptions options = {.state = "jobs"}) {
  options.cancel = {"stop"};
  return Pipeline("count")
      .On({"go", "stop"})
      .Job(std::move(options))
      .Continue(CountOn)
      .Split(NumbersOf)
      .Publish("out", NumberOf);
}

v1::Event Go(const std::string& id, const std::string& name, int last) {
  v1::Event event = MakeEvent(id, name, absl::StrCat(last));
  event.set_type("go");
  return event;
}

v1::Event StopJob(const std::string& id, const std::string& name) {
  v1::Event event = MakeEvent(id, name);
  event.set_type("stop");
  return event;
}

std::vector<std::string> CountedBy(const TestProcessor& test) {
  std::vector<std::string> data;
  for (const EmittedEvent& emitted : test.emitted()) {
    if (emitted.topic == "out") data.push_back(emitted.event.data());
  }
  return data;
}

// The latest state of the jobs, e.g. "running 2 steps, 4 items".
std::string JobNow(const TestProcessor& test) {
  std::string text = "none";
  for (const EmittedEvent& emitted : test.emitted()) {
    if (emitted.topic != "jobs") continue;
    const auto& attributes = emitted.event.attributes();
    text = emitted.event.type().substr(std::string("eventhub.job.").size());
    if (!attributes.contains("jobsteps")) continue;
    absl::StrAppend(&text, " ", attributes.at("jobsteps").string(), " steps, ",
                    attributes.at("jobitems").string(), " items");
  }
  return text;
}

TEST(JobTest, GoesFromStepToStepToTheEnd) {
  TestProcessor test(Rules({CountJob()}));
  test.Deliver(Go("g1", "a", 5));
  EXPECT_THAT(CountedBy(test), ElementsAre("a1", "a2", "a3", "a4", "a5"));
  EXPECT_EQ(JobNow(test), "finished 3 steps, 5 items");
  EXPECT_EQ(test.counters().completed, 1u);
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(test.emitted()[0].event.partition_key(), "count/0/a");
  for (const EmittedEvent& emitted : test.emitted()) {
    EXPECT_EQ(emitted.event.attributes().at("correlationid").string(), "g1");
    EXPECT_LT(emitted.event.id().size(), 100u) << "however many steps were before";
  }
}

TEST(JobTest, PausesBetweenSteps) {
  TestProcessor test(Rules({CountJob({.state = "jobs", .pause = absl::Minutes(1)})}));
  test.Deliver(Go("g1", "a", 5));
  EXPECT_THAT(CountedBy(test), SizeIs(2));
  EXPECT_EQ(JobNow(test), "running 1 steps, 2 items");
  test.Advance(absl::Seconds(59));
  EXPECT_THAT(CountedBy(test), SizeIs(2));
  test.Advance(absl::Seconds(1));
  EXPECT_THAT(CountedBy(test), SizeIs(4));
  test.Advance(absl::Hours(1));
  EXPECT_THAT(CountedBy(test), SizeIs(5));
}

TEST(JobTest, GoesOnWhereItWasAfterACrash) {
  int calls = 0;
  std::vector<Reply<int>> asked;
  TestProcessor test(Rules({Pipeline("count")
                                .On({"go"})
                                .Job({.state = "jobs"})
                                .Call("wait",
                                      [&](const Job&, Reply<int> reply) {
                                        ++calls;
                                        asked.push_back(std::move(reply));
                                      })
                                .Continue(CountOn)
                                .Split(NumbersOf)
                                .Publish("out", NumberOf)}));
  test.Deliver(Go("g1", "a", 6));
  const auto answer = [&] {
    for (Reply<int>& reply : std::exchange(asked, {})) reply(1);
    test.Run();
  };
  answer();
  EXPECT_THAT(CountedBy(test), ElementsAre("a1", "a2"));
  test.HoldCommits(true);
  answer();  // Committed, and nobody hears of it.
  test.Crash();
  test.HoldCommits(false);
  asked.clear();
  test.Crash();  // In the midst of the third step.
  EXPECT_THAT(CountedBy(test), ElementsAre("a1", "a2", "a3", "a4"));
  answer();
  EXPECT_THAT(CountedBy(test), ElementsAre("a1", "a2", "a3", "a4", "a5", "a6"));
  EXPECT_EQ(JobNow(test), "finished 3 steps, 6 items");
  EXPECT_GT(calls, 3);
}

TEST(JobTest, MovedBackItRepeatsNothing) {
  TestProcessor test(Rules({CountJob()}));
  test.Deliver(Go("g1", "a", 5));
  const size_t emitted = test.emitted().size();
  test.Seek(0);
  test.Replay(0);
  test.Replay(1);
  EXPECT_EQ(test.emitted().size(), emitted);
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(JobTest, IsCancelledBetweenSteps) {
  TestProcessor test(Rules({CountJob({.state = "jobs", .pause = absl::Minutes(1)})}));
  test.Deliver(StopJob("s0", "a"));
  EXPECT_EQ(test.counters().late, 1u);
  test.Deliver(Go("g1", "a", 100));
  test.Deliver(Go("g2", "b", 3));
  test.Deliver(StopJob("s1", "a"));
  test.Advance(absl::Minutes(5));
  EXPECT_THAT(CountedBy(test), ElementsAre("a1", "a2", "b1", "b2", "b3"));
  EXPECT_THAT(test.faults(), IsEmpty());
  test.Advance(absl::Hours(25));
  EXPECT_EQ(JobNow(test), "forgotten");
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST(JobTest, OneOfANameAtATime) {
  TestProcessor test(Rules({CountJob({.state = "jobs", .pause = absl::Minutes(1)})}));
  test.Deliver(Go("g1", "a", 3));
  test.Deliver(Go("g1", "a", 3));
  test.Deliver(Go("g2", "a", 4));
  EXPECT_EQ(test.counters().repeats, 1u);
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].type, "ALREADY_EXISTS");
  EXPECT_THAT(test.faults()[0].message, HasSubstr("the job a is running, begun by the event g1"));
  test.Advance(absl::Minutes(1));
  EXPECT_EQ(JobNow(test), "finished 2 steps, 3 items");
  test.Deliver(Go("g3", "a", 1));
  EXPECT_EQ(JobNow(test), "finished 1 steps, 1 items") << "anew";
  test.Deliver(Go("g3", "a", 1));
  EXPECT_THAT(CountedBy(test), ElementsAre("a1", "a2", "a3", "a1"));
  test.Advance(absl::Hours(24));
  EXPECT_EQ(JobNow(test), "forgotten");
  EXPECT_EQ(test.counters().repeats, 2u);
}

TEST(JobTest, AStepThatFailsGoesOnWhenItIsRedriven) {
  bool fails = true;
  TestProcessor test(Rules({Pipeline("count")
                                .On({"go"})
                                .Job({.state = "jobs"})
                                .Continue([&](const Job& job) -> absl::StatusOr<JobProgress> {
                                  if (job.step == 1 && fails) return absl::InternalError("no");
                                  return CountOn(job);
                                })
                                .Split(NumbersOf)
                                .Publish("out", NumberOf)}));
  test.Deliver(Go("g1", "a", 5));
  EXPECT_THAT(CountedBy(test), ElementsAre("a1", "a2"));
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].step, "continue 2");
  EXPECT_EQ(test.faults()[0].event_type, kTimerType);
  fails = false;
  test.Redrive(test.faults()[0].offset, {"count"});
  EXPECT_THAT(CountedBy(test), ElementsAre("a1", "a2", "a3", "a4", "a5"));
  test.Replay(test.faults()[0].offset);
  EXPECT_THAT(CountedBy(test), SizeIs(5));
}

TEST(JobTest, FaultsOfStepsThatSayTooMuch) {
  TestProcessor test(
      Rules({Pipeline("p").Job({.state = "jobs"}).Continue([](const Job&) -> JobProgress {
        return {.continuation = std::string(65 * 1024, 'x')};
      })}));
  test.Deliver(Go("g1", "a", 5));
  EXPECT_THAT(test.faults().at(0).message, HasSubstr("the continuation has 66560 bytes"));
}

TEST(JobTest, RefusesOptionsByName) {
  const auto check = [](JobOptions options) { return CountJob(std::move(options)).spec().Check(); };
  const auto invalid = [](const char* what) {
    return StatusIs(absl::StatusCode::kInvalidArgument, what);
  };
  EXPECT_THAT(check({}), invalid("step job 1: state"));
  EXPECT_THAT(check({.state = "s", .pause = absl::Hours(25)}), invalid("pause"));
  EXPECT_THAT(check({.state = "s", .remember = absl::ZeroDuration()}), invalid("remember"));
  EXPECT_THAT(check({.state = "s"}), IsOk());
}

TEST(JobStateTest, IsEncodedAsTheFormatSays) {
  JobState state{.phase = JobState::Phase::kCancelled,
                 .number = 0x0102,
                 .step = 0x03,
                 .items = 0x0405,
                 .continuation = "abc"};
  v1::Event start;
  start.set_id("i");
  state.start = std::make_shared<v1::Event>(start);
  const std::string bytes = EncodeJobState(state);
  EXPECT_EQ(absl::BytesToHexString(bytes),
            "0103"
            "0000000000000102"
            "0000000000000003"
            "0000000000000405"
            "00000003616263"
            "0a0169");
  const auto decoded = DecodeJobState(bytes);
  ASSERT_THAT(decoded, IsOk());
  EXPECT_EQ(EncodeJobState(*decoded), bytes);
  for (size_t size = 0; size < bytes.size() - 3; ++size) {
    EXPECT_EQ(DecodeJobState(bytes.substr(0, size)).status().code(), absl::StatusCode::kDataLoss);
  }
}

// Random crashes and errors: each number once and in order.
TEST(JobTest, EachStepOnceWhateverCrashes) {
  for (uint64_t round = 0; round < 20; ++round) {
    const uint64_t seed = EnvNumber("EVENTHUB_TEST_SEED", 1) * 1000 + round;
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(static_cast<unsigned>(seed));
    const auto roll = [&](int sides) {
      return static_cast<int>(random() % static_cast<unsigned>(sides));
    };
    TestProcessor test(Rules({CountJob({.state = "jobs", .pause = absl::Milliseconds(100)})}),
                       seed);
    bool down = false;
    test.OnCommit([&](const client::Transaction&) {
      return down ? absl::UnavailableError("down") : absl::OkStatus();
    });
    constexpr int kJobs = 5;
    for (int i = 0; i < kJobs; ++i) {
      test.Deliver(Go(absl::StrCat("g", i), std::string(1, static_cast<char>('a' + i)), 20),
                   static_cast<uint32_t>(i % 2));
    }
    for (int i = 0; i < 200; ++i) {
      switch (roll(7)) {
        case 0:
          down = roll(2) == 0;
          break;
        case 1:
          test.Crash();
          break;
        case 2:
          test.Reconnect();
          break;
        case 3:
          test.HoldCommits(roll(2) == 0);
          break;
        case 4:
          test.Seek(roll(2), static_cast<uint32_t>(roll(2)));
          break;
        default:
          test.Advance(absl::Milliseconds(roll(300)));
      }
    }
    down = false;
    test.HoldCommits(false);
    test.Advance(absl::Minutes(10));
    EXPECT_EQ(test.unsettled(), 0u);
    std::map<char, int> counted;
    for (const std::string& data : CountedBy(test)) {
      EXPECT_EQ(std::stoi(data.substr(1)), ++counted[data[0]]) << data;
    }
    EXPECT_THAT(counted, SizeIs(kJobs));
    for (const auto& [name, last] : counted) EXPECT_EQ(last, 20) << name;
  }
}

}  // namespace
}  // namespace eventhub::processor
