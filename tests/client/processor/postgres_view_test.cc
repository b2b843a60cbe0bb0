// Views in PostgreSQL, in a server that this program starts on a socket of its own.

#include "eventhub/processor/postgres_view.h"

#include <libpq-fe.h>

#include "tests/client/processor/view_store_contract.h"
#include "tests/support/postgres_server.h"

namespace eventhub::processor {
namespace {

PostgresServer& Server() {
  static PostgresServer server;
  return server;
}

// Each test has a schema.
struct PostgresPlace final : Place {
  PostgresPlace()
      : options(absl::StrCat(Server().options(), " options='-c search_path=t", ++count, "'")) {
    PGconn* const connection = PQconnectdb(Server().options().c_str());
    PQclear(PQexec(connection, absl::StrCat("CREATE SCHEMA t", count).c_str()));
    PQfinish(connection);
  }
  absl::StatusOr<std::shared_ptr<View>> Open(const ViewOptions& view) override {
    return OpenPostgresView({.connection = options, .view = view});
  }

  static inline int count = 0;
  const std::string options;
};

INSTANTIATE_TEST_SUITE_P(Postgres, ViewStoreTest,
                         testing::Values(StoreKind{"Postgres",
                                                   []() -> std::unique_ptr<Place> {
                                                     if (!Server().running()) return nullptr;
                                                     return std::make_unique<PostgresPlace>();
                                                   }}),
                         [](const auto& info) { return std::string(info.param.name); });

class PostgresViewTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Server().running()) GTEST_SKIP() << "this machine has no PostgreSQL server";
  }
  absl::StatusOr<std::shared_ptr<View>> Open(const PostgresPlace& place) {
    return OpenPostgresView(
        {.connection = place.options, .view = {.name = "stock", .columns = kColumns}});
  }
  static std::string WriteRows(View& view, std::vector<Row> rows) {
    std::vector<RowWrite> writes;
    for (Row& row : rows) writes.push_back({.row = row, .version = row.version.value_or(0)});
    const absl::Status status = view.core().Write(absl::MakeSpan(writes), {}).status();
    if (!status.ok()) return absl::StatusCodeToString(status.code());
    std::string text;
    for (const RowWrite& write : writes)
      text += write.status.ok() ? write.written ? "w" : "s" : "e";
    return text;
  }
};

TEST_F(PostgresViewTest, ARowThatTheServerRefusesFailsAlone) {
  const PostgresPlace place;
  auto view = Open(place);
  ASSERT_THAT(view, IsOk());
  Row bad = RowOf("b", 1, 1);
  bad.values[2] = std::string("\xff\xfe");
  EXPECT_EQ(WriteRows(**view, {RowOf("a", 1, 1), bad, RowOf("c", 1, 1)}), "wew");
  EXPECT_NE(*(*view)->Get("c"), std::nullopt);
  EXPECT_EQ(*(*view)->Get("b"), std::nullopt);
}

TEST_F(PostgresViewTest, ProcessesShareAView) {
  const PostgresPlace place;
  auto one = Open(place);
  auto two = Open(place);
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(two, IsOk());
  EXPECT_EQ(WriteRows(**one, {RowOf("a", 1, 2)}), "w");
  EXPECT_EQ(WriteRows(**two, {RowOf("a", 2, 1), RowOf("b", 2, 1)}), "sw");
  // One process begins a rebuild; the other one then also writes to the new view.
  ASSERT_THAT((*one)->Rebuild(), IsOk());
  EXPECT_EQ(WriteRows(**two, {RowOf("c", 3, 1)}), "w");
  ASSERT_THAT((*one)->core().Write({}, PositionsInView{2, {{0, 1}}}), IsOk());
  EXPECT_EQ((*two)->status()->generation, 2u);
  EXPECT_EQ(*(*one)->Get("a"), std::nullopt);
  EXPECT_NE(*(*one)->Get("c"), std::nullopt);
}

TEST_F(PostgresViewTest, AConnectionThatIsLostIsOpenedAgain) {
  const PostgresPlace place;
  auto view = Open(place);
  ASSERT_THAT(view, IsOk());
  Server().Disconnect();
  EXPECT_EQ(WriteRows(**view, {RowOf("a", 1, 1)}), "UNAVAILABLE");
  EXPECT_EQ(WriteRows(**view, {RowOf("a", 1, 1)}), "w");
  (*view)->Get("a").status().IgnoreError();  // This connection was lost, too.
  EXPECT_NE(*(*view)->Get("a"), std::nullopt);
}

TEST_F(PostgresViewTest, AProgramWritesInTheSameTransaction) {
  const PostgresPlace place;
  bool fail = false;
  auto view =
      OpenPostgresView({.connection = place.options,
                        .view = {.name = "stock", .columns = kColumns},
                        .in_transaction = [&](PGconn*, const std::vector<const Row*>&) {
                          return fail ? absl::UnavailableError("not now") : absl::OkStatus();
                        }});
  ASSERT_THAT(view, IsOk());
  EXPECT_EQ(WriteRows(**view, {RowOf("a", 5, 5)}), "w");
  fail = true;
  EXPECT_EQ(WriteRows(**view, {RowOf("a", 6, 6)}), "UNAVAILABLE");
  EXPECT_EQ(std::get<int64_t>((**(*view)->Get("a"))[0]), 5);
}

TEST_F(PostgresViewTest, AServerThatIsNotThereIsUnavailable) {
  EXPECT_THAT(OpenPostgresView({.connection = "host=/nonexistent dbname=x",
                                .view = {.name = "stock", .columns = kColumns}}),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace eventhub::processor
