// Random events, answers, failures, reconnects and crashes, compared with a model: each effect of
// each event occurs once, in order per key, and failed events have none.

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "tests/client/processor/processor_fixture.h"
#include "tests/support/env_number.h"

namespace eventhub::processor {
namespace {

// Determines which pipelines give up on which events, in every delivery.
bool IsPoison(const std::string& pipeline, int number) {
  if (pipeline == "call") return number % 13 == 5;
  if (pipeline == "split") return number % 11 == 3;
  return false;
}

bool FailsAnywhere(int number) { return IsPoison("call", number) || IsPoison("split", number); }

struct Part {
  int value = 0;
};

class ModelTest : public testing::TestWithParam<int> {
 protected:
  std::vector<AnyPipeline> Pipelines() {
    CallOptions patient{.parallel = 5,
                        .retry = {.max_attempts = 1000, .max_delay = absl::Seconds(1)},
                        .breaker = {.failures = 6, .max_open_for = absl::Seconds(4)}};
    std::vector<AnyPipeline> pipelines = {
        Pipeline("call")
            .Map(ParseNumber)
            .Call(
                "ask",
                [this](const Number& number, Reply<Part> reply) {
                  asked_.emplace_back(number.value, std::move(reply));
                },
                patient)
            .Publish("call", [](const Part& part) { return Result(part.value); }),
        Pipeline("split")
            .Split([](const v1::Event& event) {
              const int number = std::stoi(event.id());
              return std::vector<Part>{{number}, {-number}};
            })
            .Filter([](const Part& part) { return part.value >= 0; })
            .Map([](const Part& part) -> absl::StatusOr<Number> {
              if (IsPoison("split", part.value)) return absl::InvalidArgumentError("poison");
              return Number{part.value};
            })
            .Publish("split", [](const Number& number) { return Result(number.value); }),
        Pipeline("look")
            .RateLimit({.per_second = 200, .burst = 20})
            .Lookup(
                "name", [](const v1::Event& event) { return event.partition_key(); },
                [this](const std::string&, Reply<std::string> reply) {
                  looked_.push_back(std::move(reply));
                },
                {.call = patient, .ttl = absl::Seconds(2)})
            .Map(ParseNumber)
            .Publish("look", [](const Number& number) { return Result(number.value); }),
    };
    if (WithGroups())
      pipelines.push_back(Pipeline("sum")
                              .On({"number"})
                              .Map(ParseNumber)
                              .GroupBy([](const v1::Event& event) { return event.partition_key(); },
                                       {.units = 7, .wait = absl::Milliseconds(300)})
                              .Publish("sum", [](const Units<Number>& numbers) {
                                int sum = 0;
                                for (size_t i = 0; i < numbers.size(); ++i) sum += numbers[i].value;
                                return Result(sum);
                              }));
    return pipelines;
  }

  bool WithGroups() const { return GetParam() % 2 == 1; }

  int Roll(int sides) { return static_cast<int>(random_() % static_cast<unsigned>(sides)); }

  // A key has one partition.
  void Publish(TestProcessor& test) {
    const int key = Roll(4);
    v1::Event event = NumberEvent(next_, absl::StrCat("k", key));
    if (FailsAnywhere(next_)) event.set_type("poison");
    ++next_;
    test.Deliver(event, static_cast<uint32_t>(key % 2));
  }

  void AnswerLookup(TestProcessor& test, bool kind) {
    if (looked_.empty()) return;
    Reply<std::string> reply = std::move(looked_.back());
    looked_.pop_back();
    if (!kind && Roll(3) == 0) {
      reply(absl::UnavailableError("busy"));
    } else {
      reply("name");
    }
    test.Run();
  }

  void AnswerOne(TestProcessor& test, bool kind) {
    AnswerLookup(test, kind);
    if (asked_.empty()) return;
    const auto at = asked_.begin() + Roll(static_cast<int>(asked_.size()));
    auto [number, reply] = std::move(*at);
    asked_.erase(at);
    if (!kind && Roll(3) == 0) {
      reply(absl::UnavailableError("busy"));
    } else if (IsPoison("call", number)) {
      reply(absl::NotFoundError("poison"));
    } else {
      reply(Part{number});
    }
    test.Run();
  }

