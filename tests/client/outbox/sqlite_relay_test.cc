// The relay of an outbox table in SQLite.
#include <sqlite3.h>

#include <fstream>

#include "eventhub/sqlite_outbox.h"
#include "tests/client/outbox/relay_contract.h"
#include "tests/support/temp_directory.h"

namespace eventhub::client {
namespace {

struct SqlitePlace final : RelayPlace {
  SqlitePlace() {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    sqlite3_busy_timeout(database, 10'000);
    // The model commits often; losing power is not its subject.
    EXPECT_THAT(Execute("PRAGMA synchronous = OFF"), IsOk());
  }
  ~SqlitePlace() override { sqlite3_close(database); }

  absl::StatusOr<std::unique_ptr<OutboxRelay>> Open(std::shared_ptr<Connection> hub,
                                                    OutboxRelayOptions options) override {
    return OpenSqliteRelay(std::move(hub), {.path = path, .relay = std::move(options)});
  }
  absl::Status Execute(const std::string& sql) override {
    const int code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : absl::UnknownError(sqlite3_errmsg(database));
  }
  absl::Status Insert(const std::string& topic, const v1::Event& event) override {
    return InsertIntoOutbox(database, topic, event);
  }
  absl::Status CreateTables() override { return Execute(SqliteOutboxSchema()); }
  absl::Status Disturb() override {
    return Execute("UPDATE eventhub_outbox_relay SET generation = generation + 1");
  }
  std::string List(const std::string& ids) override { return absl::StrCat("[", ids, "]"); }
  int64_t CountOf(const std::string& table) override {
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(database, absl::StrCat("SELECT count(*) FROM ", table).c_str(), -1,
                       &statement, nullptr);
    const int64_t count =
        sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : int64_t{-1};
    sqlite3_finalize(statement);
    return count;
  }

  TempDirectory directory;
  const std::string path = directory / "shop.db";
  sqlite3* database = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, RelayTest,
                         testing::Values(RelayPlaceKind{"Sqlite",
                                                        []() -> std::unique_ptr<RelayPlace> {
                                                          return std::make_unique<SqlitePlace>();
                                                        }}),
                         [](const auto& info) { return std::string(info.param.name); });

class SqliteRelayTest : public RelayTest {};
INSTANTIATE_TEST_SUITE_P(Sqlite, SqliteRelayTest,
                         testing::Values(RelayPlaceKind{"Sqlite",
                                                        []() -> std::unique_ptr<RelayPlace> {
                                                          return std::make_unique<SqlitePlace>();
                                                        }}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(SqliteRelayTest, ANotificationDoesNotWaitForThePoll) {
  OutboxRelayOptions options = Options();
  options.poll_interval = absl::Hours(1);
  Open(options);
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(Insert("a"), IsOk());
  relay_->Notify();
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 1; }));
}

TEST_P(SqliteRelayTest, ARowIsFoundWithinTheDefaultPollInterval) {
  OutboxRelayOptions options = Options();
  options.poll_interval = std::nullopt;
  Open(options);
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 1; }));
}

TEST_P(SqliteRelayTest, AFileThatIsNoDatabaseIsRefused) {
  const TempDirectory directory;
  std::ofstream(directory / "text") << std::string(2000, 'x');
  EXPECT_THAT(OpenSqliteRelay(hub_, {.path = directory / "text"}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(OpenSqliteRelay(hub_, {}), StatusIs(absl::StatusCode::kInvalidArgument, "path"));
}

}  // namespace
}  // namespace eventhub::client
