// Opens a lake for the commands of `eventhub lake`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/read/partition_cursor.h"
#include "server/lake/store/object_store.h"

namespace eventhub::cli {

// The options that the commands share.
struct LakeFlags {
  std::string lake;
  std::string topic;
  std::optional<absl::Time> from;
  std::optional<absl::Time> to;
  std::string type;
  bool json = false;
};

struct OpenedLake {
  std::unique_ptr<lake::ObjectStore> store;
  lake::Catalog catalog;
};

// A usage error without --lake; NOT_FOUND if no lake is there.
absl::StatusOr<OpenedLake> OpenLake(const LakeFlags& flags);

// The topics that --topic selects, or all. NOT_FOUND if there is no such topic.
absl::StatusOr<std::vector<lake::CatalogEntry>> SelectTopics(const OpenedLake& lake,
                                                             const LakeFlags& flags);

// A usage error of `command` without --topic, as the lake has several.
absl::StatusOr<lake::CatalogEntry> SelectTopic(const OpenedLake& lake, const LakeFlags& flags,
                                               const std::string& command);

lake::ReadRange RangeOf(const LakeFlags& flags);

// An error of a lake as an error of a command: UNAVAILABLE would mean that a hub cannot be reached,
// and nothing of these commands is in doubt.
absl::Status OfLake(const absl::Status& status);

}  // namespace eventhub::cli
