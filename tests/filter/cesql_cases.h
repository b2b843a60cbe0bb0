// Tables of CESQL expressions and their results.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "eventhub/v1/event.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/filter/cesql.h"

namespace eventhub {

// An event with one attribute of each kind.
inline v1::Event SampleEvent() {
  v1::Event event;
  event.set_id("id-1");
  event.set_source("/shop/orders");
  event.set_type("shop.order.placed");
  event.set_subject("order-81");
  event.mutable_time()->set_seconds(1'767'225'600);
  event.set_partition_key("key-7");
  event.set_data_content_type("application/json");
  event.set_data("type");
  auto& attributes = *event.mutable_attributes();
  attributes["flag"].set_boolean(true);
  attributes["hop"].set_integer(5);
  attributes["ttl"].set_string("10");
  attributes["word"].set_string("Grüße");
  attributes["raw"].set_binary(std::string("\x00\xff\x10", 3));
  attributes["link"].set_uri("https://example.com/a");
  attributes["when"].mutable_timestamp()->set_seconds(1'767'225'600);
  attributes["when"].mutable_timestamp()->set_nanos(120'000'000);
  attributes["unset"];
  return event;
}

struct CesqlCase {
  std::string expression;
  std::variant<bool, int32_t, std::string> value;
  CesqlErrorKind error = CesqlErrorKind::kNone;
};

inline void PrintTo(const CesqlCase& each, std::ostream* out) { *out << each.expression; }

// Needed because a variant converts a string literal to bool rather than to std::string.
inline CesqlCase Text(std::string expression, std::string value,
                      CesqlErrorKind error = CesqlErrorKind::kNone) {
  return {std::move(expression), std::move(value), error};
}

inline void Check(const std::vector<CesqlCase>& cases) {
  const std::string event = SampleEvent().SerializeAsString();
  for (const CesqlCase& each : cases) {
    const CesqlResult result = EvaluateCesql(each.expression, EventView(event));
    const std::string message = result.error ? result.error->message : "";
    EXPECT_EQ(result.value, each.value) << each.expression << ": " << message;
    EXPECT_EQ(result.error ? result.error->kind : CesqlErrorKind::kNone, each.error)
        << each.expression << ": " << message;
  }
}

}  // namespace eventhub
