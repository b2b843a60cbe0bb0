// The relay of an outbox table in PostgreSQL, in a server that this program starts.
#include <libpq-fe.h>

#include "eventhub/postgres_outbox.h"
#include "tests/client/outbox/relay_contract.h"
#include "tests/support/postgres_server.h"

namespace eventhub::client {
namespace {

PostgresServer& Server() {
  static PostgresServer server;
  return server;
}

// A connection of the service.
class ServiceConnection {
 public:
  explicit ServiceConnection(const std::string& options)
      : connection_(PQconnectdb(options.c_str())) {}
  ~ServiceConnection() { PQfinish(connection_); }
  ServiceConnection(const ServiceConnection&) = delete;
  ServiceConnection& operator=(const ServiceConnection&) = delete;

  PGconn* get() const { return connection_; }
  absl::Status Execute(const std::string& sql) { return Ask(sql).status(); }
  // The first value of the answer.
  absl::StatusOr<std::string> Ask(const std::string& sql) {
    PGresult* const result = PQexec(connection_, sql.c_str());
    const ExecStatusType code = PQresultStatus(result);
    std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    if (code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK) return value;
    return absl::UnknownError(PQerrorMessage(connection_));
  }

 private:
  PGconn* const connection_;
};

// Each test has a schema.
struct PostgresRelayPlace final : RelayPlace {
  PostgresRelayPlace()
      : options(absl::StrCat(Server().options(), " options='-c search_path=t", ++count, "'")),
        service(options) {
    EXPECT_THAT(service.Execute(absl::StrCat("CREATE SCHEMA t", count)), IsOk());
  }
  absl::StatusOr<std::unique_ptr<OutboxRelay>> Open(std::shared_ptr<Connection> hub,
                                                    OutboxRelayOptions relay) override {
    return OpenPostgresRelay(std::move(hub), {.connection = options, .relay = std::move(relay)});
  }
  absl::Status Execute(const std::string& sql) override { return service.Execute(sql); }
  absl::Status Insert(const std::string& topic, const v1::Event& event) override {
    return InsertIntoOutbox(service.get(), topic, event);
  }
  absl::Status CreateTables() override { return Execute(PostgresOutboxSchema()); }
  absl::Status Disturb() override {
    return Execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()");
  }
  std::string List(const std::string& ids) override { return absl::StrCat("{", ids, "}"); }
  int64_t CountOf(const std::string& table) override {
    const auto rows = service.Ask(absl::StrCat("SELECT count(*) FROM ", table));
    return rows.ok() ? std::stoll(*rows) : -1;
  }

  static inline int count = 0;
  const std::string options;
  ServiceConnection service;
};

std::unique_ptr<RelayPlace> MakePostgresPlace() {
  if (!Server().running()) return nullptr;
  return std::make_unique<PostgresRelayPlace>();
}

INSTANTIATE_TEST_SUITE_P(Postgres, RelayTest,
                         testing::Values(RelayPlaceKind{"Postgres", &MakePostgresPlace}),
                         [](const auto& info) { return std::string(info.param.name); });

class PostgresRelayTest : public RelayTest {
 protected:
  PostgresRelayPlace& place() { return static_cast<PostgresRelayPlace&>(*place_); }
};
INSTANTIATE_TEST_SUITE_P(Postgres, PostgresRelayTest,
                         testing::Values(RelayPlaceKind{"Postgres", &MakePostgresPlace}),
                         [](const auto& info) { return std::string(info.param.name); });

// Ids are assigned before the commit, so a relay that remembers the last id would skip the row.
TEST_P(PostgresRelayTest, ATransactionThatCommitsLateIsNotSkipped) {
  Open();
  ServiceConnection late(place().options);
  ASSERT_THAT(late.Execute("BEGIN"), IsOk());
  EXPECT_THAT(InsertIntoOutbox(late.get(), "t", MakeEvent("late")), IsOk());
  EXPECT_THAT(Insert("early"), IsOk());
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 1; }));
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("early"));
  ASSERT_THAT(late.Execute("COMMIT"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("early", "late"));
  ExpectEmpty();
}

// The same while the first rows are in flight.
TEST_P(PostgresRelayTest, ARowThatAppearsBetweenThoseInFlightIsNotSkipped) {
  hub_->SetHeld(true);
  Open();
  EXPECT_THAT(Insert("one"), IsOk());
  ServiceConnection late(place().options);
  ASSERT_THAT(late.Execute("BEGIN"), IsOk());
  EXPECT_THAT(InsertIntoOutbox(late.get(), "t", MakeEvent("late")), IsOk());
  EXPECT_THAT(Insert("two"), IsOk());
  EXPECT_TRUE(Eventually([&] {
    return *place().service.Ask(
               "SELECT coalesce(sum(cardinality(ids)), 0) FROM "
               "eventhub_outbox_requests") == "2";
  }));
  ASSERT_THAT(late.Execute("COMMIT"), IsOk());
  EXPECT_TRUE(Eventually([&] {
    return *place().service.Ask(
               "SELECT coalesce(sum(cardinality(ids)), 0) FROM "
               "eventhub_outbox_requests") == "3";
  }));
  hub_->SetHeld(false);
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("one", "two", "late"));
  ExpectEmpty();
}

