// Objects of a lake as files that a library of another program can open.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Objects in a directory are there already; those of a service are copied to a temporary directory,
// which is removed with this object. Thread-compatible; the store must outlive it.
class LocalFiles {
 public:
  // `location` is that of the store, `temporary` an existing directory.
  static absl::StatusOr<std::unique_ptr<LocalFiles>> Create(const ObjectStore& store,
                                                            const std::string& location,
                                                            const std::string& temporary);
  ~LocalFiles();

  LocalFiles(const LocalFiles&) = delete;
  LocalFiles& operator=(const LocalFiles&) = delete;

  // The file of an object.
  absl::StatusOr<std::string> Fetch(const std::string& name);

  // Removes the copies that were made so far.
  void Clear();

  // The temporary directory.
  const std::string& directory() const { return directory_; }

 private:
  LocalFiles(const ObjectStore& store, std::string root, std::string directory);
  absl::Status Copy(const std::string& name, const std::string& path) const;

  const ObjectStore& store_;
  const std::string root_;  // Of a directory; empty: it is a service.
  const std::string directory_;
  std::set<std::string> copies_;
};

}  // namespace eventhub::lake
