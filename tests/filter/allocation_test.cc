// Tests that filters do not allocate when they run.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/filter/filter.h"
#include "tests/filter/allocations.h"
#include "tests/filter/cesql_cases.h"

namespace eventhub {
namespace {

int AllocationsOf(const v1::Filter& filter) {
  const std::string event = SampleEvent().SerializeAsString();
  const absl::StatusOr<CompiledFilter> compiled = CompileFilter(filter);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  compiled->Matches(event);  // Libraries allocate once, e.g. for the time zone UTC.
  const int before = Allocations();
  for (int i = 0; i < 10; ++i) compiled->Matches(event);
  return Allocations() - before;
}

TEST(Allocation, ExpressionsDoNotAllocate) {
  for (const char* const sql :
       {"type = 'shop.order.placed'", "hop < ttl AND flag = true AND id != 'x'",
        "type LIKE 'shop.%.placed' OR word LIKE '%ü_e'",
        "type IN ('a', 'b', 'c', 'shop.order.placed', 'e')", "hop IN (1, '2', ttl, 5)",
        "EXISTS missing OR NOT EXISTS subject", "missing = 1", "hop / 0 = 1",
        "time LIKE '2026-01-%'", "STRING(hop) = '5' AND hop LIKE '5'",
        "UPPER(LEFT(type, 4)) = 'SHOP' AND LENGTH(CONCAT_WS('/', id, subject, 1)) > 5",
        "TRIM(subject) = SUBSTRING(subject, 1, 100)"}) {
    v1::Filter filter;
    filter.set_sql(sql);
    EXPECT_EQ(AllocationsOf(filter), 0) << sql;
  }
}

TEST(Allocation, DialectsDoNotAllocate) {
  v1::Filter filter;
  auto& all = *filter.mutable_all();
  (*all.add_filters()->mutable_exact()->mutable_values())["type"] = "shop.order.placed";
  (*all.add_filters()->mutable_prefix()->mutable_values())["when"] = "2026";
  (*all.add_filters()->mutable_suffix()->mutable_values())["hop"] = "5";
  all.add_filters()->mutable_negation()->set_sql("EXISTS missing");
  EXPECT_EQ(AllocationsOf(filter), 0);
}

// Tests the counter: this filter allocates.
TEST(Allocation, CounterSeesAllocations) {
  v1::Filter filter;
  filter.set_sql("LENGTH(CONCAT(word, '" + std::string(1000, 'x') + "')) > 0");
  EXPECT_GT(AllocationsOf(filter), 0);
}

}  // namespace
}  // namespace eventhub
