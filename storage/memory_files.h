// Files in memory, for hubs in tests.
#pragma once

#include <memory>

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace eventhub {

// A file system of its own, which keeps its files as long as it lives: a store that is opened again
// finds them. Must outlive the stores in it. Thread-safe.
class MemoryFiles {
 public:
  MemoryFiles();
  ~MemoryFiles();

  MemoryFiles(const MemoryFiles&) = delete;
  MemoryFiles& operator=(const MemoryFiles&) = delete;

  // For LogStoreOptions::env.
  rocksdb::Env* env() { return env_.get(); }

 private:
  const std::unique_ptr<rocksdb::Env> memory_;
  const std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace eventhub