// Transaction numbers are not an order either: the first transaction here has the lower number, but
// its event is second, because it waited for the row of the second one.
TEST_P(PostgresRelayTest, CauseComesBeforeEffect) {
  ASSERT_THAT(place_->Execute("CREATE TABLE orders (state TEXT)"), IsOk());
  ASSERT_THAT(place_->Execute("INSERT INTO orders VALUES ('new')"), IsOk());
  Open();
  ServiceConnection first(place().options);
  ServiceConnection second(place().options);
  ServiceConnection third(place().options);
  ASSERT_THAT(first.Execute("BEGIN; SELECT pg_current_xact_id()"), IsOk());
  // It keeps the horizon between the two.
  ASSERT_THAT(third.Execute("BEGIN; SELECT pg_current_xact_id()"), IsOk());
  ASSERT_THAT(second.Execute("BEGIN; UPDATE orders SET state = 'paid'"), IsOk());
  EXPECT_THAT(InsertIntoOutbox(second.get(), "t", MakeEvent("paid")), IsOk());
  ASSERT_THAT(second.Execute("COMMIT"), IsOk());
  ASSERT_THAT(first.Execute("UPDATE orders SET state = 'shipped'"), IsOk());
  EXPECT_THAT(InsertIntoOutbox(first.get(), "t", MakeEvent("shipped")), IsOk());
  ASSERT_THAT(first.Execute("COMMIT"), IsOk());
  // An open transaction does not delay others.
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("paid", "shipped"));
}

// The statistics of a table that was empty a moment ago are outdated. Still, a pass must not read
// all of it.
TEST_P(PostgresRelayTest, ABacklogIsReadByTheIndex) {
  constexpr int kRows = 60'000;
  EXPECT_THAT(place_->Execute(absl::StrCat(
                  "INSERT INTO eventhub_outbox (topic, event) SELECT 't', json_build_object("
                  "'source', '/s', 'type', 'x') FROM generate_series(1, ",
                  kRows, ")")),
              IsOk());
  Open();
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_EQ(hub_->Ids("t").size(), static_cast<size_t>(kRows));
  relay_.reset();  // The server counts what a connection did at the latest when it ends.
  EXPECT_TRUE(Eventually([&] {
    return *place().service.Ask(
               "SELECT n_tup_del FROM pg_stat_user_tables WHERE relid = "
               "'eventhub_outbox'::regclass") == absl::StrCat(kRows);
  }));
  ASSERT_OK_AND_ASSIGN(const std::string read,
                       place().service.Ask("SELECT coalesce(seq_tup_read, 0) + idx_tup_fetch FROM "
                                           "pg_stat_user_tables WHERE relid = "
                                           "'eventhub_outbox'::regclass"));
  EXPECT_LT(std::stoll(read), 7 * kRows);
}

TEST_P(PostgresRelayTest, ACommitWakesTheRelay) {
  OutboxRelayOptions options = Options();
  options.poll_interval = absl::Hours(1);
  Open(options);
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 1; }));
  EXPECT_THAT(Insert("b"), IsOk());
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 2; }));
}

TEST_P(PostgresRelayTest, ALostConnectionIsOpenedAgain) {
  Open();
  EXPECT_THAT(Insert("a"), IsOk());
  EXPECT_THAT(Drain(), IsOk());
  Server().Disconnect();
  ServiceConnection again(place().options);
  EXPECT_THAT(InsertIntoOutbox(again.get(), "t", MakeEvent("b")), IsOk());
  EXPECT_TRUE(Eventually([&] { return hub_->Ids("t").size() == 2; }));
  EXPECT_THAT(Drain(), IsOk());
  EXPECT_THAT(hub_->Ids("t"), ElementsAre("a", "b"));
  relay_->status();  // This connection was lost, too.
  EXPECT_TRUE(relay_->status().active);
  EXPECT_THAT(relay_->status().database, IsOk());
}

TEST_P(PostgresRelayTest, AServerThatIsNotThereIsUnavailable) {
  EXPECT_THAT(OpenPostgresRelay(hub_, {.connection = "host=/nonexistent dbname=x"}),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace eventhub::client
