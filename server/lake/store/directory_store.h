// DirectoryStore: a lake in a directory of a POSIX file system.
//
// An object is written to a file in `.tmp/`, synced, and linked or renamed to its name; then the
// directories are synced. Directories have mode 0700, files 0600. After a power failure each object
// is there whole or not at all, and what was reported as stored is there.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Thread-safe. Several processes may use one directory.
class DirectoryStore final : public ObjectStore {
 public:
  enum class Mode {
    kRead,    // Writes nothing; NOT_FOUND if the directory is not there.
    kCreate,  // Makes the directory, but not its parent, if it is not there.
  };

  static absl::StatusOr<std::unique_ptr<DirectoryStore>> Open(const std::string& directory,
                                                              Mode mode);
  ~DirectoryStore() override;

  absl::StatusOr<std::unique_ptr<ObjectSink>> Create(absl::string_view name) override;
  absl::Status PutIfAbsent(absl::string_view name, absl::string_view bytes) override;
  absl::Status Put(absl::string_view name, absl::string_view bytes) override;
  absl::StatusOr<std::string> Get(absl::string_view name, uint64_t offset,
                                  uint64_t length) const override;
  absl::StatusOr<uint64_t> Size(absl::string_view name) const override;
  absl::StatusOr<ObjectPage> List(absl::string_view prefix, absl::string_view after,
                                  size_t limit) const override;
  absl::Status Delete(absl::string_view name) override;
  // Removes the files in `.tmp/`.
  absl::Status RemoveLeftovers() override;
  std::string Describe() const override { return directory_; }

 private:
  DirectoryStore(std::string directory, int root) : directory_(std::move(directory)), root_(root) {}

  const std::string directory_;
  const int root_;  // A descriptor of the directory: it may be moved while it is in use.
};

}  // namespace eventhub::lake
