#include "server/core/subscription/dead_letter/letter_filter.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/base/timestamps.h"
#include "server/core/event/event_slice.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// Whether `any` is empty, or has the value.
template <typename Values>
bool Among(const Values& any, const std::string& value) {
  return any.empty() || absl::c_linear_search(any, value);
}

bool IsOpen(int state) {
  return state == v1::DeadLetter::STATE_OPEN || state == v1::DeadLetter::STATE_FAILED_AGAIN;
}

bool IsFaultId(const std::string& id) {
  return id.size() == 2 * kFaultIdBytes &&
         absl::c_all_of(id, [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

}  // namespace

absl::StatusOr<LetterFilter> LetterFilter::Create(const v1::DeadLetterSelector& selector,
                                                  bool may_be_closed) {
  v1::DeadLetterSelector wanted = selector;
  for (std::string& id : *wanted.mutable_fault_ids()) {
    if (!IsFaultId(id)) {
      return InvalidField("selector.fault_ids",
                          absl::StrCat("'", id, "' is not of 32 hexadecimal digits"));
    }
    absl::AsciiStrToLower(&id);
  }
  for (const int state : selector.states()) {
    if (state <= 0 || state > v1::DeadLetter::STATE_DISCARDED) {
      return InvalidField("selector.states", absl::StrCat("has the unknown value ", state));
    }
    if (!may_be_closed && !IsOpen(state)) {
      return InvalidField("selector.states", "may only have OPEN and FAILED_AGAIN");
    }
  }
  std::optional<CompiledFilter> filter;
  if (selector.has_filter()) {
    absl::StatusOr<CompiledFilter> compiled = CompileFilter(selector.filter(), "selector.filter");
    if (!compiled.ok()) return InvalidFilter(compiled.status());
    filter = *std::move(compiled);
  }
  return LetterFilter(std::move(wanted), std::move(filter));
}

bool LetterFilter::takes_open() const {
  return selector_.states().empty() || absl::c_any_of(selector_.states(), IsOpen);
}

bool LetterFilter::takes_closed() const {
  return absl::c_any_of(selector_.states(), [](int state) { return !IsOpen(state); });
}

bool LetterFilter::TakesState(v1::DeadLetter::State state) const {
  return selector_.states().empty() ? IsOpen(state)
                                    : absl::c_linear_search(selector_.states(), int{state});
}

bool LetterFilter::TakesRecord(const DeadLetterPlace& place,
                               const stored::DeadLetter& record) const {
  const absl::Time time = absl::FromUnixMicros(record.time_micros());
  if (selector_.has_start_time() && time < ToTime(selector_.start_time())) return false;
  if (selector_.has_end_time() && time >= ToTime(selector_.end_time())) return false;
  if (!absl::StrContains(record.reason(), selector_.reason_contains())) return false;
  const v1::FaultDetail& detail = record.detail();
  if (!Among(selector_.processors(), detail.processor()) ||
      !Among(selector_.pipelines(), detail.pipeline()) ||
      !Among(selector_.steps(), detail.step()) || !Among(selector_.errors(), detail.error()) ||
      !Among(selector_.groups(), detail.group())) {
    return false;
  }
  if (!selector_.fault_ids().empty() &&
      !Among(selector_.fault_ids(), absl::BytesToHexString(record.fault_id()))) {
    return false;
  }
  return selector_.ranges().empty() ||
         absl::c_any_of(selector_.ranges(), [&](const v1::DeadLetterRange& range) {
           const int64_t offset = place.offset.value();
           return range.partition() == place.partition.value() && range.range().start() <= offset &&
                  offset < range.range().end();
         });
}

bool LetterFilter::TakesType(const std::string& type) const {
  return Among(selector_.types(), type);
}

bool LetterFilter::TakesLetter(const LoggedEvent& letter) const {
  EventWalker walker(letter.bytes);
  SlicedEvent event;
  return walker.Next(&event) && filter_->Matches(event.message);
}

}  // namespace eventhub
