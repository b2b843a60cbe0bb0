#include "client/cli/run/open_lake.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/frame/command.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/store/open_store.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {

absl::StatusOr<OpenedLake> OpenLake(const LakeFlags& flags) {
  if (flags.lake.empty()) {
    return UsageError("lake: say where it is by --lake=DIRECTORY or --lake=s3://BUCKET/PREFIX");
  }
  OpenedLake lake;
  auto store = lake::OpenObjectStore(flags.lake, lake::StoreAccess::kRead);
  if (absl::IsInvalidArgument(store.status())) return UsageError(store.status().message());
  if (!store.ok()) return OfLake(store.status());
  lake.store = *std::move(store);
  const auto owner = lake::ReadOwner(*lake.store);
  if (!owner.ok()) return OfLake(owner.status());
  if (!*owner)
    return absl::NotFoundError(absl::StrCat(flags.lake, " is not a lake: no hub owns it"));
  auto catalog = lake::Catalog::Load(*lake.store);
  if (!catalog.ok()) return OfLake(catalog.status());
  lake.catalog = *std::move(catalog);
  return lake;
}

absl::StatusOr<std::vector<lake::CatalogEntry>> SelectTopics(const OpenedLake& lake,
                                                             const LakeFlags& flags) {
  if (flags.topic.empty()) return lake.catalog.entries();
  const lake::CatalogEntry* const found = lake.catalog.FindName(flags.topic);
  if (found == nullptr) {
    return absl::NotFoundError(absl::StrCat("the lake has no topic '", flags.topic, "'"));
  }
  return std::vector<lake::CatalogEntry>{*found};
}

absl::StatusOr<lake::CatalogEntry> SelectTopic(const OpenedLake& lake, const LakeFlags& flags,
                                               const std::string& command) {
  ASSIGN_OR_RETURN(const std::vector<lake::CatalogEntry> topics, SelectTopics(lake, flags));
  if (topics.size() == 1) return topics.front();
  if (topics.empty()) return absl::NotFoundError("the lake has no topics");
  const auto name = [](std::string* out, const lake::CatalogEntry& entry) {
    out->append(entry.topic.directory.substr(entry.topic.directory.find('=') + 1));
  };
  return UsageError(absl::StrCat("lake ", command,
                                 ": say which by --topic: ", absl::StrJoin(topics, ", ", name)));
}

lake::ReadRange RangeOf(const LakeFlags& flags) {
  lake::ReadRange range;
  if (flags.from) range.from_micros = absl::ToUnixMicros(*flags.from);
  if (flags.to) range.to_micros = absl::ToUnixMicros(*flags.to);
  range.type = flags.type;
  return range;
}

absl::Status OfLake(const absl::Status& status) {
  if (lake::FaultOf(status) == lake::StoreFault::kPermanent || status.ok()) return status;
  return absl::FailedPreconditionError(status.message());
}

}  // namespace eventhub::cli
