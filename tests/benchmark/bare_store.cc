// The bare store: RocksDB alone, with the hub's write pattern and without a hub around it. One
// thread appends values under ascending big-endian keys, several per write, as the hub's commit
// thread does; the write-ahead log is on. RocksDB options can be given as text, for experiments.
// Example:
//   bare_store --directory=build/benchmark/store --value_bytes=262144 --sync=pipelined
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(std::string, directory, "", "data directory; what it holds is deleted");
ABSL_FLAG(uint64_t, value_bytes, 256 << 10, "size of a value");
ABSL_FLAG(int, values_per_write, 4, "values in one write");
ABSL_FLAG(std::string, sync, "none",
          "none; each: a sync after each write; pipelined: a second thread syncs all the time");
ABSL_FLAG(std::string, db_options, "", "more DBOptions, as name=value;name=value");
ABSL_FLAG(std::string, column_options, "", "more ColumnFamilyOptions");
ABSL_FLAG(bool, wal, true, "write-ahead log");
ABSL_FLAG(double, seconds, 3, "how long to measure");

namespace eventhub::benchmark {
namespace {

constexpr size_t kKeyBytes = 16;
// Alternating sources of values, like a hub's requests: not the same bytes from the CPU's cache
// each time.
constexpr size_t kSourceBytes = 8 << 20;

std::string KeyOf(uint64_t number) {
  std::string key(kKeyBytes, '\0');
  for (size_t i = 0; i < 8; ++i) key[kKeyBytes - 1 - i] = static_cast<char>(number >> (8 * i));
  return key;
}

// The hub's settings (storage/log_store.cc), plus those in the flags.
rocksdb::Status MakeOptions(rocksdb::Options& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.max_total_wal_size = uint64_t{512} << 20;
  db.max_background_jobs = 2;
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  rocksdb::ColumnFamilyOptions column;
  column.write_buffer_size = size_t{64} << 20;
  column.max_write_buffer_number = 4;
  column.compression = rocksdb::kNoCompression;
  column.level0_slowdown_writes_trigger = 40;
  column.level0_stop_writes_trigger = 60;
  column.enable_blob_files = true;
  column.min_blob_size = 4096;
  column.blob_file_size = uint64_t{128} << 20;
  rocksdb::DBOptions final_db;
  rocksdb::ColumnFamilyOptions final_column;
  rocksdb::Status status =
      rocksdb::GetDBOptionsFromString(db, absl::GetFlag(FLAGS_db_options), &final_db);
  if (!status.ok()) return status;
  status = rocksdb::GetColumnFamilyOptionsFromString(column, absl::GetFlag(FLAGS_column_options),
                                                     &final_column);
  options = rocksdb::Options(final_db, final_column);
  return status;
}

// Syncs continuously on its own thread until destroyed.
class Syncer {
 public:
  explicit Syncer(rocksdb::DB& db) : db_(db), thread_([this] { Run(); }) {}
  ~Syncer() {
    stopping_ = true;
    thread_.join();
  }

  uint64_t syncs() const { return syncs_; }

 private:
  void Run() {
    while (!stopping_) {
      if (!db_.SyncWAL().ok()) return;
      ++syncs_;
    }
  }

  rocksdb::DB& db_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> syncs_{0};
  std::thread thread_;
};

int Fail(const rocksdb::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

int Measure(rocksdb::DB& db) {
  const size_t value_bytes = absl::GetFlag(FLAGS_value_bytes);
  const int values_per_write = absl::GetFlag(FLAGS_values_per_write);
  const std::string sync = absl::GetFlag(FLAGS_sync);
  const std::vector<std::string> sources(std::max<size_t>(1, kSourceBytes / value_bytes),
                                         std::string(value_bytes, 'x'));
  rocksdb::WriteOptions write_options;
  write_options.disableWAL = !absl::GetFlag(FLAGS_wal);
  write_options.sync = sync == "each";
  std::unique_ptr<Syncer> syncer;
  if (sync == "pipelined") syncer = std::make_unique<Syncer>(db);
  const double cpu = CpuSeconds(getpid());
  const Stopwatch watch;
  uint64_t values = 0;
  std::vector<double> write_micros;
  double seconds = 0;
  while ((seconds = watch.Seconds()) < absl::GetFlag(FLAGS_seconds)) {
    rocksdb::WriteBatch batch(values_per_write * (value_bytes + 64));
    for (int i = 0; i < values_per_write; ++i, ++values) {
      batch.Put(KeyOf(values), sources[values % sources.size()]);
    }
    const rocksdb::Status status = db.Write(write_options, &batch);
    if (!status.ok()) return Fail(status);
    write_micros.push_back((watch.Seconds() - seconds) * 1e6);
  }
  const double bytes = static_cast<double>(values) * static_cast<double>(value_bytes);
  const double syncs = syncer != nullptr ? static_cast<double>(syncer->syncs())
                                         : (write_options.sync ? write_micros.size() : 0);
  PrintResult("store", {{"value_bytes", static_cast<double>(value_bytes)},
                        {"mb_per_s", bytes / seconds / 1e6},
                        {"syncs_per_s", syncs / seconds},
                        {"write_p50_us", Percentile(write_micros, 0.5)},
                        {"write_p99_us", Percentile(write_micros, 0.99)},
                        {"cpu_s_per_gb", (CpuSeconds(getpid()) - cpu) / bytes * 1e9}});
  return 0;
}

int Run() {
  const std::string directory = absl::GetFlag(FLAGS_directory);
  if (directory.empty()) {
    std::fprintf(stderr, "--directory is required\n");
    return 2;
  }
  std::filesystem::remove_all(directory);
  rocksdb::Options options;
  rocksdb::Status status = MakeOptions(options);
  if (!status.ok()) return Fail(status);
  rocksdb::DB* opened = nullptr;
  status = rocksdb::DB::Open(options, directory, &opened);
  if (!status.ok()) return Fail(status);
  int code = 0;
  {
    const std::unique_ptr<rocksdb::DB> db(opened);
    code = Measure(*db);
  }
  std::filesystem::remove_all(directory);
  return code;
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return eventhub::benchmark::Run();
}
