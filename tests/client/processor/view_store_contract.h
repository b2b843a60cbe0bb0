// Tests of the contract of ViewStore. Include it in one file of a program, and instantiate
// ViewStoreTest there.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/processor/views/view_core.h"
#include "eventhub/processor/view_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/env_number.h"
#include "tests/support/status_matchers.h"

namespace eventhub::processor {
namespace {

using internal::PositionsInView;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

const std::vector<Column> kColumns = {{"quantity", ColumnType::kInteger},
                                      {"price", ColumnType::kReal},
                                      {"place", ColumnType::kText},
                                      {"picture", ColumnType::kBlob}};

Row RowOf(const std::string& key, int64_t quantity, int64_t version) {
  return {
      .key = key, .values = {quantity, 0.5, "here", std::string("\0\xff", 2)}, .version = version};
}

// A place for a view, and how to open the view there (again).
struct Place {
  virtual ~Place() = default;
  virtual absl::StatusOr<std::shared_ptr<View>> Open(const ViewOptions& options) = 0;
};

struct StoreKind {
  const char* name;
  std::unique_ptr<Place> (*make)();
};

class ViewStoreTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    place_ = GetParam().make();
    if (place_ == nullptr) GTEST_SKIP() << "this machine has no server of that kind";
    Open();
  }

  void Open() {
    view_.reset();
    auto view = place_->Open(options_);
    ASSERT_THAT(view.status(), IsOk());
    view_ = *std::move(view);
  }

  // "w": written, "s": the view has a newer one, or an error.
  std::string Write(const std::vector<Row>& rows, const ViewPositions& positions = {},
                    int64_t offset = 0) {
    std::vector<RowWrite> writes;
    for (const Row& row : rows) {
      writes.push_back({.row = row, .version = row.version.value_or(0), .offset = offset++});
    }
    const uint64_t generation = Newest();
    const auto written =
        view_->core().Write(absl::MakeSpan(writes), PositionsInView{generation, positions});
    if (!written.ok()) return std::string(written.status().message());
    std::string text;
    for (const RowWrite& write : writes) {
      text += !write.status.ok() ? std::string(write.status.ToString())
                                 : std::string(write.written ? "w" : "s");
    }
    return text;
  }

  uint64_t Newest() {
    const auto point = view_->core().Resume(99, 0, /*redelivered=*/true);
    EXPECT_THAT(point, IsOk());
    return point.ok() ? point->generation : 0;
  }

  int64_t QuantityOf(const std::string& key) {
    const auto row = view_->Get(key);
    EXPECT_THAT(row.status(), IsOk());
    return row.ok() && *row ? std::get<int64_t>((**row)[0]) : -1;
  }

  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_THAT(view_->ForEach([&](std::string_view key, const std::vector<Value>&) {
      keys.emplace_back(key);
      return true;
    }),
                IsOk());
    return keys;
  }

  int64_t Resume(uint32_t partition, int64_t offset, bool redelivered = false) {
    const auto point = view_->core().Resume(partition, offset, redelivered);
    EXPECT_THAT(point.status(), IsOk());
    return point.ok() ? point->offset : -1;
  }

  std::unique_ptr<Place> place_;
  ViewOptions options_{.name = "stock", .columns = kColumns};
  std::shared_ptr<View> view_;
};

TEST_P(ViewStoreTest, KeepsValuesOfEachType) {
  EXPECT_EQ(Write({RowOf("a", 7, 1)}), "w");
  EXPECT_THAT(*view_->Get("a"), Optional(ElementsAre(Value(int64_t{7}), Value(0.5), Value("here"),
                                                     Value(std::string("\0\xff", 2)))));
  Row nulls{.key = "n", .values = {{}, {}, {}, {}}};
  EXPECT_EQ(Write({nulls}), "w");
  EXPECT_THAT(*view_->Get("n"), Optional(ElementsAre(Value(), Value(), Value(), Value())));
  EXPECT_EQ(*view_->Get("b"), std::nullopt);
}

TEST_P(ViewStoreTest, NoOlderRowReplacesANewer) {
  EXPECT_EQ(Write({RowOf("a", 2, 2), RowOf("a", 1, 1), RowOf("b", 1, 1)}), "wsw");
  EXPECT_EQ(QuantityOf("a"), 2);
  EXPECT_EQ(Write({RowOf("a", 9, 1)}), "s");
  EXPECT_EQ(Write({RowOf("a", 3, 3)}), "w");
  EXPECT_EQ(QuantityOf("a"), 3);
  // Among equal versions, the later event wins.
  EXPECT_EQ(Write({RowOf("a", 4, 3)}, {}, 5), "w");
  EXPECT_EQ(Write({RowOf("a", 5, 3)}, {}, 4), "s");
}

