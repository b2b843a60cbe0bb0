// A disk that fails when a test says so, and that forgets, as a power loss makes it, what was not
// synced. Names no RocksDB type but the one that LogStoreOptions takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace eventhub {

class FaultFs;

// Files in memory or on the machine's disk, in a directory of their own that is gone with this
// object. Everything that uses env() must be gone before. Thread-safe.
//
//     FaultEnv disk(FaultEnv::Medium::kMemory);
//     options.directory = disk.directory() + "/hub";
//     options.env = disk.env();
class FaultEnv {
 public:
  enum class Medium { kMemory, kDisk };
  enum class Fault { kNone, kIoError, kNoSpace };

  explicit FaultEnv(Medium medium);
  ~FaultEnv();

  FaultEnv(const FaultEnv&) = delete;
  FaultEnv& operator=(const FaultEnv&) = delete;

  rocksdb::Env* env() const { return env_.get(); }
  // Exists, is empty at first, and survives Forget().
  const std::string& directory() const { return directory_; }

  // From now on what is written to files whose path ends with `suffix` fails; of a write that finds
  // no space, the first half is written. kNone ends it.
  void FailWrites(Fault fault, const std::string& suffix = "");
  // From now on syncs of files and directories fail, and make nothing durable.
  void FailSyncs(Fault fault);

  // What the disk says is free; without a call, what it says of itself. Bytes.
  void SetFreeSpace(uint64_t bytes);

  // Syncs of files whose path ends with `suffix` wait from now on until ReleaseSyncs().
  void HoldSyncs(const std::string& suffix = "");
  void ReleaseSyncs();
  // How many syncs wait.
  int held_syncs() const;

  // The power goes: no change reaches the disk from now on, every one fails (to tables: seems to
  // succeed).
  void Cut();
  // The power is back: what was not synced by Cut() is forgotten. That is the ends of files, and
  // files, directories and renames whose directory was not synced since; a deletion holds at once.
  // Nothing may be open.
  void Forget();

  // All files below `directory`, by name.
  std::vector<std::string> Files(const std::string& directory) const;
  // Past all faults. The file must exist, or be creatable.
  std::string ReadFile(const std::string& path) const;
  void WriteFile(const std::string& path, const std::string& bytes);
  void DeleteFile(const std::string& path);
  // An empty one.
  void DeleteDirectory(const std::string& path);

 private:
  std::unique_ptr<rocksdb::Env> base_;  // Null: the machine's.
  std::shared_ptr<FaultFs> fs_;
  std::unique_ptr<rocksdb::Env> env_;
  std::string directory_;
};

}  // namespace eventhub
