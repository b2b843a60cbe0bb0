// Early return of an absl::Status; the packaged Abseil has no such macros.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define EVENTHUB_CONCAT_INNER(a, b) a##b
#define EVENTHUB_CONCAT(a, b) EVENTHUB_CONCAT_INNER(a, b)

// Returns the status of `expr` from the calling function unless it is OK.
#define RETURN_IF_ERROR(expr)                                             \
  do {                                                                    \
    if (absl::Status eventhub_status_ = (expr); !eventhub_status_.ok()) { \
      return eventhub_status_;                                            \
    }                                                                     \
  } while (false)

// Assigns the value of the StatusOr `expr` to `lhs`, or returns its status from the calling
// function.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL(EVENTHUB_CONCAT(eventhub_statusor_, __LINE__), lhs, expr)
// NOLINTBEGIN(bugprone-macro-parentheses): `lhs` may be a declaration.
#define ASSIGN_OR_RETURN_IMPL(statusor, lhs, expr)         \
  auto statusor = (expr);                                  \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = *std::move(statusor)
// NOLINTEND(bugprone-macro-parentheses)
