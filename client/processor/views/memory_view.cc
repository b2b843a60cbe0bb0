// A view in memory, for tests.

#include <map>
#include <memory>
#include <utility>

#include "client/processor/views/write_order.h"
#include "eventhub/processor/testing.h"
#include "eventhub/processor/view_store.h"
#include "storage/base/mutex.h"

namespace eventhub::processor {
namespace {

class MemoryStore final : public ViewStore {
 public:
  absl::StatusOr<StoredView> Load() override {
    MutexLock lock(mutex_);
    return stored_;
  }

  absl::Status Begin(uint64_t generation, std::string_view revision) override {
    MutexLock lock(mutex_);
    if (generation <= newest()) return absl::AbortedError("the view has another generation");
    rows_.erase(stored_.building);
    stored_.building_positions.clear();
    (stored_.generation == 0 ? stored_.generation : stored_.building) = generation;
    stored_.revision = revision;
    return absl::OkStatus();
  }

  absl::Status Write(uint64_t generation, bool again, absl::Span<RowWrite> rows,
                     const ViewPositions& positions) override {
    MutexLock lock(mutex_);
    if (generation != newest()) return absl::AbortedError("the view has another generation");
    auto& table = rows_[generation];
    for (RowWrite& write : rows) {
      const auto [old, added] = table.try_emplace(write.row.key);
      write.status = absl::OkStatus();
      write.written =
          added || internal::MayReplace(write, again, old->second.version, old->second.offset);
      if (write.written) old->second = write;
    }
    ViewPositions& to = stored_.building != 0 ? stored_.building_positions : stored_.positions;
    for (const auto& [partition, offset] : positions) to[partition] = offset;
    return absl::OkStatus();
  }

  absl::Status Switch(uint64_t generation) override {
    MutexLock lock(mutex_);
    if (generation == 0 || stored_.building != generation) return absl::OkStatus();
    rows_.erase(stored_.generation);
    stored_.generation = std::exchange(stored_.building, 0);
    stored_.positions = std::exchange(stored_.building_positions, {});
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::vector<Value>>> Get(std::string_view key) override {
    MutexLock lock(mutex_);
    const auto& table = rows_[stored_.generation];
    const auto it = table.find(key);
    if (it == table.end() || it->second.row.deleted) return std::nullopt;
    return it->second.row.values;
  }

  absl::Status ForEach(
      absl::FunctionRef<bool(std::string_view, const std::vector<Value>&)> visit) override {
    MutexLock lock(mutex_);
    for (const auto& [key, write] : rows_[stored_.generation]) {
      if (!write.row.deleted && !visit(key, write.row.values)) break;
    }
    return absl::OkStatus();
  }

 private:
  uint64_t newest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stored_.building != 0 ? stored_.building : stored_.generation;
  }

  Mutex mutex_;
  StoredView stored_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::map<std::string, RowWrite, std::less<>>> rows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::shared_ptr<View>> OpenMemoryView(const ViewOptions& options) {
  return OpenView(options, std::make_unique<MemoryStore>());
}

}  // namespace eventhub::processor
