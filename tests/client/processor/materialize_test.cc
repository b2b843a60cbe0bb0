// Pipelines that materialize views: order, replays, events read back, faults, crashes.

#include <functional>
#include <map>
#include <memory>
#include <random>

#include "absl/strings/str_cat.h"
#include "eventhub/processor/rocksdb_view.h"
#include "eventhub/processor/view_store.h"
#include "tests/client/processor/processor_fixture.h"
#include "tests/support/env_number.h"
#include "tests/support/temp_directory.h"

namespace eventhub::processor {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Kind = PipelineState::Kind;

// The row with the key of the event and its number, unless that is negative.
absl::StatusOr<Row> LatestRow(const v1::Event& event) {
  const int number = std::stoi(event.id());
  if (event.type() == "poison") return absl::InvalidArgumentError("poison");
  return Row{.key = event.partition_key(), .values = {int64_t{number}}};
}

class MaterializeTest : public testing::Test {
 protected:
  std::shared_ptr<View> OpenView() {
    view_.reset();
    auto view = OpenRocksdbView({.directory = directory_ / name_, .view = options_});
    EXPECT_THAT(view, IsOk());
    view_ = *std::move(view);
    return view_;
  }

  ProcessorOptions Options() {
    return Rules({Pipeline("latest").Materialize(OpenView(), LatestRow)});
  }

  int64_t NumberOf(const std::string& key) {
    const auto row = view_->Get(key);
    EXPECT_THAT(row, IsOk());
    return row.ok() && *row ? std::get<int64_t>((**row)[0]) : -1;
  }

