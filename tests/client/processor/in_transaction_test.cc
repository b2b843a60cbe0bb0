// Views whose transactions a program takes part in: whom its errors hit, and who waits.

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/processor/sqlite_view.h"
#include "storage/base/clock.h"
#include "tests/client/processor/processor_fixture.h"
#include "tests/support/temp_directory.h"

namespace eventhub::processor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = PipelineState::Kind;

class InTransactionTest : public testing::Test {
 protected:
  // Opens a view whose transactions call `book_`, and writes numbers to a table of its own.
  std::shared_ptr<View> OpenView() {
    SqliteViewOptions options{
        .path = directory_ / "db",
        .view = {.name = "latest", .columns = {{"number", ColumnType::kInteger}}}};
    options.in_transaction = [this](sqlite3* database, const std::vector<const Row*>& rows) {
      writer_ = database;
      calls_.push_back(rows.size());
      for (const Row* const row : rows) {
        const int64_t number = std::get<int64_t>(row->values[0]);
        if (absl::Status status = book_(number); !status.ok()) return status;
        const std::string sql = absl::StrCat("INSERT OR REPLACE INTO booked VALUES (", number, ")");
        if (sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
          return absl::InternalError(sqlite3_errmsg(database));
        }
      }
      return absl::OkStatus();
    };
    auto view = OpenSqliteView(options);
    EXPECT_THAT(view, IsOk());
    Run("CREATE TABLE IF NOT EXISTS booked (number INTEGER PRIMARY KEY)");
    return *std::move(view);
  }

  AnyPipeline Latest(MaterializeOptions options = {}) {
    return Pipeline("latest")
        .Materialize(
            OpenView(),
            [](const v1::Event& event) {
              return Row{.key = absl::StrCat("k", event.id()),
                         .values = {int64_t{std::stoi(event.id())}}};
            },
            std::move(options))
        .Publish("out", [](const v1::Event& event) { return Result(std::stoi(event.id())); });
  }

  // Does not call it broken that nothing is settled.
  static ProcessorOptions Patient(AnyPipeline pipeline) {
    ProcessorOptions options = Rules({std::move(pipeline)});
    options.stall_after = absl::InfiniteDuration();
    return options;
  }

  // Delivers events while a write is in progress, so that they are written together.
  static void DeliverTogether(TestProcessor& test, int begin, int end,
                              const std::string& key = "") {
    test.HoldViews(true);
    for (int i = begin; i < end; ++i) {
      test.Deliver(NumberEvent(i, key.empty() ? absl::StrCat("key-", i) : key));
    }
    test.HoldViews(false);
  }

  // Another connection to the database.
  sqlite3* Other() {
    if (other_ == nullptr) {
      sqlite3* handle = nullptr;
      EXPECT_EQ(sqlite3_open((directory_ / "db").c_str(), &handle), SQLITE_OK);
      other_ = {handle, sqlite3_close};
    }
    return other_.get();
  }
  void Run(const std::string& sql) {
    EXPECT_EQ(sqlite3_exec(Other(), sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(Other());
  }
  std::set<int> Booked() {
    std::set<int> booked;
    const auto add = [](void* to, int, char** values, char**) {
      static_cast<std::set<int>*>(to)->insert(std::stoi(values[0]));
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(Other(), "SELECT number FROM booked", add, &booked, nullptr), SQLITE_OK);
    return booked;
  }

  TempDirectory directory_;
  std::function<absl::Status(int64_t number)> book_ = [](int64_t) { return absl::OkStatus(); };
  std::vector<size_t> calls_;  // With how many rows.
  sqlite3* writer_ = nullptr;  // The connection that it was called with.
  std::shared_ptr<sqlite3> other_;
};

TEST_F(InTransactionTest, WhatItRefusesIsAFaultOfThatEventAlone) {
  book_ = [](int64_t number) {
    return number == 13 ? absl::InvalidArgumentError("unlucky") : absl::OkStatus();
  };
  TestProcessor test(Rules({Latest()}));
  DeliverTogether(test, 0, 30);
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].event_id, "13");
  EXPECT_EQ(test.faults()[0].step, "materialize 1");
  EXPECT_EQ(test.faults()[0].type, "INVALID_ARGUMENT");
  EXPECT_EQ(test.faults()[0].message, "unlucky");
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_THAT(test.emitted(), SizeIs(29));
  const std::set<int> booked = Booked();
  EXPECT_EQ(booked.size(), 29u);
  EXPECT_EQ(booked.count(13), 0u);
  EXPECT_LT(calls_.size(), 15u) << "the group is halved, not taken apart";
}