TEST_P(ViewStoreTest, ADeletedRowIsNotBroughtBackByAnOlderEvent) {
  EXPECT_EQ(Write({RowOf("a", 1, 1), Row::Delete("a", 3), RowOf("b", 1, 1)}), "www");
  EXPECT_EQ(Write({RowOf("a", 2, 2)}), "s");
  EXPECT_EQ(*view_->Get("a"), std::nullopt);
  EXPECT_THAT(Keys(), ElementsAre("b"));
  EXPECT_EQ(Write({RowOf("a", 4, 4)}), "w");
  EXPECT_THAT(Keys(), ElementsAre("a", "b"));
}

TEST_P(ViewStoreTest, WhatItHasOutlivesIt) {
  EXPECT_EQ(Write({RowOf("a", 1, 1)}, {{0, 10}, {3, 7}}), "w");
  EXPECT_EQ(Write({}, {{0, 12}}), "");
  Open();
  EXPECT_EQ(QuantityOf("a"), 1);
  EXPECT_EQ(Resume(0, 20), 12);
  EXPECT_EQ(Resume(3, 20), 7);
  EXPECT_EQ(Resume(4, 20), 0) << "of a partition that it has not seen, it has nothing";
  EXPECT_EQ(Resume(0, 5, /*redelivered=*/true), 5);
}

TEST_P(ViewStoreTest, WithoutHistoryANewViewBeginsNow) {
  options_.name = "recent";
  options_.history = false;
  place_ = GetParam().make();
  Open();
  EXPECT_EQ(Resume(0, 20), 20);
}

TEST_P(ViewStoreTest, TheSameEventAgainIsAppliedOrIgnored) {
  EXPECT_EQ(Write({RowOf("a", 1, 1)}), "w");
  EXPECT_EQ(Write({RowOf("a", 2, 1)}), "w") << "again, by a rule that was corrected";
  options_.on_rewind = OnRewind::kIgnore;
  Open();
  EXPECT_EQ(Write({RowOf("a", 3, 1)}), "s");
  EXPECT_EQ(QuantityOf("a"), 2);
}

TEST_P(ViewStoreTest, IsRebuiltBesideTheOldOne) {
  options_.on_rewind = OnRewind::kRebuild;
  Open();
  EXPECT_EQ(Write({RowOf("gone", 1, 1), RowOf("a", 1, 1)}, {{0, 10}, {1, 5}}), "ww");
  EXPECT_EQ(Resume(0, 4, /*redelivered=*/true), 4) << "a redelivery moves nothing";
  EXPECT_EQ(Resume(0, 4), 0) << "somebody moved the subscription back";
  EXPECT_EQ(Resume(1, 2), 0);
  EXPECT_EQ(Write({RowOf("a", 2, 1)}, {{0, 10}}), "w");
  EXPECT_EQ(QuantityOf("a"), 1) << "readers see the old view";
  EXPECT_TRUE(view_->status()->building);
  Open();
  EXPECT_EQ(Write({}, {{1, 4}}), "");
  EXPECT_THAT(Keys(), ElementsAre("a", "gone"));
  EXPECT_EQ(Write({RowOf("b", 2, 1)}, {{1, 5}}), "w");
  EXPECT_FALSE(view_->status()->building);
  EXPECT_EQ(view_->status()->generation, 2u);
  EXPECT_THAT(Keys(), ElementsAre("a", "b"));
  EXPECT_EQ(QuantityOf("a"), 2);
  EXPECT_EQ(Resume(0, 20), 10);
}

TEST_P(ViewStoreTest, ARebuildBeginsAnewIfItIsInterruptedByAnother) {
  EXPECT_EQ(Write({RowOf("a", 1, 1)}, {{0, 10}}), "w");
  EXPECT_THAT(view_->Rebuild(), IsOk());
  EXPECT_EQ(Write({RowOf("half", 1, 1)}, {{0, 5}}), "w");
  EXPECT_THAT(view_->Rebuild(), IsOk());
  EXPECT_EQ(Resume(0, 20), 0);
  EXPECT_THAT(Keys(), ElementsAre("a"));
}

TEST_P(ViewStoreTest, AnotherRevisionOrOtherColumnsAreRebuilt) {
  EXPECT_EQ(Write({RowOf("a", 1, 1)}, {{0, 10}}), "w");
  options_.revision = "2";
  options_.columns = {{"total", ColumnType::kInteger}};
  Open();
  EXPECT_TRUE(view_->status()->building);
  EXPECT_EQ(QuantityOf("a"), 1);
  EXPECT_EQ(Resume(0, 10), 0);
  EXPECT_EQ(Write({{.key = "a", .values = {int64_t{5}}, .version = 1}}, {{0, 10}}), "w");
  EXPECT_THAT(*view_->Get("a"), Optional(ElementsAre(Value(int64_t{5}))));
  Open();
  EXPECT_FALSE(view_->status()->building) << "it is of this revision";
}

