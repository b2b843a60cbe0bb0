// Stores of views in files: the common contract, and tests of single stores.

#include "absl/strings/escaping.h"
#include "client/processor/views/rocksdb_format.h"
#include "eventhub/processor/rocksdb_view.h"
#include "eventhub/processor/sqlite_view.h"
#include "eventhub/processor/testing.h"
#include "tests/client/processor/view_store_contract.h"
#include "tests/support/temp_directory.h"

namespace eventhub::processor {
namespace {

struct RocksdbPlace final : Place {
  absl::StatusOr<std::shared_ptr<View>> Open(const ViewOptions& options) override {
    return OpenRocksdbView({.directory = directory / "view", .view = options});
  }
  TempDirectory directory;
};

// A store in memory ends with its view, so a first view keeps it, and others share it.
class SharedStore final : public ViewStore {
 public:
  explicit SharedStore(std::shared_ptr<View> view)
      : view_(std::move(view)), store_(view_->core().store()) {}

  absl::StatusOr<StoredView> Load() override { return store_.Load(); }
  absl::Status Begin(uint64_t generation, std::string_view revision) override {
    return store_.Begin(generation, revision);
  }
  absl::Status Write(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                     const ViewPositions& positions) override {
    return store_.Write(generation, again, rows, positions);
  }
  absl::Status Switch(uint64_t generation) override { return store_.Switch(generation); }
  absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view key) override {
    return store_.Get(key);
  }
  absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view, const std::vector<Value>&)> visit) override {
    return store_.ForEach(visit);
  }

 private:
  const std::shared_ptr<View> view_;
  ViewStore& store_;
};

struct MemoryPlace final : Place {
  absl::StatusOr<std::shared_ptr<View>> Open(const ViewOptions& options) override {
    if (first == nullptr) {
      auto view = OpenMemoryView(options);
      if (!view.ok()) return view;
      first = *view;
    }
    return OpenView(options, std::make_unique<SharedStore>(first));
  }
  std::shared_ptr<View> first;
};

struct SqlitePlace final : Place {
  absl::StatusOr<std::shared_ptr<View>> Open(const ViewOptions& options) override {
    return OpenSqliteView({.path = directory / "db", .view = options});
  }
  TempDirectory directory;
};

INSTANTIATE_TEST_SUITE_P(
    All, ViewStoreTest,
    testing::Values(
        StoreKind{"Memory",
                  []() -> std::unique_ptr<Place> { return std::make_unique<MemoryPlace>(); }},
        StoreKind{"Rocksdb",
                  []() -> std::unique_ptr<Place> { return std::make_unique<RocksdbPlace>(); }},
        StoreKind{"Sqlite",
                  []() -> std::unique_ptr<Place> { return std::make_unique<SqlitePlace>(); }}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(SqliteViewTest, AProgramWritesInTheSameTransaction) {
  TempDirectory directory;
  int64_t calls = 0;
  bool fail = false;
  auto view = OpenSqliteView({.path = directory / "db",
                              .view = {.name = "stock", .columns = kColumns},
                              .in_transaction = [&](sqlite3*, const std::vector<const Row*>& rows) {
                                calls += static_cast<int64_t>(rows.size());
                                return fail ? absl::UnavailableError("not now") : absl::OkStatus();
                              }});
  ASSERT_THAT(view.status(), IsOk());
  const auto write = [&](int64_t version) {
    std::vector<RowWrite> writes = {{.row = RowOf("a", version, version), .version = version}};
    return (*view)->core().Write(absl::MakeSpan(writes), {}).status();
  };
  EXPECT_THAT(write(5), IsOk());
  EXPECT_THAT(write(4), IsOk());
  EXPECT_EQ(calls, 1) << "of rows that are newer alone";
  fail = true;
  EXPECT_EQ(write(6).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::get<int64_t>((**(*view)->Get("a"))[0]), 5);
}

TEST(SqliteViewTest, ViewsShareADatabase) {
  TempDirectory directory;
  const auto open = [&](const char* name) {
    return OpenSqliteView({.path = directory / "db", .view = {.name = name, .columns = kColumns}});
  };
  auto one = open("one");
  auto two = open("two");
  ASSERT_THAT(one.status(), IsOk());
  ASSERT_THAT(two.status(), IsOk());
  std::vector<RowWrite> writes = {{.row = RowOf("a", 1, 1), .version = 1}};
  ASSERT_THAT((*one)->core().Write(absl::MakeSpan(writes), {}).status(), IsOk());
  EXPECT_NE(*(*one)->Get("a"), std::nullopt);
  EXPECT_EQ(*(*two)->Get("a"), std::nullopt);
}

std::string Hex(std::string_view bytes) { return absl::BytesToHexString(std::string(bytes)); }

// FORMAT.md, byte by byte.
TEST(RocksdbViewTest, GoldenRecords) {
  EXPECT_EQ(Hex(internal::EncodeViewMeta({.generation = 2, .building = 3, .revision = "r|"})),
            "01"
            "0000000000000002"
            "0000000000000003"
            "727c");
  EXPECT_EQ(Hex(internal::ViewPositionKey(2, 7)),
            "70"
            "0000000000000002"
            "00000007");
  EXPECT_EQ(Hex(internal::EncodeViewPosition(258)), "0000000000000102");
  EXPECT_EQ(Hex(internal::ViewRowPrefix(2) + "a"),
            "72"
            "0000000000000002"
            "61");
  RowWrite write{
      .row = {.key = "a", .values = {{}, int64_t{-1}, 0.5, "x"}}, .version = 1, .offset = 9};
  EXPECT_EQ(Hex(internal::EncodeStoredRow(write)),
            "0000000000000001"
            "0000000000000009"
            "00"
            "00"
            "01"
            "ffffffffffffffff"
            "02"
            "3fe0000000000000"
            "03"
            "00000001"
            "78");
  write.row = Row::Delete("a");
  EXPECT_EQ(Hex(internal::EncodeStoredRow(write)),
            "0000000000000001"
            "0000000000000009"
            "01");
}

TEST(RocksdbViewTest, NoPrefixOfARecordIsARecord) {
  const std::string row = internal::EncodeStoredRow(
      {.row = {.key = "a", .values = {int64_t{1}, "text"}}, .version = 1, .offset = 9});
  internal::StoredRow decoded;
  ASSERT_TRUE(internal::DecodeStoredRow(row, true, decoded));
  EXPECT_EQ(decoded.values.size(), 2u);
  for (const size_t size : {size_t{0}, size_t{16}, size_t{18}, size_t{20}, row.size() - 1}) {
    EXPECT_FALSE(internal::DecodeStoredRow(std::string_view(row).substr(0, size), true, decoded))
        << size;
  }
  EXPECT_FALSE(internal::DecodeViewMeta("\x02 of a later version"));
}

TEST(RocksdbViewTest, RefusesWhatIsInUseOrNoView) {
  TempDirectory directory;
  const RocksdbViewOptions options{.directory = directory / "view",
                                   .view = {.name = "stock", .columns = kColumns}};
  const auto view = OpenRocksdbView(options);
  ASSERT_THAT(view.status(), IsOk());
  EXPECT_EQ(OpenRocksdbView(options).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace eventhub::processor
