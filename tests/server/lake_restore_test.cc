// Restoring a hub from its lake: what the hub had, through interruptions and power losses.
#include "server/lake/restore/lake_restore.h"

#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/lake/archive/lake_archive.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/read/topic_cursor.h"
#include "server/lake/read/verify.h"
#include "server/lake/store/open_store.h"
#include "tests/server/broker_rig.h"
#include "tests/server/seeded.h"
#include "tests/support/caller.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint32_t kPartitions = 3;

class LakeRestoreTest : public SeededTest {
 protected:
  LakeRestoreTest() { Prepare(hub_); }

  void Prepare(BrokerRig& rig) { rig.archive = ArchiveOptions{.location = lake_}; }

  void OpenLake(BrokerRig& rig) {
    auto lake = LakeArchive::Open(
        lake_, {.hub = rig.broker().links().hub_id(), .description = "test"}, rig.clock);
    ASSERT_THAT(lake, IsOk());
    archive_ = *std::move(lake);
  }

  void Create(const v1::Topic& topic) { ASSERT_THAT(hub_.Create(topic), IsOk()); }

  // Publishes events with new ids.
  void Publish(BrokerRig& rig, const std::string& topic, int events, uint32_t partition) {
    std::vector<std::string> ids;
    for (int i = 0; i < events; ++i) ids.push_back(absl::StrCat("e-", next_id_++));
    ASSERT_THAT(rig.Publish(topic, ids, partition), IsOk());
    rig.clock.Advance(absl::Milliseconds(Int(0, 2000)));
  }

  absl::Status Advance(BrokerRig& rig, const std::string& topic) {
    for (const auto& archive : rig.broker().archives()->List()) {
      if (archive->topic()->name() != topic) continue;
      while (archive->Describe(absl::ZeroDuration()).lag_events() > 0) {
        const absl::Status advanced = rig.broker().archives()->Advance(
            *archive, *archive_, [](size_t) { return absl::OkStatus(); });
        if (!advanced.ok()) return advanced;
      }
    }
    return absl::OkStatus();
  }

  // What the archiver of a daemon does.
  void TellSettings(BrokerRig& rig) {
    std::promise<HubSettings> settings;
    rig.broker().ExportForLake(
        [&settings](HubSettings exported) { settings.set_value(std::move(exported)); });
    ASSERT_THAT(archive_->KeepSettings(settings.get_future().get()), IsOk());
  }

  LakeRestoreOptions OptionsFor(BrokerRig& rig) {
    LakeRestoreOptions options;
    options.lake = lake_;
    options.broker.store.directory = rig.disk.directory() + "/hub";
    options.broker.store.env = rig.disk.env();
    options.broker.clock = &rig.clock;
    return options;
  }

  absl::Status Restore(BrokerRig& rig) {
    rig.clock.Advance(hub_.clock.Now() - rig.clock.Now());
    return RestoreFromLake(OptionsFor(rig)).status();
  }

  // Each topic of the lake has no gap, nothing twice, and these many events.
  void CheckLake(const std::string& topic, size_t events) {
    const auto store = lake::OpenObjectStore(lake_, lake::StoreAccess::kRead);
    ASSERT_THAT(store, IsOk());
    const auto catalog = lake::Catalog::Load(**store);
    const lake::CatalogEntry* const entry = catalog->FindName(topic);
    ASSERT_NE(entry, nullptr);
    lake::VerifyReport report;
    ASSERT_THAT(lake::VerifyTopic(**store, entry->topic, {}, &report), IsOk());
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_EQ(report.events, events);
  }

  const TempDirectory directory_;
  const std::string lake_ = directory_ / "lake";
  BrokerRig hub_;
  std::unique_ptr<LakeArchive> archive_;
  int next_id_ = 0;
};

