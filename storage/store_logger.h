// Receives RocksDB's log messages.
#pragma once

#include <cstdarg>
#include <functional>
#include <string>
#include <utility>

#include "rocksdb/env.h"

namespace eventhub {

// Forwards warnings and errors, and drops all other messages, and those about compactions that wait
// for room on the disk, which are repeated once a second. RocksDB's own logger, which writes a
// file beside the data, ends the process with an assertion if it writes again after the disk was
// full.
class StoreLogger final : public rocksdb::Logger {
 public:
  using Report = std::function<void(const std::string& message)>;

  // `report` may be called on any thread at any time; null drops everything.
  explicit StoreLogger(Report report)
      : Logger(rocksdb::InfoLogLevel::WARN_LEVEL), report_(std::move(report)) {}

  void Logv(const char* format, va_list arguments) override;

 protected:
  rocksdb::Status CloseImpl() override { return rocksdb::Status::OK(); }

 private:
  const Report report_;
};

}  // namespace eventhub
