#include "server/filter/functions.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <limits>

#include "absl/strings/match.h"
#include "server/filter/casts.h"
#include "server/filter/text.h"

namespace eventhub::filter {
namespace {

constexpr size_t kMaxFixed = 3;
constexpr size_t kAnyNumber = SIZE_MAX;

// A function's arguments, the first of which are cast to its parameter types.
struct Call {
  struct Argument {
    absl::string_view text;
    int32_t integer = 0;
  };
  std::array<Argument, kMaxFixed> fixed;
  // All of them, uncast.
  const Value* arguments;
  size_t count;
  Scratch& scratch;
  Failure* failure;
};

// Fails, with the value that the function returns in that case.
bool Fail(const Call& call, CesqlErrorKind kind, const char* problem, Value subject, Value result) {
  *call.failure = {kind, problem, subject, result};
  return false;
}

bool StringsTooLong(const Call& call) {
  return Fail(call, CesqlErrorKind::kGeneric, "its strings would exceed 16 MiB", Value(), Value());
}

bool CannotCast(const Call& call, const char* problem, const Value& subject) {
  return Fail(call, CesqlErrorKind::kCast, problem, subject, Value());
}

constexpr char kNoInteger[] = "cannot be cast to an integer";
constexpr char kNoBoolean[] = "cannot be cast to a boolean";

bool Int(Call& call, Value* result) {
  int32_t integer;
  if (!ToInteger(call.arguments[0], &integer)) {
    return CannotCast(call, kNoInteger, call.arguments[0]);
  }
  *result = Value::Integer(integer);
  return true;
}

bool Bool(Call& call, Value* result) {
  bool boolean;
  if (!ToBoolean(call.arguments[0], &boolean)) {
    return CannotCast(call, kNoBoolean, call.arguments[0]);
  }
  *result = Value::Boolean(boolean);
  return true;
}

bool String(Call& call, Value* result) {
  *result = Value::String(call.fixed[0].text);
  return true;
}

bool IsInt(Call& call, Value* result) {
  int32_t integer;
  *result = Value::Boolean(ToInteger(call.arguments[0], &integer));
  return true;
}

bool IsBool(Call& call, Value* result) {
  bool boolean;
  *result = Value::Boolean(ToBoolean(call.arguments[0], &boolean));
  return true;
}

bool Abs(Call& call, Value* result) {
  constexpr std::numeric_limits<int32_t> kLimits;
  const int32_t x = call.fixed[0].integer;
  if (x == kLimits.min()) {
    return Fail(call, CesqlErrorKind::kMath, "ABS is beyond 32 bits", Value::Integer(x),
                Value::Integer(kLimits.max()));
  }
  *result = Value::Integer(std::abs(x));
  return true;
}

bool Length(Call& call, Value* result) {
  *result = Value::Integer(static_cast<int32_t>(CountChars(call.fixed[0].text)));
  return true;
}

// Joins the arguments from `first` on with `delimiter`.
bool Join(Call& call, absl::string_view delimiter, size_t first, Value* result) {
  size_t size = 0;
  absl::string_view text;
  for (size_t i = first; i < call.count; ++i) {
    if (!ToText(call.arguments[i], call.scratch, &text)) return StringsTooLong(call);
    size += text.size() + (i > first ? delimiter.size() : 0);
  }
  char* const begin = call.scratch.Allocate(size);
  if (begin == nullptr) return StringsTooLong(call);
  char* end = begin;
  for (size_t i = first; i < call.count; ++i) {
    if (i > first) end = std::copy(delimiter.begin(), delimiter.end(), end);
    if (!ToText(call.arguments[i], call.scratch, &text)) return StringsTooLong(call);
    end = std::copy(text.begin(), text.end(), end);
  }
  *result = Value::String(absl::string_view(begin, size));
  return true;
}

bool Concat(Call& call, Value* result) { return Join(call, "", 0, result); }

bool ConcatWs(Call& call, Value* result) { return Join(call, call.fixed[0].text, 1, result); }

bool LowerCase(Call& call, Value* result) {
  absl::string_view text;
  if (!Lower(call.fixed[0].text, call.scratch, &text)) return StringsTooLong(call);
  *result = Value::String(text);
  return true;
}

bool UpperCase(Call& call, Value* result) {
  absl::string_view text;
  if (!Upper(call.fixed[0].text, call.scratch, &text)) return StringsTooLong(call);
  *result = Value::String(text);
  return true;
}

bool TrimSpace(Call& call, Value* result) {
  *result = Value::String(Trim(call.fixed[0].text));
  return true;
}

bool Left(Call& call, Value* result) {
  const absl::string_view x = call.fixed[0].text;
  const int32_t y = call.fixed[1].integer;
  if (y < 0) {
    return Fail(call, CesqlErrorKind::kFunctionEvaluation, "LEFT does not accept a negative length",
                Value::Integer(y), Value::String(x));
  }
  *result = Value::String(x.substr(0, CharOffset(x, static_cast<size_t>(y))));
  return true;
}

bool Right(Call& call, Value* result) {
  const absl::string_view x = call.fixed[0].text;
  const int32_t y = call.fixed[1].integer;
  if (y < 0) {
    return Fail(call, CesqlErrorKind::kFunctionEvaluation,
                "RIGHT does not accept a negative length", Value::Integer(y), Value::String(x));
  }
  const size_t chars = CountChars(x);
  const size_t skipped = chars - std::min(chars, static_cast<size_t>(y));
  *result = Value::String(x.substr(CharOffset(x, skipped)));
  return true;
}

// The suffix of x from a position that counts from 1, or backwards from -1 at the end.
bool From(Call& call, absl::string_view* part) {
  const absl::string_view x = call.fixed[0].text;
  const int64_t position = call.fixed[1].integer;
  const auto chars = static_cast<int64_t>(CountChars(x));
  if (position > chars || position < -chars) {
    return Fail(call, CesqlErrorKind::kFunctionEvaluation,
                "SUBSTRING starts beyond the end of the text", call.arguments[1],
                Value::String(""));
  }
  const int64_t begin = position > 0 ? position - 1 : chars + position;
  *part = position == 0 ? absl::string_view() : x.substr(CharOffset(x, static_cast<size_t>(begin)));
  return true;
}

bool Substring(Call& call, Value* result) {
  absl::string_view part;
  if (!From(call, &part)) return false;
  *result = Value::String(part);
  return true;
}

bool SubstringOfLength(Call& call, Value* result) {
  absl::string_view part;
  if (!From(call, &part)) return false;
  const int32_t length = call.fixed[2].integer;
  if (length < 0) {
    return Fail(call, CesqlErrorKind::kFunctionEvaluation,
                "SUBSTRING does not accept a negative length", Value::Integer(length),
                Value::String(""));
  }
  *result = Value::String(part.substr(0, CharOffset(part, static_cast<size_t>(length))));
  return true;
}

struct Function {
  absl::string_view name;
  // The types of the first parameters: S string, I integer, A any.
  absl::string_view parameters;
  bool variadic;  // Accepts any number of further strings.
  ValueType returns;
  bool (*call)(Call&, Value*);
};

constexpr Function kFunctions[] = {
    {"ABS", "I", false, ValueType::kInteger, Abs},
    {"BOOL", "A", false, ValueType::kBoolean, Bool},
    {"CONCAT", "", true, ValueType::kString, Concat},
    {"CONCAT_WS", "S", true, ValueType::kString, ConcatWs},
    {"INT", "A", false, ValueType::kInteger, Int},
    {"IS_BOOL", "A", false, ValueType::kBoolean, IsBool},
    {"IS_INT", "A", false, ValueType::kBoolean, IsInt},
    {"LEFT", "SI", false, ValueType::kString, Left},
    {"LENGTH", "S", false, ValueType::kInteger, Length},
    {"LOWER", "S", false, ValueType::kString, LowerCase},
    {"RIGHT", "SI", false, ValueType::kString, Right},
    {"STRING", "S", false, ValueType::kString, String},
    {"SUBSTRING", "SI", false, ValueType::kString, Substring},
    {"SUBSTRING", "SII", false, ValueType::kString, SubstringOfLength},
    {"TRIM", "S", false, ValueType::kString, TrimSpace},
    {"UPPER", "S", false, ValueType::kString, UpperCase},
};

}  // namespace

FunctionId FindFunction(absl::string_view name, size_t arguments) {
  for (FunctionId id = 0; id < std::size(kFunctions); ++id) {
    const Function& function = kFunctions[id];
    const size_t least = function.parameters.size();
    const size_t most = function.variadic ? kAnyNumber : least;
    if (arguments >= least && arguments <= most && absl::EqualsIgnoreCase(function.name, name)) {
      return id;
    }
  }
  return kNoFunction;
}

bool IsFunctionName(absl::string_view name) {
  return std::any_of(std::begin(kFunctions), std::end(kFunctions), [name](const Function& each) {
    return absl::EqualsIgnoreCase(each.name, name);
  });
}

ValueType ReturnTypeOf(FunctionId function) { return kFunctions[function].returns; }

bool CallFunction(FunctionId id, const Value* arguments, size_t count, Scratch& scratch,
                  Value* result, Failure* failure) {
  const Function& function = kFunctions[id];
  Call call{{}, arguments, count, scratch, failure};
  for (size_t i = 0; i < function.parameters.size(); ++i) {
    switch (function.parameters[i]) {
      case 'S':
        if (!ToText(arguments[i], scratch, &call.fixed[i].text)) return StringsTooLong(call);
        break;
      case 'I':
        if (!ToInteger(arguments[i], &call.fixed[i].integer)) {
          return CannotCast(call, kNoInteger, arguments[i]);
        }
        break;
      default:  // Any type: the function does the cast.
        break;
    }
  }
  return function.call(call, result);
}

}  // namespace eventhub::filter