TEST_F(LakeRestoreTest, AnyHubIsRestoredThroughInterruptionsAndPowerLosses) {
  ASSERT_THAT(hub_.Open(), IsOk());
  std::map<std::string, size_t> events;
  for (const char* name : {"plain", "state"}) {
    v1::Topic topic;
    topic.set_name(name);
    topic.set_partitions(kPartitions);
    if (name == std::string("state")) topic.mutable_retention()->mutable_latest_per_key();
    if (name == std::string("plain")) topic.mutable_deduplication_window()->set_seconds(86'400);
    Create(topic);
  }
  OpenLake(hub_);
  Publish(hub_, "plain", 1, 0);  // Few steps may leave a topic or a partition without events.
  Publish(hub_, "state", 1, 0);
  events = {{"plain", 1}, {"state", 1}};
  for (int step = 0; step < Steps(60); ++step) {
    const std::string topic = OneIn(2) ? "plain" : "state";
    const int count = static_cast<int>(OneIn(4) ? Int(100, 2000) : Int(1, 10));
    Publish(hub_, topic, count, static_cast<uint32_t>(Int(0, kPartitions - 1)));
    events[topic] += static_cast<size_t>(count);
    if (OneIn(4)) {
      ASSERT_THAT(Advance(hub_, topic), IsOk());
    }
    if (OneIn(8)) {  // Another run of the hub.
      hub_.Reopen();
      OpenLake(hub_);
    }
  }
  std::map<std::string, Delivered> before;
  for (const auto& [topic, count] : events) {
    ASSERT_THAT(Advance(hub_, topic), IsOk());
    before[topic] = *hub_.Read(topic);
  }
  TellSettings(hub_);
  hub_.Close();

  BrokerRig restored;
  Prepare(restored);
  restored.clock.Advance(hub_.clock.Now() - restored.clock.Now());
  for (int interruptions = 0;; ++interruptions) {
    LakeRestoreOptions options = OptionsFor(restored);
    const bool cuts = OneIn(2);
    const uint64_t at = static_cast<uint64_t>(Int(1, 8));
    options.progress_events = 500;
    options.progress = [&, calls = uint64_t{0}](const RestoreProgress&) mutable {
      if (interruptions == 6 || ++calls < at) return true;
      if (cuts) restored.disk.Cut();
      return false;
    };
    const absl::Status status = RestoreFromLake(std::move(options)).status();
    if (cuts) restored.disk.Forget();
    if (status.ok()) break;
    ASSERT_LT(interruptions, 6) << status;
    if (!cuts) {  // No hub starts on a part.
      EXPECT_THAT(restored.Open(),
                  StatusIs(StatusCode::kFailedPrecondition, "is being restored from"));
    }
  }
  ASSERT_THAT(restored.Open(), IsOk());
  for (const auto& [topic, read] : before) {
    const absl::StatusOr<Delivered> now = restored.Read(topic);
    ASSERT_THAT(now, IsOk());
    EXPECT_EQ(now->events, read.events);
    // The positions of readers are those of before.
    v1::ReadRequest resume = ReadOf(topic);
    for (const auto& [partition, list] : read.events) {
      v1::PartitionOffset& place = *resume.add_offsets();
      place.set_partition(partition);
      place.set_offset(list.back().offset + 1);
      place.set_run(read.runs.at(partition));
    }
    EXPECT_THAT(restored.Read(resume), IsOk());
  }

  // It continues, and so does the lake. A position behind the end is of another log.
  OpenLake(restored);
  for (const auto& [topic, count] : events) {
    Publish(restored, topic, 10, 0);
    ASSERT_THAT(Advance(restored, topic), IsOk());
    CheckLake(topic, count + 10);
  }
  v1::ReadRequest lost = ReadOf("plain");
  v1::PartitionOffset& place = *lost.add_offsets();
  place.set_offset(before["plain"].events[0].back().offset + 3);
  place.set_run(before["plain"].runs.at(0));
  EXPECT_THAT(restored.Read(lost),
              Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_OTHER_LOG));
}

