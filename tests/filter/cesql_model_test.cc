// Compares random compiled expressions with a model that walks the original tree.
#include "tests/filter/cesql_model.h"

#include <string>

#include "eventhub/v1/event.pb.h"
#include "server/filter/cesql.h"
#include "server/filter/filter.h"
#include "tests/server/seeded.h"

namespace eventhub {
namespace {

class CesqlModel : public SeededTest {
 protected:
  ModelAttributes RandomAttributes() {
    ModelAttributes attributes;
    for (const char* name : {"a0", "a1", "a2", "a3"}) {
      if (!OneIn(5)) attributes[name] = RandomValue(random_);
    }
    return attributes;
  }

  static std::string Encode(const ModelAttributes& attributes) {
    v1::Event event;
    event.set_id("i");
    event.set_source("s");
    event.set_type("t");
    for (const auto& [name, value] : attributes) {
      v1::AttributeValue& attribute = (*event.mutable_attributes())[name];
      if (const auto* boolean = std::get_if<bool>(&value)) attribute.set_boolean(*boolean);
      if (const auto* integer = std::get_if<int32_t>(&value)) attribute.set_integer(*integer);
      if (const auto* text = std::get_if<std::string>(&value)) attribute.set_string(*text);
    }
    return event.SerializeAsString();
  }
};

TEST_F(CesqlModel, RandomExpressionsMatchModel) {
  int failed = 0, passed = 0;
  for (int i = Steps(20'000); i > 0; --i) {
    const ModelExpression expression = RandomExpression(random_, 4);
    const std::string text = expression.Text(random_);
    const ModelAttributes attributes = RandomAttributes();
    const std::string event = Encode(attributes);
    const ModelResult wanted = expression.Evaluate(attributes);
    const CesqlResult result = EvaluateCesql(text, EventView(event));
    ASSERT_EQ(result.error ? result.error->kind : CesqlErrorKind::kNone, wanted.error)
        << text << "\n"
        << (result.error ? result.error->message : "");
    ASSERT_EQ(result.value, wanted.value) << text;

    v1::Filter filter;
    filter.set_sql(text);
    const absl::StatusOr<CompiledFilter> compiled = CompileFilter(filter);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    const bool passes = wanted.error == CesqlErrorKind::kNone && wanted.value == ModelValue(true);
    ASSERT_EQ(compiled->Matches(event), passes) << text;
    failed += wanted.error != CesqlErrorKind::kNone;
    passed += passes;
  }
  // The expressions must cover failures and matches.
  EXPECT_GT(failed, 0);
  EXPECT_GT(passed, 0);
}

}  // namespace
}  // namespace eventhub
