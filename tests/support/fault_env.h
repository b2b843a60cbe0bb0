// A disk that fails on demand, and that drops unsynced data as a power loss does. Names no RocksDB
// type except the one in LogStoreOptions.
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

// Files in memory or on the machine's disk, in a separate directory that is deleted with this
// object. All users of env() must be destroyed before it. Thread-safe.
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
  // Exists, is initially empty, and survives Forget().
  const std::string& directory() const { return directory_; }

  // From now on, writes to files whose path ends with `suffix` fail; a write that runs out of space
  // writes its first half. kNone ends the fault.
  void FailWrites(Fault fault, const std::string& suffix = "");
  // From now on, syncs of files and directories fail and make nothing durable.
  void FailSyncs(Fault fault);

  // Sets the reported free space, in bytes. Without a call, the disk reports its own.
  void SetFreeSpace(uint64_t bytes);

  // From now on, syncs of files whose path ends with `suffix` wait until ReleaseSyncs().
  void HoldSyncs(const std::string& suffix = "");
  void ReleaseSyncs();
  // Returns the number of waiting syncs.
  int held_syncs() const;

  // Cuts the power: from now on no change reaches the disk, and every change fails (changes to
  // tables appear to succeed).
  void Cut();
  // Restores the power and drops what was not synced before Cut(): the unsynced ends of files, and
  // files, directories and renames whose directory was not synced since. Deletions take effect
  // immediately. No file may be open.
  void Forget();

  // Returns all files below `directory`, by name.
  std::vector<std::string> Files(const std::string& directory) const;
  // These bypass all faults. The file must exist, or its directory must.
  std::string ReadFile(const std::string& path) const;
  void WriteFile(const std::string& path, const std::string& bytes);
  void DeleteFile(const std::string& path);
  // Does nothing if there is one.
  void MakeDirectory(const std::string& path);
  // Deletes an empty directory.
  void DeleteDirectory(const std::string& path);

 private:
  std::unique_ptr<rocksdb::Env> base_;  // Null: the machine's environment.
  std::shared_ptr<FaultFs> fs_;
  std::unique_ptr<rocksdb::Env> env_;
  std::string directory_;
};

}  // namespace eventhub