  TempDirectory directory_;
  std::string name_ = "view";
  ViewOptions options_{.name = "latest", .columns = {{"number", ColumnType::kInteger}}};
  std::shared_ptr<View> view_;
};

TEST_F(MaterializeTest, AnEventIsInTheViewWhenItIsSettled) {
  TestProcessor test(Options());
  test.Deliver(NumberEvent(1, "a"));
  test.HoldViews(true);
  test.Deliver(NumberEvent(2, "a"));
  EXPECT_EQ(test.unsettled(), 1u);
  EXPECT_EQ(NumberOf("a"), 1);
  test.HoldViews(false);
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(NumberOf("a"), 2);
  EXPECT_EQ(test.counters().rows, 2u);
}

TEST_F(MaterializeTest, WhatComesDuringAWriteIsWrittenAtOnce) {
  TestProcessor test(Options());
  test.Deliver(NumberEvent(1, "a"));
  test.HoldViews(true);
  for (int i = 2; i < 50; ++i) test.Deliver(NumberEvent(i, absl::StrCat("k", i % 7)));
  test.HoldViews(false);
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(NumberOf("k0"), 49);
  EXPECT_EQ(test.counters().batches, 3u);
}

TEST_F(MaterializeTest, LaterStepsSeeTheRow) {
  const auto view = OpenView();
  TestProcessor test(Rules({Pipeline("latest")
                                .Materialize(view, LatestRow)
                                .Map([this](const v1::Event& event) {
                                  return Number{static_cast<int>(NumberOf(event.partition_key()))};
                                })
                                .Publish("out", [](const Number& n) { return Result(n.value); })}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:1", "out:2"));
}

TEST_F(MaterializeTest, AnEventWithoutRowsDoesNotOvertake) {
  const auto view = OpenView();
  TestProcessor test(Rules(
      {Pipeline("some")
           .Materialize(view,
                        [](const v1::Event& event) {
                          const int number = std::stoi(event.id());
                          return number % 2 == 0 ? std::optional<Row>()
                                                 : Row{.key = "a", .values = {int64_t{number}}};
                        })
           .Publish("out", [](const v1::Event& event) { return Result(std::stoi(event.id())); })}));
  test.Deliver(NumberEvent(0, "a"));
  test.HoldViews(true);
  for (int i = 1; i < 6; ++i) test.Deliver(NumberEvent(i, "a"));
  EXPECT_THAT(Emitted(test), ElementsAre("out:0"));
  test.HoldViews(false);
  EXPECT_THAT(Emitted(test), ElementsAre("out:0", "out:1", "out:2", "out:3", "out:4", "out:5"));
}

TEST_F(MaterializeTest, NoRowsOneOrMany) {
  const auto view = OpenView();
  TestProcessor test(Rules({Pipeline("rows").Materialize(view, [](const v1::Event& event) {
    std::vector<Row> rows;
    for (int i = 0; i < std::stoi(event.id()); ++i) {
      rows.push_back({.key = absl::StrCat("r", i), .values = {int64_t{i}}});
    }
    return rows;
  })}));
  for (int i = 0; i < 3; ++i) test.Deliver(NumberEvent(i));
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(NumberOf("r1"), 1);
  EXPECT_EQ(NumberOf("r2"), -1);
}

TEST_F(MaterializeTest, ARowThatTheViewCannotHaveIsAFault) {
  const auto view = OpenView();
  TestProcessor test(Rules({Pipeline("bad").Materialize(view, [](const v1::Event& event) {
    return Row{.key = event.partition_key(), .values = {"one"}};
  })}));
  test.Deliver(NumberEvent(1, "a"));
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_THAT(test.faults()[0].message, HasSubstr("column number"));
  EXPECT_EQ(test.faults()[0].step, "materialize 1");
}

TEST_F(MaterializeTest, AnEventThatWasMaterializedButNotAckedIsHarmless) {
  TestProcessor test(Options());
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Reconnect();
  test.Crash();
  test.Deliver(NumberEvent(3, "a"));
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(NumberOf("a"), 3);
}

TEST_F(MaterializeTest, ALostViewIsReadBackBeforeTheNextEvent) {
  std::vector<int64_t> seen;
  const auto rule = [&](std::shared_ptr<View> view) {
    return Rules({Pipeline("latest")
                      .Materialize(std::move(view), LatestRow)
                      .ForEach([&](const v1::Event& event, const Arrival& arrival) {
                        if (!arrival.restored) seen.push_back(NumberOf("k1"));
                        (void)event;
                      })
                      .Publish("out", [](const v1::Event& event) {
                        return Result(std::stoi(event.id()));
                      })});
  };
  TestProcessor test(rule(OpenView()));
  for (int i = 0; i < 20; ++i) test.Deliver(NumberEvent(i, absl::StrCat("k", i % 3)));
  ASSERT_THAT(test.emitted(), SizeIs(20));
  name_ = "another";
  test.CrashInto([&] { return rule(OpenView()); });
  EXPECT_EQ(NumberOf("k1"), -1);
  seen.clear();
  test.Deliver(NumberEvent(20, "k2"));
  EXPECT_THAT(seen, ElementsAre(19)) << "the step before the next event saw all that came before";
  EXPECT_EQ(NumberOf("k2"), 20);
  EXPECT_EQ(test.counters().restored, 20u);
  EXPECT_THAT(test.emitted(), SizeIs(21)) << "nothing is published for what is read back";
  EXPECT_THAT(test.settled(), SizeIs(21));
}

TEST_F(MaterializeTest, AnAssignmentAloneBringsAViewUpToDate) {
  TestProcessor test(Options());
  for (int i = 0; i < 5; ++i) test.Deliver(NumberEvent(i, "a"));
  name_ = "another";
  test.CrashInto([&] { return Options(); });
  test.Assign();
  EXPECT_EQ(NumberOf("a"), 4);
  EXPECT_EQ(test.counters().restored, 5u);
}

TEST_F(MaterializeTest, OnlyWhatIsMissingIsReadBack) {
  TestProcessor test(Options());
  for (int i = 0; i < 5; ++i) test.Deliver(NumberEvent(i, "a"));
  test.Advance(absl::Seconds(2));  // The position is written.
  test.CrashInto([&] { return Options(); });
  test.Deliver(NumberEvent(5, "a"));
  EXPECT_EQ(test.counters().restored, 0u);
  EXPECT_EQ(NumberOf("a"), 5);
}

// The first event is in progress when its process dies, and the events after it are settled. The
// next process has another view.
TEST_F(MaterializeTest, WhatWasSettledOutOfOrderIsReadBack) {
  bool stuck = true;
  std::vector<Reply<Number>> replies;
  std::vector<int64_t> seen;
  const auto rule = [&](std::shared_ptr<View> view) {
    return Rules({Pipeline("latest")
                      .Call("wait",
                            [&](const v1::Event& event, Reply<Number> reply) {
                              if (stuck && event.partition_key() == "a") {
                                replies.push_back(std::move(reply));
                              } else {
                                reply(Number{});
                              }
                            },
                            {.timeout = absl::Hours(1)})
                      .Materialize(std::move(view), LatestRow)
                      .ForEach([&](const Arrival& arrival) {
                        if (!arrival.restored) seen.push_back(NumberOf("b"));
                      })});
  };
  TestProcessor test(rule(OpenView()));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "b"));
  test.Deliver(NumberEvent(3, "b"));
  ASSERT_EQ(test.unsettled(), 1u);
  stuck = false;
  seen.clear();
  name_ = "another";
  test.CrashInto([&] { return rule(OpenView()); });
  EXPECT_THAT(seen, ElementsAre(3)) << "the redelivered event saw what was settled before";
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(NumberOf("a"), 1);
  EXPECT_EQ(test.counters().restored, 3u);
  test.Deliver(NumberEvent(4, "b"));
  EXPECT_EQ(NumberOf("b"), 4);
}

TEST_F(MaterializeTest, ReadingBackIsTold) {
  TestProcessor test(Options());
  for (int i = 0; i < 5; ++i) test.Deliver(NumberEvent(i, "a"));
  name_ = "another";
  std::vector<std::string> told;
  test.CrashInto([&] {
    ProcessorOptions options = Options();
    options.hooks.on_state = [&](const std::string&, const PipelineState& state) {
      told.push_back(absl::StrCat(state.what, ": ", state.because));
    };
    return options;
  });
  test.Deliver(NumberEvent(5, "a"));
  EXPECT_THAT(told,
              Contains(HasSubstr("views of partition 0: events are read back from offset 0 to 5")));
  EXPECT_EQ(test.state().kind, Kind::kRunning);
}

TEST_F(MaterializeTest, DeadLettersAreNoFaultsAgainWhenTheyAreReadBack) {
  TestProcessor test(Options());
  test.Deliver(NumberEvent(1, "a"));
  v1::Event poison = NumberEvent(2, "a");
  poison.set_type("poison");
  test.Deliver(poison);
  ASSERT_THAT(test.faults(), SizeIs(1));
  name_ = "another";
  test.CrashInto([&] { return Options(); });
  test.Deliver(NumberEvent(3, "a"));
  EXPECT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(NumberOf("a"), 3);
}

// A corrected rule: the second version makes numbers ten times as large.
class RewindTest : public MaterializeTest {
 protected:
  ProcessorOptions Corrected() {
    return Rules({Pipeline("latest").Materialize(OpenView(), [](const v1::Event& event) {
      const int number = std::stoi(event.id());
      return number == 1 ? std::optional<Row>()
                         : Row{.key = event.partition_key(), .values = {int64_t{number} * 10}};
    })});
  }
  // A row that the corrected rule does not make, and one that it does.
  void DeliverSome(TestProcessor& test) {
    test.Deliver(NumberEvent(1, "gone"));
    for (int i = 2; i < 6; ++i) test.Deliver(NumberEvent(i, "a"));
    test.Advance(absl::Seconds(2));
  }
};

TEST_F(RewindTest, IsAppliedAgainByDefault) {
  TestProcessor test(Options());
  DeliverSome(test);
  test.CrashInto([&] { return Corrected(); });
  test.Seek(0);
  EXPECT_EQ(NumberOf("a"), 50);
  EXPECT_EQ(NumberOf("gone"), 1);
  EXPECT_EQ(view_->status()->generation, 1u);
}

TEST_F(RewindTest, AReplayOfAPartDoesNotSetTheViewBack) {
  TestProcessor test(Options());
  DeliverSome(test);
  test.CrashInto([&] { return Corrected(); });
  test.Replay(2);
  EXPECT_EQ(NumberOf("a"), 5) << "a newer event wrote the row";
  EXPECT_EQ(test.counters().rows_stale, 1u);
  test.Replay(4);
  EXPECT_EQ(NumberOf("a"), 50);
}

TEST_F(RewindTest, IsIgnoredIfSoDeclared) {
  options_.on_rewind = OnRewind::kIgnore;
  TestProcessor test(Options());
  DeliverSome(test);
  test.CrashInto([&] { return Corrected(); });
  test.Seek(0);
  EXPECT_EQ(NumberOf("a"), 5);
  EXPECT_EQ(test.counters().rows_stale, 4u);
  EXPECT_EQ(test.unsettled(), 0u);
}

TEST_F(RewindTest, RebuildsBesideTheOldViewIfSoDeclared) {
  options_.on_rewind = OnRewind::kRebuild;
  TestProcessor test(Options());
  DeliverSome(test);
  test.CrashInto([&] { return Corrected(); });
  test.Seek(2);
  EXPECT_EQ(view_->status()->generation, 1u);
  EXPECT_EQ(NumberOf("gone"), 1) << "readers see the old view";
  test.Advance(absl::Seconds(2));
  EXPECT_EQ(view_->status()->generation, 2u);
  EXPECT_EQ(NumberOf("gone"), -1);
  EXPECT_EQ(NumberOf("a"), 50);
}

TEST_F(RewindTest, AnotherRevisionRebuildsWithoutAnyEvent) {
  TestProcessor test(Options());
  DeliverSome(test);
  options_.revision = "2";
  test.CrashInto([&] { return Corrected(); });
  EXPECT_EQ(NumberOf("gone"), 1);
  test.Assign();
  test.Advance(absl::Seconds(2));
  EXPECT_EQ(NumberOf("gone"), -1);
  EXPECT_EQ(NumberOf("a"), 50);
  EXPECT_EQ(view_->status()->generation, 2u);
}

TEST_F(RewindTest, AViewIsRebuiltWhileItIsWritten) {
  TestProcessor test(Options());
  DeliverSome(test);
  test.HoldViews(true);
  test.Deliver(NumberEvent(6, "b"));
  ASSERT_THAT(view_->Rebuild(), IsOk());
  test.Run();
  test.HoldViews(false);
  test.Deliver(NumberEvent(7, "c"));
  EXPECT_EQ(test.unsettled(), 0u);
  test.Advance(absl::Seconds(2));
  EXPECT_EQ(view_->status()->generation, 2u);
  EXPECT_EQ(NumberOf("gone"), 1);
  EXPECT_EQ(NumberOf("a"), 5);
  EXPECT_EQ(NumberOf("b"), 6);
  EXPECT_EQ(NumberOf("c"), 7);
}

// An order that is not paid in time expires: the rule of examples/expire.cc.
class ExpireTest : public MaterializeTest {
 protected:
  ProcessorOptions Rule() {
    const auto view = view_ != nullptr ? view_ : MemoryView();
    ProcessorOptions options = Rules(
        {Pipeline("expire")
             .Materialize(view,
                          [](const v1::Event& event) -> std::optional<Row> {
                            if (event.type() == "placed") {
                              return Row{.key = event.partition_key(), .values = {int64_t{1}}};
                            }
                            if (event.type() == "paid") return Row::Delete(event.partition_key());
                            return std::nullopt;
                          })
             .Publish("orders",
                      [](const v1::Event& event) -> std::optional<v1::Event> {
                        if (event.type() != "placed") return std::nullopt;
                        v1::Event due = Result(0);
                        due.set_type("due");
                        due.mutable_deliver_after()->set_seconds(60);
                        return due;
                      })
             .Map([view](const v1::Event& event) {
               return Number{(*view->Get(event.partition_key())).has_value() ? 1 : 0};
             })
             .Publish("expired", [](const v1::Event& event, const Number& unpaid) {
               std::optional<v1::Event> expired;
               if (event.type() == "due" && unpaid.value == 1) expired = Result(1);
               return expired;
             })});
    options.take_own_events = true;
    return options;
  }
  std::shared_ptr<View> MemoryView() {
    auto view = OpenMemoryView(options_);
    EXPECT_THAT(view, IsOk());
    view_ = *std::move(view);
    return view_;
  }
  static v1::Event Fact(const std::string& type, int number, const std::string& order) {
    v1::Event event = NumberEvent(number, order);
    event.set_type(type);
    return event;
  }
  // The hub delivers the timers.
  static void FireTimers(TestProcessor& test) {
    const std::vector<EmittedEvent> emitted = test.emitted();
    for (const EmittedEvent& timer : emitted) {
      if (timer.topic == "orders") test.Deliver(timer.event);
    }
  }
  static std::vector<std::string> Expired(const TestProcessor& test) {
    std::vector<std::string> orders;
    for (const EmittedEvent& emitted : test.emitted()) {
      if (emitted.topic == "expired") orders.push_back(emitted.event.partition_key());
    }
    return orders;
  }
};

TEST_F(ExpireTest, WhatHappensInTimeDoesNotExpire) {
  TestProcessor test(Rule());
  test.Deliver(Fact("placed", 1, "a"));
  test.Deliver(Fact("placed", 2, "b"));
  test.Deliver(Fact("paid", 3, "a"));
  ASSERT_THAT(test.emitted(), SizeIs(2));
  EXPECT_EQ(test.emitted()[0].event.deliver_after().seconds(), 60);
  FireTimers(test);
  EXPECT_THAT(Expired(test), ElementsAre("b"));
  test.Deliver(Fact("paid", 4, "b"));
  EXPECT_THAT(Expired(test), ElementsAre("b"));
}

TEST_F(ExpireTest, ExpiresOnceWhateverCrashes) {
  TestProcessor test(Rule());
  test.OnCommit([](const client::Transaction&) { return absl::UnavailableError("down"); });
  test.Deliver(Fact("placed", 1, "a"));
  test.CrashInto([&] { return Rule(); });
  test.OnCommit(nullptr);
  test.Advance(absl::Minutes(1));
  ASSERT_THAT(test.emitted(), SizeIs(1));
  test.HoldCommits(true);
  FireTimers(test);
  test.CrashInto([&] {
    view_ = nullptr;  // The store is lost, too.
    return Rule();
  });
  test.HoldCommits(false);
  test.Advance(absl::Minutes(1));
  EXPECT_THAT(Expired(test), ElementsAre("a"));
  EXPECT_EQ(test.unsettled(), 0u);
}

// A store that fails on request.
class FlakyStore final : public ViewStore {
 public:
  explicit FlakyStore(int& failures) : failures_(failures) {}

