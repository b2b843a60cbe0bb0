#include "server/filter/filter.h"

#include <map>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "server/filter/event_view.h"
#include "server/filter/expression_compiler.h"
#include "server/filter/machine.h"
#include "server/filter/program_builder.h"
#include "server/filter/scratch.h"
#include "server/filter/type_set.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

using filter::Op;
using filter::TypeSet;
using filter::Value;

// Up to this many attributes need no allocation.
constexpr size_t kInlineAttributes = 16;

absl::Status Refusal(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

// Each method appends instructions that push a boolean.
class FilterCompiler {
 public:
  absl::Status Compile(const v1::Filter& filter, const std::string& field, int depth,
                       TypeSet* types);

  size_t attributes() { return builder_.program().attributes.size(); }
  std::shared_ptr<const filter::Program> Finish() { return builder_.Finish(); }

 private:
  absl::Status Attributes(Op op, const v1::Filter::Attributes& attributes, const std::string& field,
                          TypeSet* types);
  absl::Status Nested(Op op, const v1::Filter::Filters& filters, const std::string& field,
                      int depth, TypeSet* types);
  absl::Status Sql(const std::string& expression, const std::string& field, TypeSet* types);
  absl::Status CountPart(const std::string& field);

  filter::ProgramBuilder builder_;
  int parts_ = 0;
};

absl::Status FilterCompiler::CountPart(const std::string& field) {
  if (++parts_ <= kMaxFilterParts) return absl::OkStatus();
  return Refusal(field, absl::StrCat("the filter has more than ", kMaxFilterParts, " parts"));
}

absl::Status FilterCompiler::Compile(const v1::Filter& filter, const std::string& field, int depth,
                                     TypeSet* types) {
  RETURN_IF_ERROR(CountPart(field));
  if (depth > kMaxFilterDepth) {
    return Refusal(field, absl::StrCat("is nested deeper than ", kMaxFilterDepth));
  }
  switch (filter.dialect_case()) {
    case v1::Filter::kExact:
      return Attributes(Op::kExact, filter.exact(), field + ".exact", types);
    case v1::Filter::kPrefix:
      return Attributes(Op::kPrefix, filter.prefix(), field + ".prefix", types);
    case v1::Filter::kSuffix:
      return Attributes(Op::kSuffix, filter.suffix(), field + ".suffix", types);
    case v1::Filter::kAll:
      return Nested(Op::kAnd, filter.all(), field + ".all", depth, types);
    case v1::Filter::kAny:
      return Nested(Op::kOr, filter.any(), field + ".any", depth, types);
    case v1::Filter::kNegation:
      RETURN_IF_ERROR(Compile(filter.negation(), field + ".negation", depth + 1, types));
      builder_.Emit(Op::kNot);
      types->reset();
      return absl::OkStatus();
    case v1::Filter::kSql:
      return Sql(filter.sql(), field + ".sql", types);
    case v1::Filter::DIALECT_NOT_SET:
      break;
  }
  return Refusal(field, "names no dialect: exact, prefix, suffix, all, any, negation or sql");
}

absl::Status FilterCompiler::Attributes(Op op, const v1::Filter::Attributes& attributes,
                                        const std::string& field, TypeSet* types) {
  if (attributes.values().empty()) return Refusal(field, "names no attribute");
  // In an order that is independent of the map's.
  const std::map<std::string, std::string> sorted(attributes.values().begin(),
                                                  attributes.values().end());
  std::vector<size_t> jumps;
  for (const auto& [name, value] : sorted) {
    RETURN_IF_ERROR(CountPart(field));
    if (name.empty()) return Refusal(field, "names an attribute without a name");
    const std::string entry = absl::StrCat(field, ".values['", name, "']");
    if (name == "data" || name == "data_base64") return Refusal(entry, "data is not an attribute");
    if (value.empty()) return Refusal(entry, "is empty");
    if (name != sorted.begin()->first) jumps.push_back(builder_.Emit(Op::kAnd));
    builder_.Emit(op, builder_.Attribute(name), builder_.Constant(Value::String(value)));
    if (name == "type" && op == Op::kExact) *types = std::vector<std::string>{value};
  }
  for (const size_t jump : jumps) builder_.JumpToHere(jump);
  return absl::OkStatus();
}

absl::Status FilterCompiler::Nested(Op op, const v1::Filter::Filters& filters,
                                    const std::string& field, int depth, TypeSet* types) {
  if (filters.filters().empty()) return Refusal(field, "has no filters");
  std::vector<size_t> jumps;
  for (int i = 0; i < filters.filters_size(); ++i) {
    if (i > 0) jumps.push_back(builder_.Emit(op));
    TypeSet nested;
    RETURN_IF_ERROR(
        Compile(filters.filters(i), absl::StrCat(field, ".filters[", i, "]"), depth + 1, &nested));
    if (i == 0) {
      *types = std::move(nested);
    } else {
      *types = op == Op::kAnd ? filter::Intersect(*types, nested) : filter::Unite(*types, nested);
    }
  }
  for (const size_t jump : jumps) builder_.JumpToHere(jump);
  return absl::OkStatus();
}

absl::Status FilterCompiler::Sql(const std::string& expression, const std::string& field,
                                 TypeSet* types) {
  const uint32_t depth = builder_.depth();
  const size_t begin = builder_.Emit(Op::kSqlBegin, 0, depth);
  filter::ExpressionInfo info;
  absl::Status status = filter::CompileExpression(expression, builder_, &info);
  status.Update(info.functions);
  if (!status.ok()) return Refusal(field, status.message());
  builder_.Emit(Op::kSqlEnd);
  builder_.JumpToHere(begin);
  *types = std::move(info.types);
  return absl::OkStatus();
}

}  // namespace

CompiledFilter::CompiledFilter(std::shared_ptr<const filter::Program> program,
                               std::optional<std::vector<std::string>> types)
    : program_(std::move(program)), types_(std::move(types)) {}

const std::vector<std::string>& CompiledFilter::Attributes() const {
  return program_->attributes.names();
}

FilterResult CompiledFilter::Run(absl::string_view encoded_event, size_t* work) const {
  absl::InlinedVector<Value, kInlineAttributes> attributes(program_->attributes.size());
  if (!EventView(encoded_event).Read(program_->attributes, attributes.data())) {
    return FilterResult::kDoesNotPass;
  }
  filter::Scratch scratch;
  // Every filter pushes a boolean, and none fails for another reason.
  const bool passes = filter::Run(*program_, attributes.data(), scratch).value.boolean();
  if (work != nullptr) *work = scratch.work();
  if (scratch.overspent()) return FilterResult::kTooCostly;
  return passes ? FilterResult::kPasses : FilterResult::kDoesNotPass;
}

absl::StatusOr<CompiledFilter> CompileFilter(const v1::Filter& filter, absl::string_view field) {
  if (const size_t bytes = filter.ByteSizeLong(); bytes > kMaxFilterBytes) {
    return Refusal(field,
                   absl::StrCat("has ", bytes, " bytes; a filter has at most ", kMaxFilterBytes));
  }
  FilterCompiler compiler;
  TypeSet types;
  RETURN_IF_ERROR(compiler.Compile(filter, std::string(field), 1, &types));
  // Each attribute of each event is compared with every one of them.
  if (compiler.attributes() > kMaxFilterAttributes) {
    return Refusal(
        field, absl::StrCat("examines ", compiler.attributes(),
                            " attributes; a filter may examine at most ", kMaxFilterAttributes));
  }
  return CompiledFilter(compiler.Finish(), std::move(types));
}

}  // namespace eventhub