  void Step(TestProcessor& test) {
    switch (Roll(16)) {
      case 0:
        test.HoldCommits(true);
        break;
      case 1:
      case 2:
        test.HoldCommits(false);
        break;
      case 3:
        hub_down_ = !hub_down_;
        break;
      case 4:
        if (Roll(8) == 0) test.Reconnect();
        break;
      case 5:
        if (Roll(8) == 0) {
          test.Crash();
          asked_.clear();
          looked_.clear();
          test.Run();
        }
        break;
      case 6:
      case 7:
        test.Advance(absl::Milliseconds(1 << Roll(11)));
        break;
      case 8:
      case 9:
      case 10:
        Publish(test);
        break;
      default:
        AnswerOne(test, /*kind=*/false);
    }
  }

  void Finish(TestProcessor& test) {
    hub_down_ = false;
    test.HoldCommits(false);
    for (int i = 0; i < 100'000 && test.unsettled() > 0; ++i) {
      AnswerOne(test, /*kind=*/true);
      test.Advance(absl::Milliseconds(500));
    }
    ASSERT_EQ(test.unsettled(), 0u);
  }

  void CheckEffects(const TestProcessor& test) {
    std::map<std::string, std::multiset<int>> effects;
    int sum = 0;
    for (const EmittedEvent& emitted : test.emitted()) {
      const int value = std::stoi(emitted.event.data());
      if (emitted.topic == "sum") {
        sum += value;
        continue;
      }
      effects[emitted.topic].insert(value);
    }
    int expected_sum = 0;
    for (int i = 1; i < next_; ++i) {
      if (WithGroups() && !FailsAnywhere(i)) expected_sum += i;
      for (const std::string pipeline : {"call", "split", "look"}) {
        const size_t count = effects[pipeline].count(i);
        if (IsPoison(pipeline, i)) {
          EXPECT_EQ(count, 0u) << pipeline << " " << i;
        } else if (WithGroups() && FailsAnywhere(i)) {
          EXPECT_GE(count, 1u) << pipeline << " " << i << ", which a crash may repeat";
        } else {
          EXPECT_EQ(count, 1u) << pipeline << " " << i;
        }
      }
    }
    EXPECT_EQ(sum, expected_sum);
  }

  // Numbers ascend, and therefore also for each key.
  void CheckOrder(const TestProcessor& test) {
    std::map<std::string, int> last;
    for (const EmittedEvent& emitted : test.emitted()) {
      if (emitted.topic == "sum") continue;
      const int value = std::stoi(emitted.event.data());
      if (WithGroups() && FailsAnywhere(value)) continue;
      const std::string lane = absl::StrCat(emitted.topic, " ", emitted.event.partition_key());
      EXPECT_LT(last.try_emplace(lane, -1).first->second, value) << lane;
      last[lane] = value;
    }
  }

  void CheckSettlement(const TestProcessor& test) {
    std::map<int, client::Outcome::Kind> outcomes;
    for (const SettledEvent& settled : test.settled()) {
      const int number = std::stoi(settled.event.id());
      EXPECT_TRUE(outcomes.emplace(number, settled.outcome.kind).second) << number;
    }
    for (int i = 1; i < next_; ++i) {
      EXPECT_EQ(outcomes.at(i) == client::Outcome::Kind::kPark, FailsAnywhere(i)) << i;
    }
  }

  std::mt19937 random_;
  std::vector<std::pair<int, Reply<Part>>> asked_;
  std::vector<Reply<std::string>> looked_;
  bool hub_down_ = false;
  int next_ = 1;
};

TEST_P(ModelTest, EveryEffectOnce) {
  const uint64_t seed =
      EnvNumber("EVENTHUB_TEST_SEED", 1) * 1000 + static_cast<uint64_t>(GetParam());
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  random_.seed(static_cast<unsigned>(seed));
  ProcessorOptions options = Rules(Pipelines());
  options.commit.max_events = 1 + static_cast<size_t>(Roll(40));
  TestProcessor test(options, seed);
  test.OnCommit([this](const client::Transaction&) {
    return hub_down_ ? absl::UnavailableError("down") : absl::OkStatus();
  });
  for (int i = 0; i < 2000; ++i) Step(test);
  Finish(test);
  CheckEffects(test);
  CheckOrder(test);
  CheckSettlement(test);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range(0, 40));

}  // namespace
}  // namespace eventhub::processor
