// Opens a view in each of the stores that are installed, and has a collector of metrics.

#include <iostream>

#include "eventhub/processor/postgres_view.h"
#include "eventhub/processor/prometheus.h"
#include "eventhub/processor/rocksdb_view.h"
#include "eventhub/processor/sqlite_view.h"

namespace processor = eventhub::processor;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string directory = argv[1];
  const processor::ViewOptions options{.name = "stock",
                                       .columns = {{"quantity", processor::ColumnType::kInteger}}};
  const auto rocksdb = processor::OpenRocksdbView({.directory = directory, .view = options});
  std::cout << "rocksdb: " << rocksdb.status() << "\n";
  const auto sqlite = processor::OpenSqliteView({.path = directory + "/db", .view = options});
  std::cout << "sqlite: " << sqlite.status() << "\n";
  const auto postgres =
      processor::OpenPostgresView({.connection = "host=/nonexistent dbname=x", .view = options});
  std::cout << "postgres: " << postgres.status() << "\n";
  if (!absl::IsUnavailable(postgres.status())) return 1;
  // Linked, though there is no processor.
  std::shared_ptr<prometheus::Collectable> (*volatile collect)(const processor::Processor&) =
      &processor::MakePrometheusCollector;
  if (collect == nullptr) return 1;
  return rocksdb.ok() && sqlite.ok() ? 0 : 1;
}
