// A hub with a lake in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/core/archive/archives.h"
#include "server/core/archive/history.h"
#include "server/lake/archive/lake_archive.h"
#include "server/lake/archive/lake_history.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"
#include "storage/base/work_pool.h"
#include "tests/lake/memory_store.h"
#include "tests/server/retention_probe.h"
#include "tests/server/seeded.h"
#include "tests/server/subscription_rig.h"
#include "tests/support/caller.h"

namespace eventhub {

// A store that outlives its users, which may be threads.
class BorrowedStore final : public lake::ObjectStore {
 public:
  BorrowedStore(lake::MemoryStore& store, Mutex& mutex) : store_(store), mutex_(mutex) {}

  absl::StatusOr<std::unique_ptr<lake::ObjectSink>> Create(absl::string_view name) override {
    MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(std::unique_ptr<lake::ObjectSink> sink, store_.Create(name));
    return std::make_unique<Sink>(std::move(sink), mutex_);
  }
  absl::Status PutIfAbsent(absl::string_view name, absl::string_view bytes) override {
    MutexLock lock(mutex_);
    return store_.PutIfAbsent(name, bytes);
  }
  absl::Status Put(absl::string_view name, absl::string_view bytes) override {
    MutexLock lock(mutex_);
    return store_.Put(name, bytes);
  }
  absl::StatusOr<std::string> Get(absl::string_view name, uint64_t offset,
                                  uint64_t length) const override {
    MutexLock lock(mutex_);
    return store_.Get(name, offset, length);
  }
  absl::StatusOr<uint64_t> Size(absl::string_view name) const override {
    MutexLock lock(mutex_);
    return store_.Size(name);
  }
  absl::StatusOr<lake::ObjectPage> List(absl::string_view prefix, absl::string_view after,
                                        size_t limit) const override {
    MutexLock lock(mutex_);
    return store_.List(prefix, after, limit);
  }
  absl::Status Delete(absl::string_view name) override {
    MutexLock lock(mutex_);
    return store_.Delete(name);
  }
  std::string Describe() const override { return store_.Describe(); }

 private:
  class Sink final : public lake::ObjectSink {
   public:
    Sink(std::unique_ptr<lake::ObjectSink> sink, Mutex& mutex)
        : sink_(std::move(sink)), mutex_(mutex) {}
    absl::Status Append(absl::string_view bytes) override {
      MutexLock lock(mutex_);
      return sink_->Append(bytes);
    }
    absl::Status Commit() override {
      MutexLock lock(mutex_);
      return sink_->Commit();
    }
    void Abort() override {
      MutexLock lock(mutex_);
      sink_->Abort();
    }

   private:
    const std::unique_ptr<lake::ObjectSink> sink_;
    Mutex& mutex_;
  };

  lake::MemoryStore& store_;
  Mutex& mutex_;
};

// A history that fails when it is told to. Thread-safe.
class FailingHistory final : public History {
 public:
  explicit FailingHistory(History& history) : history_(history) {}

  void Fail(const absl::Status& status) {
    MutexLock lock(mutex_);
    status_ = status;
  }

  absl::StatusOr<HistoryBounds> Bounds(const ArchivedTopic& topic, PartitionId partition,
                                       Offset upto) override {
    RETURN_IF_ERROR(status());
    return history_.Bounds(topic, partition, upto);
  }
  absl::StatusOr<HistoryPart> Read(const ArchivedTopic& topic, const HistoryRange& range,
                                   size_t max_bytes) override {
    RETURN_IF_ERROR(status());
    return history_.Read(topic, range, max_bytes);
  }
  absl::StatusOr<Offset> SeekTime(const ArchivedTopic& topic, const HistoryRange& range,
                                  absl::Time time) override {
    RETURN_IF_ERROR(status());
    return history_.SeekTime(topic, range, time);
  }

 private:
  absl::Status status() {
    MutexLock lock(mutex_);
    return status_;
  }