TEST_F(InTransactionTest, WhatItThrowsIsAFaultOfThatEventAlone) {
  book_ = [](int64_t number) -> absl::Status {
    if (number == 3) throw std::runtime_error("thrown");
    if (number == 4) throw 4;  // NOLINT(hicpp-exception-baseclass)
    return absl::OkStatus();
  };
  TestProcessor test(Rules({Latest()}));
  DeliverTogether(test, 0, 10);
  ASSERT_THAT(test.faults(), SizeIs(2));
  EXPECT_THAT(test.faults()[0].message, HasSubstr("in_transaction threw: thrown"));
  EXPECT_THAT(test.faults()[1].message, HasSubstr("other than a std::exception"));
  EXPECT_EQ(Booked().size(), 8u);
}

TEST_F(InTransactionTest, AFewPoisonousEventsAmongMany) {
  book_ = [](int64_t number) {
    return number % 10 == 0 ? absl::NotFoundError("no") : absl::OkStatus();
  };
  TestProcessor test(Rules({Latest()}));
  DeliverTogether(test, 0, 200, "one-key");
  EXPECT_THAT(test.faults(), SizeIs(20));
  EXPECT_EQ(Booked().size(), 180u);
  std::vector<std::string> in_order;
  for (int i = 0; i < 200; ++i) {
    if (i % 10 != 0) in_order.push_back(absl::StrCat("out:", i));
  }
  EXPECT_EQ(Emitted(test), in_order);
}

TEST_F(InTransactionTest, AnErrorThatPassesIsRetriedWhileOthersGoOn) {
  bool busy = true;
  std::vector<int64_t> order;
  book_ = [&](int64_t number) {
    if (busy && number == 1) return absl::UnavailableError("busy");
    order.push_back(number);
    return absl::OkStatus();
  };
  TestProcessor test(Rules({Latest()}));
  test.HoldViews(true);
  test.Deliver(NumberEvent(0, "b"));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  test.Deliver(NumberEvent(3, "b"));
  test.HoldViews(false);
  test.Deliver(NumberEvent(4, "a"));
  test.Deliver(NumberEvent(5, "c"));
  EXPECT_THAT(Settled(test), ElementsAre("ack 0", "ack 3", "ack 5"));
  busy = false;
  order.clear();
  test.Advance(absl::Seconds(20));
  EXPECT_THAT(order, ElementsAre(1, 2, 4)) << "those behind it in its key waited";
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_THAT(test.faults(), IsEmpty());
  EXPECT_EQ(Booked(), (std::set<int>{0, 1, 2, 3, 4, 5}));
}

TEST_F(InTransactionTest, AfterTheLastAttemptItIsAFault) {
  book_ = [](int64_t number) {
    return number == 1 ? absl::UnavailableError("always") : absl::OkStatus();
  };
  TestProcessor test(Rules({Latest({.retry = {.max_attempts = 3}})}));
  test.Deliver(NumberEvent(1, "a"));
  test.Deliver(NumberEvent(2, "a"));
  for (int i = 3; i < 40; ++i) {
    test.Deliver(NumberEvent(i, "b"));
    test.Advance(absl::Milliseconds(100));
  }
  ASSERT_THAT(test.faults(), SizeIs(1));
  EXPECT_EQ(test.faults()[0].event_id, "1");
  EXPECT_EQ(test.faults()[0].attempts, 3u);
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_EQ(Booked().size(), 38u);
}

