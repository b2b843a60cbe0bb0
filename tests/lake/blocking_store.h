// BlockingStore: an object store that does not answer, as a directory of a server that is gone.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "server/lake/store/object_store.h"
#include "storage/base/mutex.h"

namespace eventhub::lake {

// Another store, whose reads block between Block() and Release(). Thread-safe, if that one is.
class BlockingStore final : public ObjectStore {
 public:
  explicit BlockingStore(std::unique_ptr<ObjectStore> store) : store_(std::move(store)) {}

  // Reads of names that contain `part` block from now on.
  void Block(std::string part) {
    MutexLock lock(mutex_);
    part_ = std::move(part);
    blocks_ = true;
  }
  void Release() {
    MutexLock lock(mutex_);
    blocks_ = false;
    changed_.NotifyAll();
  }
  // Waits until a read is blocked.
  void AwaitBlocked() {
    MutexLock lock(mutex_);
    while (blocked_ == 0) changed_.Wait(mutex_);
  }

  absl::StatusOr<std::unique_ptr<ObjectSink>> Create(absl::string_view name) override {
    return store_->Create(name);
  }
  absl::Status PutIfAbsent(absl::string_view name, absl::string_view bytes) override {
    return store_->PutIfAbsent(name, bytes);
  }
  absl::Status Put(absl::string_view name, absl::string_view bytes) override {
    return store_->Put(name, bytes);
  }
  absl::StatusOr<std::string> Get(absl::string_view name, uint64_t offset,
                                  uint64_t length) const override {
    {
      MutexLock lock(mutex_);
      if (blocks_ && absl::StrContains(name, part_)) {
        ++blocked_;
        changed_.NotifyAll();
        while (blocks_) changed_.Wait(mutex_);
        --blocked_;
      }
    }
    return store_->Get(name, offset, length);
  }
  absl::StatusOr<uint64_t> Size(absl::string_view name) const override {
    return store_->Size(name);
  }
  absl::StatusOr<ObjectPage> List(absl::string_view prefix, absl::string_view after,
                                  size_t limit) const override {
    return store_->List(prefix, after, limit);
  }
  absl::Status Delete(absl::string_view name) override { return store_->Delete(name); }
  std::string Describe() const override { return store_->Describe(); }

 private:
  const std::unique_ptr<ObjectStore> store_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::string part_ ABSL_GUARDED_BY(mutex_);
  bool blocks_ ABSL_GUARDED_BY(mutex_) = false;
  mutable int blocked_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace eventhub::lake