  absl::StatusOr<StoredView> Load() override { return stored_; }
  absl::Status Begin(uint64_t generation, std::string_view revision) override {
    stored_.generation = generation;
    stored_.revision = revision;
    return absl::OkStatus();
  }
  absl::Status Write(uint64_t, bool, absl::Span<RowWrite> rows,
                     const ViewPositions& positions) override {
    if (failures_ > 0) {
      --failures_;
      return absl::DataLossError("the disk is on fire");
    }
    for (RowWrite& write : rows) {
      const bool odd = std::get<int64_t>(write.row.values[0]) % 2 == 1;
      write.status = odd ? absl::InvalidArgumentError("it is odd") : absl::OkStatus();
      write.written = !odd;
    }
    for (const auto& [partition, offset] : positions) stored_.positions[partition] = offset;
    return absl::OkStatus();
  }
  absl::Status Switch(uint64_t) override { return absl::OkStatus(); }
  absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view) override {
    return std::nullopt;
  }
  absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view, const std::vector<Value>&)>) override {
    return absl::OkStatus();
  }

 private:
  int& failures_;
  StoredView stored_;
};

TEST(MaterializeFailureTest, AStoreThatFailsMakesUnitsWaitAndNoFaults) {
  int failures = 3;
  auto view = OpenView({.name = "v", .columns = {{"number", ColumnType::kInteger}}},
                       std::make_unique<FlakyStore>(failures));
  ASSERT_THAT(view, IsOk());
  TestProcessor test(Rules({Pipeline("latest").Materialize(*view, LatestRow)}));
  test.Deliver(NumberEvent(2, "a"));
  EXPECT_EQ(test.state().kind, Kind::kWaiting);
  EXPECT_EQ(test.state().what, "step materialize 1");
  EXPECT_THAT(test.state().because, HasSubstr("the disk is on fire"));
  test.Advance(absl::Seconds(1));
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(test.state().kind, Kind::kRunning);
  EXPECT_EQ(test.counters().retries, 3u);
  EXPECT_THAT(test.faults(), IsEmpty());
}

