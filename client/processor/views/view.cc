#include "eventhub/processor/view.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/processor/views/view_core.h"
#include "eventhub/processor/view_store.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor {
namespace {

constexpr char kErrorOfProgram[] = "eventhub.processor/ErrorOfProgram";

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= 50 &&
         absl::ascii_islower(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || c == '_';
         });
}

}  // namespace

absl::Status ErrorOfProgram(absl::Status error) {
  if (!error.ok()) error.SetPayload(kErrorOfProgram, absl::Cord());
  return error;
}

bool IsErrorOfProgram(const absl::Status& error) {
  return error.GetPayload(kErrorOfProgram).has_value();
}

void ViewStore::SetTimeout(absl::Duration) {}

View::View(std::unique_ptr<internal::ViewCore> core) : core_(std::move(core)) {}

View::~View() = default;

absl::StatusOr<std::optional<std::vector<Value>>> View::Get(std::string_view key) const {
  return core_->store().Get(key);
}

absl::Status View::ForEach(
    absl::FunctionRef<bool(std::string_view key, const std::vector<Value>& row)> visit) const {
  return core_->store().ForEach(visit);
}

absl::Status View::Rebuild() { return core_->Rebuild(); }

absl::StatusOr<ViewStatus> View::status() const { return core_->Status(); }

const ViewOptions& View::options() const { return core_->options(); }

absl::Status CheckViewOptions(const ViewOptions& options) {
  if (!IsName(options.name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name of view '", options.name,
                     "' must be 1 to 50 of a-z 0-9 _, beginning with a letter"));
  }
  const std::string view = absl::StrCat("view ", options.name, ": ");
  if (options.columns.empty() || options.columns.size() > 100) {
    return absl::InvalidArgumentError(absl::StrCat(view, "columns must be 1 to 100"));
  }
  std::set<std::string> names = {"key"};
  for (const Column& column : options.columns) {
    if (!IsName(column.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat(view, "the name of column '", column.name,
                       "' must be 1 to 50 of a-z 0-9 _, beginning with a letter"));
    }
    if (!names.insert(column.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(view, "there is more than one column ", column.name));
    }
  }
  if (options.revision.size() > 100) {
    return absl::InvalidArgumentError(absl::StrCat(view, "revision must be at most 100 bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<View>> OpenView(const ViewOptions& options,
                                               std::unique_ptr<ViewStore> store) {
  RETURN_IF_ERROR(CheckViewOptions(options));
  auto core = std::make_unique<internal::ViewCore>(options, std::move(store));
  RETURN_IF_ERROR(core->Open());
  return std::make_shared<View>(std::move(core));
}

}  // namespace eventhub::processor