TEST_F(InTransactionTest, AnOutageOfWhatItNeedsMakesNoFaults) {
  bool down = true;
  book_ = [&](int64_t) { return down ? absl::UnavailableError("down") : absl::OkStatus(); };
  TestProcessor test(Patient(Latest()));
  for (int round = 0; round < 5; ++round) {
    DeliverTogether(test, round * 20, round * 20 + 20);
    test.Advance(absl::Minutes(1));
  }
  test.Advance(absl::Minutes(20));
  EXPECT_EQ(test.state().kind, Kind::kWaiting);
  EXPECT_EQ(test.state().what, "step materialize 1");
  EXPECT_EQ(test.unsettled(), 100u);
  down = false;
  test.Advance(absl::Minutes(5));
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_THAT(test.faults(), IsEmpty());
  EXPECT_EQ(Booked().size(), 100u);
  EXPECT_EQ(test.state().kind, Kind::kRunning);
}

// Under kReapply, what is moved back is written again: the program's part, too.
TEST_F(InTransactionTest, IsCalledAgainForWhatIsAppliedAgain) {
  TestProcessor test(Rules({Latest()}));
  for (int i = 0; i < 5; ++i) test.Deliver(NumberEvent(i, "a"));
  calls_.clear();
  test.Seek(0);
  EXPECT_EQ(std::accumulate(calls_.begin(), calls_.end(), size_t{0}), 5u);
  EXPECT_EQ(Booked().size(), 5u);
}

TEST_F(InTransactionTest, ABusyDatabaseBlocksForTheTimeoutAtMost) {
  TestProcessor test(Rules({Latest({.timeout = absl::Milliseconds(20)})}));
  Run("BEGIN IMMEDIATE");
  const absl::Duration start = Clock::System().Monotonic();
  test.Deliver(NumberEvent(1, "a"));
  EXPECT_LT(Clock::System().Monotonic() - start, absl::Seconds(2));
  test.Advance(absl::Minutes(1));
  EXPECT_EQ(test.unsettled(), 1u);
  EXPECT_EQ(test.state().kind, Kind::kWaiting);
  EXPECT_THAT(test.state().because, HasSubstr("locked"));
  Run("COMMIT");
  test.Advance(absl::Minutes(1));
  EXPECT_THAT(Settled(test), ElementsAre("ack 1"));
  EXPECT_THAT(test.faults(), IsEmpty());
  EXPECT_EQ(test.state().kind, Kind::kRunning);
}

TEST_F(InTransactionTest, ADatabaseWithoutRoomMakesNoFaults) {
  auto view = OpenView();
  TestProcessor test(Patient(Pipeline("large").Materialize(view, [](const v1::Event& event) {
    return Row{.key = absl::StrCat("k", event.id(), std::string(900, 'x')),
               .values = {int64_t{std::stoi(event.id())}}};
  })));
  test.Deliver(NumberEvent(0, "a"));
  const auto limit = [this](const char* pages) {
    EXPECT_EQ(sqlite3_exec(writer_, absl::StrCat("PRAGMA max_page_count = ", pages).c_str(),
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
  };
  limit("20");
  for (int i = 1; i < 100; ++i) test.Deliver(NumberEvent(i, absl::StrCat("k", i % 5)));
  test.Advance(absl::Minutes(10));
  EXPECT_GT(test.unsettled(), 20u);
  EXPECT_EQ(test.state().kind, Kind::kWaiting);
  EXPECT_THAT(test.state().because, HasSubstr("full"));
  limit("10000");
  test.Advance(absl::Minutes(10));
  EXPECT_EQ(test.unsettled(), 0u);
  EXPECT_THAT(test.faults(), IsEmpty());
  EXPECT_EQ(Booked().size(), 100u);
}

TEST_F(InTransactionTest, TheTimeoutIsChecked) {
  const AnyPipeline rule = Latest({.timeout = absl::ZeroDuration()});
  EXPECT_THAT(rule.spec().Check(),
              StatusIs(absl::StatusCode::kInvalidArgument, "step materialize 1: timeout"));
}

}  // namespace
}  // namespace eventhub::processor
