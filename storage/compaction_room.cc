#include "storage/compaction_room.h"

#include <algorithm>

#include "rocksdb/listener.h"
#include "storage/store_logger.h"

namespace eventhub {
namespace {

// RocksDB knows a maximum size of all tables, and a part of it that compactions must leave free. A
// flush beyond the maximum fails for good, so the maximum is out of reach, and the part expresses
// the room.
constexpr uint64_t kMaxTables = uint64_t{1} << 62;

}  // namespace

// Adds up the inputs of the running compactions.
class CompactionRoom::Listener final : public rocksdb::EventListener {
 public:
  explicit Listener(rocksdb::Env* env) : env_(env) {}

  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo& job) override {
    uint64_t bytes = 0;
    for (const std::string& input : job.input_files) {
      uint64_t size = 0;
      if (env_->GetFileSize(input, &size).ok()) bytes += size;
    }
    MutexLock lock(mutex_);
    running_[job.job_id] = bytes;
  }

  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo& job) override {
    MutexLock lock(mutex_);
    running_.erase(job.job_id);
  }

  void AddHeld(uint64_t bytes) {
    MutexLock lock(mutex_);
    held_ += bytes;
  }
  void RemoveHeld(uint64_t bytes) {
    MutexLock lock(mutex_);
    held_ -= bytes;
  }

  uint64_t running() const {
    MutexLock lock(mutex_);
    uint64_t bytes = 0;
    for (const auto& [job, input] : running_) bytes += input;
    return bytes;
  }
  uint64_t held() const {
    MutexLock lock(mutex_);
    return held_;
  }

 private:
  rocksdb::Env* const env_;
  mutable Mutex mutex_;
  std::map<int, uint64_t> running_ ABSL_GUARDED_BY(mutex_);  // By job.
  uint64_t held_ ABSL_GUARDED_BY(mutex_) = 0;
};

CompactionRoom::CompactionRoom(rocksdb::Env* env)
    : files_(rocksdb::NewSstFileManager(env, std::make_shared<StoreLogger>(nullptr))),
      listener_(std::make_shared<Listener>(env)) {}

CompactionRoom::~CompactionRoom() = default;

void CompactionRoom::ApplyTo(rocksdb::DBOptions* options) const {
  options->sst_file_manager = files_;
  options->listeners.push_back(listener_);
}

void CompactionRoom::Set(uint64_t bytes) {
  // RocksDB adds the inputs of the running compactions to that of the next one.
  const uint64_t used = files_->GetTotalSize() + listener_->running();
  const uint64_t left = kMaxTables - std::min(kMaxTables, used);
  files_->SetCompactionBufferSize(left - std::min(left, bytes));
  files_->SetMaxAllowedSpaceUsage(kMaxTables);
}

uint64_t CompactionRoom::pending_bytes() const { return listener_->running() + listener_->held(); }

CompactionRoom::Hold::Hold(CompactionRoom& room, uint64_t bytes) : room_(room), bytes_(bytes) {
  room_.listener_->AddHeld(bytes_);
}
CompactionRoom::Hold::~Hold() { room_.listener_->RemoveHeld(bytes_); }

}  // namespace eventhub