TEST(MaterializeFailureTest, ARowThatTheStoreRefusesFailsAlone) {
  int failures = 0;
  auto view = OpenView({.name = "v", .columns = {{"number", ColumnType::kInteger}}},
                       std::make_unique<FlakyStore>(failures));
  ASSERT_THAT(view, IsOk());
  TestProcessor test(Rules({Pipeline("latest").Materialize(*view, LatestRow)}));
  test.HoldViews(true);
  for (int i = 1; i <= 4; ++i) test.Deliver(NumberEvent(i, "a"));
  test.HoldViews(false);
  EXPECT_THAT(Settled(test), testing::UnorderedElementsAre("park 1", "ack 2", "park 3", "ack 4"));
}

// Random events, crashes with the store kept or lost, seeks and rebuilds: in the end the view has
// for each key the number of its last event.
class ViewModelTest : public MaterializeTest, public testing::WithParamInterface<int> {};

TEST_P(ViewModelTest, TheViewIsThatOfTheLog) {
  const uint64_t seed =
      EnvNumber("EVENTHUB_TEST_SEED", 1) * 1000 + static_cast<uint64_t>(GetParam());
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(static_cast<unsigned>(seed));
  const auto roll = [&](int sides) {
    return static_cast<int>(random() % static_cast<unsigned>(sides));
  };
  options_.on_rewind = static_cast<OnRewind>(GetParam() % 3);
  std::map<std::string, int64_t> expected;
  int next = 0;
  const auto make = [&] {
    auto view = OpenMemoryView(options_);
    EXPECT_THAT(view, IsOk());
    view_ = *std::move(view);
    return Rules({Pipeline("latest").Materialize(view_, LatestRow)});
  };
  TestProcessor test(make(), seed);
  std::vector<int64_t> ends(2, 0);
  for (int step = 0; step < 300; ++step) {
    switch (roll(20)) {
      case 0:
        test.Crash();
        break;
      case 1:
        test.CrashInto(make);
        break;
      case 2:
        test.Reconnect();
        break;
      case 3: {
        const auto partition = static_cast<uint32_t>(roll(2));
        if (ends[partition] > 0) test.Seek(roll(static_cast<int>(ends[partition])), partition);
        break;
      }
      case 4:
        ASSERT_THAT(view_->Rebuild(), IsOk());
        test.Run();
        break;
      case 5:
        test.HoldViews(true);
        break;
      case 6:
      case 7:
      case 8:
        test.HoldViews(false);
        break;
      case 9:
        test.Assign(static_cast<uint32_t>(roll(2)));
        break;
      case 10:
      case 11:
        test.Advance(absl::Milliseconds(1 << roll(12)));
        break;
      default: {
        const int key = roll(6);
        const auto partition = static_cast<uint32_t>(key % 2);
        v1::Event event = NumberEvent(next, absl::StrCat("k", key));
        if (roll(10) == 0) {
          event.set_type("poison");
        } else {
          expected[absl::StrCat("k", key)] = next;
        }
        ++next;
        ++ends[partition];
        test.Deliver(event, partition);
      }
    }
  }
  test.HoldViews(false);
  for (const uint32_t partition : {0u, 1u}) test.Assign(partition);
  test.Advance(absl::Minutes(10));
  EXPECT_EQ(test.unsettled(), 0u);
  for (const auto& [key, number] : expected) EXPECT_EQ(NumberOf(key), number) << key;
  EXPECT_EQ(test.state().kind, Kind::kRunning) << ToString(test.state());
  EXPECT_FALSE(view_->status()->building);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ViewModelTest, testing::Range(0, 30));

}  // namespace
}  // namespace eventhub::processor
