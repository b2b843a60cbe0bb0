// Reports the administrative changes that were made, and who made them.
#pragma once

#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/field_mask.pb.h"
#include "server/core/base/caller.h"

namespace eventhub {

// The facades report each change here when it is durable, just before its caller learns of it,
// however it was requested: by its own call, or as a part of a topology. Refused and dry runs are
// not reported.
//
// Thread-safe.
class AdminLog {
 public:
  // `what` is a clause such as "deleted topic orders". Called on any thread, also on the commit
  // thread, so it must not block; at times on several at once.
  using Report = absl::AnyInvocable<void(const Caller& caller, absl::string_view what) const>;

  explicit AdminLog(Report report) : report_(std::move(report)) {}

  void Note(const Caller& caller, absl::string_view what) const { report_(caller, what); }

  // Returns a callback that reports the change if the outcome is OK, and passes the outcome to
  // `done`. It must not outlive this object.
  template <typename Outcome>
  absl::AnyInvocable<void(Outcome) &&> Noting(const Caller& caller, std::string what,
                                              absl::AnyInvocable<void(Outcome) &&> done) const {
    return [this, caller, what = std::move(what), done = std::move(done)](Outcome outcome) mutable {
      if (StatusOf(outcome).ok()) Note(caller, what);
      std::move(done)(std::move(outcome));
    };
  }

  // Likewise, for a change that is made in several commits: if it ends with an error, the report
  // includes that, since a part of the change may have been made.
  template <typename Outcome>
  absl::AnyInvocable<void(Outcome) &&> NotingParts(
      const Caller& caller, std::string what, absl::AnyInvocable<void(Outcome) &&> done) const {
    return [this, caller, what = std::move(what), done = std::move(done)](Outcome outcome) mutable {
      const absl::Status status = StatusOf(outcome);
      Note(caller, status.ok()
                       ? what
                       : absl::StrCat(what, " in part at most, because: ", status.message()));
      std::move(done)(std::move(outcome));
    };
  }

 private:
  static absl::Status StatusOf(const absl::Status& status) { return status; }
  template <typename T>
  static absl::Status StatusOf(const absl::StatusOr<T>& outcome) {
    return outcome.status();
  }

  const Report report_;
};

// Describes an update of the fields of a mask, e.g. "updated topic orders: retention, partitions".
std::string UpdateNote(absl::string_view kind, absl::string_view name,
                       const google::protobuf::FieldMask& mask);

}  // namespace eventhub