TEST_P(ViewStoreTest, PositionsOfAnotherGenerationAreNotWritten) {
  EXPECT_EQ(Write({RowOf("a", 1, 1)}, {{0, 10}}), "w");
  EXPECT_THAT(view_->Rebuild(), IsOk());
  std::vector<RowWrite> writes = {{.row = RowOf("b", 1, 1), .version = 1}};
  const auto written = view_->core().Write(absl::MakeSpan(writes), PositionsInView{1, {{0, 11}}});
  ASSERT_THAT(written.status(), IsOk());
  EXPECT_EQ(*written, 2u);
  EXPECT_EQ(Resume(0, 20), 0);
}

TEST_P(ViewStoreTest, ChecksRowsAgainstTheColumns) {
  const auto check = [&](Row row) { return view_->core().Check(row).ToString(); };
  EXPECT_THAT(check({.key = "", .values = {}}), HasSubstr("the key of a row must be"));
  EXPECT_THAT(check({.key = "a", .values = {}}), HasSubstr("has 0 values"));
  Row row = RowOf("a", 1, 1);
  row.values[0] = "one";
  EXPECT_THAT(check(row), HasSubstr("the value of column quantity of row a has another type"));
  row.values[0] = int64_t{1};
  row.values[1] = int64_t{1};
  EXPECT_EQ(check(row), "OK");
  EXPECT_EQ(check(Row::Delete("a")), "OK");
}

TEST_P(ViewStoreTest, NamesTheOptionThatIsOutOfRange) {
  const auto open = [&](ViewOptions options) { return place_->Open(options).status().ToString(); };
  EXPECT_THAT(open({.name = "Stock", .columns = kColumns}), HasSubstr("the name of view 'Stock'"));
  EXPECT_THAT(open({.name = "s"}), HasSubstr("columns must be 1 to 100"));
  EXPECT_THAT(open({.name = "s", .columns = {{"key"}}}), HasSubstr("more than one column key"));
  EXPECT_THAT(open({.name = "s", .columns = {{"a b"}}}), HasSubstr("the name of column 'a b'"));
}

// Random writes, reopenings and rebuilds, against a map.
TEST_P(ViewStoreTest, AgreesWithAModel) {
  struct Known {
    int64_t version;
    int64_t offset;
    int64_t quantity;  // -1: deleted.
  };
  const uint64_t seed = EnvNumber("EVENTHUB_TEST_SEED", 1);
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(static_cast<unsigned>(seed));
  const auto roll = [&](int sides) {
    return static_cast<int>(random() % static_cast<unsigned>(sides));
  };
  std::map<std::string, Known> seen;
  std::map<std::string, Known> building;
  bool is_building = false;
  ASSERT_EQ(Write({}, {{0, 1}}), "");
  for (int round = 0; round < 150; ++round) {
    std::vector<Row> rows;
    const int64_t offset = roll(20);
    std::map<std::string, Known>& model = is_building ? building : seen;
    std::string expected;
    for (int i = roll(6); i >= 0; --i) {
      const std::string key = absl::StrCat("k", roll(8));
      const int64_t version = roll(30);
      const int64_t at = offset + static_cast<int64_t>(rows.size());
      const bool deleted = roll(4) == 0;
      const int64_t quantity = deleted ? -1 : roll(1000);
      rows.push_back(deleted ? Row::Delete(key, version) : RowOf(key, quantity, version));
      const auto known = model.find(key);
      const bool wins =
          known == model.end() ||
          std::pair(version, at) >= std::pair(known->second.version, known->second.offset);
      if (wins) model[key] = {version, at, quantity};
      expected += wins ? "w" : "s";
    }
    ASSERT_EQ(Write(rows, {}, offset), expected);
    if (roll(10) == 0) Open();
    if (roll(15) == 0) {
      ASSERT_THAT(view_->Rebuild(), IsOk());
      building.clear();
      is_building = true;
    } else if (is_building && roll(10) == 0) {
      ASSERT_EQ(Write({}, {{0, 1}}), "");
      seen = std::exchange(building, {});
      is_building = false;
    }
    for (const auto& [key, known] : seen) ASSERT_EQ(QuantityOf(key), known.quantity) << key;
  }
}

}  // namespace
}  // namespace eventhub::processor