  History& history_;
  Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

// A hub whose events go to a lake in memory, and leave the log.
class HistoryFixture : public SeededTest {
 protected:
  void SetUp() override {
    constexpr absl::Duration kStep = absl::Milliseconds(1);
    rig_.archive = ArchiveOptions{.limits = {.bytes = 20'000, .events = 200, .ranges = 3}};
    rig_.maintenance = MaintenanceOptions();
    rig_.maintenance->retention_interval = kStep;
    rig_.maintenance->disk_check_interval = kStep;
    rig_.maintenance->retention.archive_lag.bytes = uint64_t{1} << 40;
    rig_.tail_cache_bytes = 20'000;
    OpenHub();
    probe_.Create();
  }
  void TearDown() override { CloseHub(); }

  void OpenHub() {
    ASSERT_THAT(rig_.Open(), IsOk());
    if (!rig_.archive.has_value()) return;
    const std::string hub = rig_.broker().links().hub_id();
    archive_ = std::make_unique<LakeArchive>(std::make_unique<BorrowedStore>(store_, store_mutex_),
                                             LakeArchiveOptions{.hub = hub, .description = "test"},
                                             rig_.clock);
    history_ = std::make_unique<LakeHistory>(std::make_unique<BorrowedStore>(store_, store_mutex_),
                                             hub, rig_.broker().history_memory());
    failing_ = std::make_unique<FailingHistory>(*history_);
    lake_pool_ = std::make_unique<WorkPool>(2);
    rig_.broker().readers().SetHistory(*history_);
    rig_.subscriptions().SetHistory(*failing_, *lake_pool_);
  }
  void CloseHub() {
    if (lake_pool_ != nullptr) rig_.subscriptions().StopHistory();
    lake_pool_.reset();
    failing_.reset();
    history_.reset();
    archive_.reset();
    rig_.Close();
  }
  void Restart() {
    CloseHub();
    OpenHub();
  }

  void Create(const std::string& name, uint32_t partitions = 1, int64_t max_age_seconds = 10) {
    v1::Topic topic;
    topic.set_name(name);
    topic.set_partitions(partitions);
    topic.mutable_retention()->mutable_max_age()->set_seconds(max_age_seconds);
    ASSERT_THAT(rig_.Create(topic), IsOk());
  }
  void SetArchive(const std::string& name, bool on) {
    v1::Topic topic;
    topic.set_name(name);
    topic.set_archive(on);
    ASSERT_THAT(rig_.Update(topic, {"archive"}), IsOk());
  }

  // Archives all that the topic has.
  void Archive(const std::string& name = "t") {
    Archives& archives = *rig_.broker().archives();
    const auto lag = [&] {
      return rig_.broker().topics().Get(kTester, name)->archive().lag_events();
    };
    while (lag() > 0) {
      for (const auto& archive : archives.List()) {
        if (archive->topic()->name() != name) continue;
        ASSERT_THAT(archives.Advance(*archive, *archive_, [](size_t) { return absl::OkStatus(); }),
                    IsOk());
      }
    }
  }

  // Advances time, by at least 2 s, and waits until retention has been applied.
  void Pass(absl::Duration time) { probe_.Pass(time); }

  // The events are in the lake only.
  void Bury(const std::string& name = "t") {
    Archive(name);
    Pass(absl::Seconds(20));
    ASSERT_EQ(rig_.Describe(name).start_offset(), rig_.Describe(name).end_offset());
  }

  SubscriptionRig rig_;
  RetentionProbe probe_{rig_};
  Mutex store_mutex_;
  lake::MemoryStore store_;
  std::unique_ptr<LakeArchive> archive_;
  std::unique_ptr<LakeHistory> history_;
  std::unique_ptr<FailingHistory> failing_;  // For subscriptions.
  std::unique_ptr<WorkPool> lake_pool_;
};

}  // namespace eventhub
