// Views in RocksDB, inside of the process.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "eventhub/processor/view.h"

namespace eventhub::processor {

struct RocksdbViewOptions {
  // Belongs to the view alone; created if it does not exist.
  std::string directory{};
  ViewOptions view{};
};

// Opens a view in files of its own, for any number of rows. Writes are not synced: after a power
// failure, or the loss of the whole directory, the view is brought up to date from the topic.
// client/processor/FORMAT.md describes the directory.
//
// FAILED_PRECONDITION if another process has opened the directory, or if it contains something
// else; DATA_LOSS if the view is damaged (delete the directory to rebuild it); INVALID_ARGUMENT,
// naming the option, if one is out of range.
//
// Link eventhub::processor_rocksdb.
//
//     ASSIGN_OR_RETURN(auto stock, OpenRocksdbView({
//         .directory = "/var/lib/shop/stock",
//         .view = {.name = "stock", .columns = {{"quantity", ColumnType::kInteger}}}}));
absl::StatusOr<std::shared_ptr<View>> OpenRocksdbView(const RocksdbViewOptions& options);

}  // namespace eventhub::processor
