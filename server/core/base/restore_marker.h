// The mark of a data directory that is being restored: no hub serves it before that is done.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

// Returns where the directory is being restored from; nullopt if it is not. DATA_LOSS: the record
// is damaged.
absl::StatusOr<std::optional<std::string>> ReadRestoreMarker(const LogStore& store);

void PutRestoreMarker(absl::string_view from, CommitBuilder& commit);
void DeleteRestoreMarker(CommitBuilder& commit);

}  // namespace eventhub