TEST_F(LakeRestoreTest, WhatCompactionRemovedStaysRemoved) {
  v1::Topic topic;
  topic.set_name("t");
  ASSERT_THAT(hub_.Open(), IsOk());
  Create(topic);
  OpenLake(hub_);
  Publish(hub_, "t", 3, 0);
  ASSERT_THAT(Advance(hub_, "t"), IsOk());
  // Retention deletes events while the topic is not archived: the lake has a gap.
  v1::Topic off = topic;
  off.set_archive(false);
  off.mutable_retention()->mutable_max_age()->set_seconds(1);
  ASSERT_THAT(hub_.Update(off, {"archive", "retention.max_age"}), IsOk());
  Publish(hub_, "t", 4, 0);
  hub_.clock.Advance(absl::Seconds(30));
  hub_.Close();
  hub_.maintenance = MaintenanceOptions();
  hub_.maintenance->retention_interval = absl::Milliseconds(1);
  ASSERT_THAT(hub_.Open(), IsOk());
  while (hub_.Describe("t").start_offset() < 7) hub_.clock.Advance(absl::Seconds(1));
  v1::Topic on = topic;
  on.set_archive(true);
  ASSERT_THAT(hub_.Update(on, {"archive", "retention.max_age"}), IsOk());
  OpenLake(hub_);
  Publish(hub_, "t", 2, 0);
  ASSERT_THAT(Advance(hub_, "t"), IsOk());
  TellSettings(hub_);
  hub_.Close();

  BrokerRig restored;
  Prepare(restored);
  ASSERT_THAT(Restore(restored), IsOk());
  ASSERT_THAT(restored.Open(), IsOk());
  EXPECT_THAT(restored.Read("t")->events[0],
              ElementsAre(Delivered::Event{0, "e-0"}, Delivered::Event{1, "e-1"},
                          Delivered::Event{2, "e-2"}, Delivered::Event{7, "e-7"},
                          Delivered::Event{8, "e-8"}));
}

TEST_F(LakeRestoreTest, AHubOfTheLakeOfAnotherLogArchivesNothing) {
  v1::Topic topic;
  topic.set_name("t");
  ASSERT_THAT(hub_.Open(), IsOk());
  Create(topic);
  OpenLake(hub_);
  Publish(hub_, "t", 10, 0);
  ASSERT_THAT(Advance(hub_, "t"), IsOk());
  TellSettings(hub_);
  BrokerRig restored;
  Prepare(restored);
  ASSERT_THAT(Restore(restored), IsOk());
  ASSERT_THAT(restored.Open(), IsOk());
  OpenLake(restored);
  Publish(restored, "t", 5, 0);
  ASSERT_THAT(Advance(restored, "t"), IsOk());
  restored.Close();
  // The former hub has as many events, but not those.
  Publish(hub_, "t", 5, 0);
  hub_.Reopen();
  OpenLake(hub_);
  EXPECT_THAT(Advance(hub_, "t"),
              StatusIs(StatusCode::kFailedPrecondition, "does not have the same events"));
  CheckLake("t", 15);
}

TEST_F(LakeRestoreTest, RetentionByAgeLeavesOldEventsToTheLake) {
  v1::Topic topic;
  topic.set_name("t");
  topic.mutable_retention()->mutable_max_age()->set_seconds(3600);
  ASSERT_THAT(hub_.Open(), IsOk());
  Create(topic);
  OpenLake(hub_);
  Publish(hub_, "t", 10, 0);
  ASSERT_THAT(Advance(hub_, "t"), IsOk());
  hub_.clock.Advance(absl::Hours(5));
  Publish(hub_, "t", 10, 0);
  ASSERT_THAT(Advance(hub_, "t"), IsOk());
  TellSettings(hub_);
  hub_.Close();
  BrokerRig restored;
  Prepare(restored);
  ASSERT_THAT(Restore(restored), IsOk());
  ASSERT_THAT(restored.Open(), IsOk());
  EXPECT_EQ(restored.Describe("t").start_offset(), 10);
  EXPECT_EQ(restored.Describe("t").end_offset(), 20);
}

}  // namespace
}  // namespace eventhub
