// Matchers for absl::Status and absl::StatusOr, which the packaged Abseil lacks.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"

namespace eventhub {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}

// EXPECT_THAT(store.Sync(), IsOk());
MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss));
MATCHER_P(StatusIs, code, std::string("has code ") + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

// Also requires `part` in the message, for the object that an error must name.
MATCHER_P2(StatusIs, code, part,
           std::string("has code ") + absl::StatusCodeToString(code) + " and says \"" + part +
               "\"") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         StatusOf(arg).message().find(part) != absl::string_view::npos;
}

}  // namespace eventhub

// Assigns the value of `expr` to `lhs`, or ends the test if it is not OK. For functions that return
// void.
#define ASSERT_OK_AND_ASSIGN(lhs, expr) \
  ASSERT_OK_AND_ASSIGN_IMPL(EVENTHUB_TEST_CONCAT(test_statusor_, __LINE__), lhs, expr)
#define ASSERT_OK_AND_ASSIGN_IMPL(statusor, lhs, expr) \
  auto statusor = (expr);                              \
  ASSERT_THAT(statusor, ::eventhub::IsOk());           \
  lhs = *std::move(statusor)
#define EVENTHUB_TEST_CONCAT(a, b) EVENTHUB_TEST_CONCAT_INNER(a, b)
#define EVENTHUB_TEST_CONCAT_INNER(a, b) a##b
