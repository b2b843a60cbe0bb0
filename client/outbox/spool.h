// The directory of an outbox: the only code of the outbox that names RocksDB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/outbox/format.h"
#include "client/outbox/stored.h"
#include "eventhub/bytes.h"

namespace rocksdb {
class DB;
class ColumnFamilyHandle;
class WriteBatch;
}  // namespace rocksdb

namespace eventhub::client::outbox {

// Changes that take effect together. Thread-compatible.
class SpoolChange {
 public:
  SpoolChange();
  ~SpoolChange();

  void PutTopic(TopicNumber topic, const TopicRecord& record);
  void PutPart(const PartKey& key, const PartHeader& header, std::string_view events);
  // Deletes the requests from `begin` to before `end`.
  void DeleteRequests(TopicNumber topic, uint64_t begin, uint64_t end);
  void PutRefused(TopicNumber topic, uint64_t serial, const RefusedRecord& record);
  void DeleteRefused(TopicNumber topic, uint64_t before);

  bool empty() const { return changes_.empty(); }

 private:
  friend class Spool;
  enum class Column { kTopics, kIndex, kEvents, kRefused };
  struct One {
    Column column;
    std::string key;
    std::string value;          // Of a put, or the end of a range.
    std::string_view events{};  // The value, if it is not copied.
    bool is_delete = false;
  };
  std::vector<One> changes_;
};

// Pending requests and refused events on disk. Reads are thread-safe; one thread at a time writes.
// After an error of Write, nothing more can be written, and the failed change may be found at the
// next Open or not.
//
// A damaged record of the write-ahead log loses only the events in it; Load returns their number. A
// damaged table or blob file loses only the events in it, when they are read.
class Spool {
 public:
  // Opens or creates the directory; see Outbox::Open for the errors.
  static absl::StatusOr<std::unique_ptr<Spool>> Open(const std::string& directory);
  // Opens it as it is now, without a lock. NOT_FOUND if there is none.
  static absl::StatusOr<std::unique_ptr<Spool>> OpenForReading(const std::string& directory);
  ~Spool();

  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // The name of the producer, unique to the directory.
  const std::string& producer() const { return producer_; }

  // By number.
  absl::StatusOr<std::vector<StoredTopic>> Load() const;

  // Writes the change; if `sync`, also syncs this and all earlier changes. The events that were put
  // must stay alive until it returns.
  absl::Status Write(const SpoolChange& change, bool sync);

  // The parts of a request in order. An error if the index cannot be read.
  absl::StatusOr<std::vector<StoredPart>> ReadParts(TopicNumber topic, uint64_t request) const;

  // The first events of a topic that were set aside: as many as have `max_bytes`, and at least one.
  absl::StatusOr<std::vector<StoredRefused>> ReadRefused(TopicNumber topic, size_t max_bytes) const;

  // All of them.
  absl::Status ForEachRefused(
      TopicNumber topic,
      absl::FunctionRef<absl::Status(uint64_t serial, const RefusedRecord& record)> visit) const;

  // Reclaims the space of deleted events. Takes as long as reading the index; thread-safe.
  void Reclaim();

 private:
  struct Columns {
    rocksdb::ColumnFamilyHandle* topics = nullptr;
    rocksdb::ColumnFamilyHandle* index = nullptr;
    rocksdb::ColumnFamilyHandle* events = nullptr;
    rocksdb::ColumnFamilyHandle* refused = nullptr;
  };

  Spool(std::string directory, std::unique_ptr<rocksdb::DB> db, Columns columns);
  static absl::StatusOr<std::unique_ptr<Spool>> OpenDb(const std::string& directory,
                                                       bool read_only);

  rocksdb::ColumnFamilyHandle* Handle(SpoolChange::Column column) const;
  // Reads the producer's name. A new directory gets one, unless it is only read.
  absl::Status Identify(bool read_only);
  absl::Status LoadTopics(std::vector<StoredTopic>& topics) const;
  absl::Status LoadRequests(StoredTopic& topic) const;
  // Passes the entries of a column from `begin` to before `end` (empty: all).
  absl::Status Scan(
      rocksdb::ColumnFamilyHandle* column, const std::string& begin, const std::string& end,
      absl::FunctionRef<absl::Status(std::string_view key, std::string_view value)> visit) const;

  const std::string directory_;
  const std::unique_ptr<rocksdb::DB> db_;
  const Columns columns_;
  std::string producer_;
};

}  // namespace eventhub::client::outbox
