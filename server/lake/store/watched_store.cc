#include "server/lake/store/watched_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {

// Notes a call while it exists.
class StoreCall {
 public:
  StoreCall(StoreCalls& calls, const ObjectStore& store, absl::string_view doing,
            absl::string_view name)
      : calls_(calls) {
    std::string what = absl::StrCat(doing, " ", store.Describe(), name.empty() ? "" : "/", name);
    MutexLock lock(calls_.mutex_);
    number_ = calls_.calls_++;
    calls_.in_progress_[number_] = {std::move(what), calls_.clock_.Monotonic()};
  }
  ~StoreCall() {
    MutexLock lock(calls_.mutex_);
    calls_.in_progress_.erase(number_);
  }
  StoreCall(const StoreCall&) = delete;
  StoreCall& operator=(const StoreCall&) = delete;

 private:
  StoreCalls& calls_;
  uint64_t number_ = 0;
};

namespace {

class WatchedSink final : public ObjectSink {
 public:
  WatchedSink(std::unique_ptr<ObjectSink> sink, const ObjectStore& store, StoreCalls& calls,
              absl::string_view name)
      : sink_(std::move(sink)), store_(store), calls_(calls), name_(name) {}
  ~WatchedSink() override {
    const StoreCall call(calls_, store_, "discarding", name_);
    sink_.reset();
  }

  absl::Status Append(absl::string_view bytes) override {
    const StoreCall call(calls_, store_, "writing", name_);
    return sink_->Append(bytes);
  }
  absl::Status Commit() override {
    const StoreCall call(calls_, store_, "completing", name_);
    return sink_->Commit();
  }
  void Abort() override {
    const StoreCall call(calls_, store_, "discarding", name_);
    sink_->Abort();
  }

 private:
  std::unique_ptr<ObjectSink> sink_;
  const ObjectStore& store_;
  StoreCalls& calls_;
  const std::string name_;
};

class WatchedStore final : public ObjectStore {
 public:
  WatchedStore(std::unique_ptr<ObjectStore> store, std::shared_ptr<StoreCalls> calls)
      : calls_(std::move(calls)), store_(std::move(store)) {}

  absl::StatusOr<std::unique_ptr<ObjectSink>> Create(absl::string_view name) override {
    const StoreCall call(*calls_, *store_, "creating", name);
    ASSIGN_OR_RETURN(std::unique_ptr<ObjectSink> sink, store_->Create(name));
    return std::make_unique<WatchedSink>(std::move(sink), *store_, *calls_, name);
  }
  absl::Status PutIfAbsent(absl::string_view name, absl::string_view bytes) override {
    const StoreCall call(*calls_, *store_, "writing", name);
    return store_->PutIfAbsent(name, bytes);
  }
  absl::Status Put(absl::string_view name, absl::string_view bytes) override {
    const StoreCall call(*calls_, *store_, "writing", name);
    return store_->Put(name, bytes);
  }
  absl::StatusOr<std::string> Get(absl::string_view name, uint64_t offset,
                                  uint64_t length) const override {
    const StoreCall call(*calls_, *store_, "reading", name);
    return store_->Get(name, offset, length);
  }
  absl::StatusOr<uint64_t> Size(absl::string_view name) const override {
    const StoreCall call(*calls_, *store_, "looking at", name);
    return store_->Size(name);
  }
  absl::StatusOr<ObjectPage> List(absl::string_view prefix, absl::string_view after,
                                  size_t limit) const override {
    const StoreCall call(*calls_, *store_, "listing", prefix);
    return store_->List(prefix, after, limit);
  }
  absl::Status Delete(absl::string_view name) override {
    const StoreCall call(*calls_, *store_, "deleting", name);
    return store_->Delete(name);
  }
  absl::Status RemoveOldVersions(absl::string_view name) override {
    const StoreCall call(*calls_, *store_, "removing old versions of", name);
    return store_->RemoveOldVersions(name);
  }
  absl::Status RemoveLeftovers() override {
    const StoreCall call(*calls_, *store_, "removing leftovers in", "");
    return store_->RemoveLeftovers();
  }
  void Interrupt() override { store_->Interrupt(); }
  std::string Describe() const override { return store_->Describe(); }

 private:
  const std::shared_ptr<StoreCalls> calls_;
  const std::unique_ptr<ObjectStore> store_;
};

}  // namespace

std::vector<std::string> StoreCalls::Describe() const {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  std::vector<std::string> calls;
  // In the order of their numbers, which is that of their starts.
  for (const auto& [number, call] : in_progress_) {
    calls.push_back(
        absl::StrCat(call.what, ", for ",
                     absl::FormatDuration(absl::Trunc(now - call.start, absl::Seconds(1)))));
  }
  return calls;
}

std::unique_ptr<ObjectStore> WatchStore(std::unique_ptr<ObjectStore> store,
                                        std::shared_ptr<StoreCalls> calls) {
  return std::make_unique<WatchedStore>(std::move(store), std::move(calls));
}

}  // namespace eventhub::lake
