// Keeps RocksDB's compactions within the free space of the disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_manager.h"
#include "storage/base/mutex.h"

namespace eventhub {

// A compaction needs as much space as its input, until it is complete. RocksDB by itself begins one
// whatever the disk has free. If the disk then fills up, the unfinished output takes the space that
// a deletion would need, and no write makes progress any more. Therefore compactions begin only
// while they fit into a room that the owner keeps up to date; others are tried again later.
//
// Thread-safe.
class CompactionRoom {
 public:
  // `env` must outlive this. Until Set() there is no limit.
  explicit CompactionRoom(rocksdb::Env* env);
  ~CompactionRoom();

  // Makes instances that are opened with the options observe the room.
  void ApplyTo(rocksdb::DBOptions* options) const;

  // Lets compactions that begin from now on take at most `bytes` in addition to the running ones.
  void Set(uint64_t bytes);

  // The space that may still be written by running compactions and by holders. Bytes.
  uint64_t pending_bytes() const;

  // Counts `bytes` as pending as long as it exists, for a compaction whose output is not in tables.
  class Hold {
   public:
    Hold(CompactionRoom& room, uint64_t bytes);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    CompactionRoom& room_;
    const uint64_t bytes_;
  };

 private:
  class Listener;

  std::shared_ptr<rocksdb::SstFileManager> files_;
  std::shared_ptr<Listener> listener_;
};

}  // namespace eventhub
