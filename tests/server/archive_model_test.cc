// Publishing, archiving, retention and compaction under faults: whatever fails, and whenever the
// power is cut, the lake has each event exactly once in the end.
//
// The seed is printed; EVENTHUB_TEST_SEED and EVENTHUB_TEST_STEPS repeat or extend a run.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/archive/archives.h"
#include "storage/base/status_macros.h"
#include "tests/server/broker_rig.h"
#include "tests/server/fake_lake.h"
#include "tests/server/seeded.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

class ArchiveModelTest : public SeededTest {
 protected:
  struct TopicModel {
    std::string name;
    uint32_t id = 0;
    uint32_t partitions = 1;
    std::map<FakeLake::Place, std::string> ids;  // Of all events published.
  };

  void SetUp() override {
    rig_.archive = ArchiveOptions{.limits = {.bytes = 5000, .ranges = 3}, .read_bytes = 500};
    rig_.maintenance = MaintenanceOptions();
    rig_.maintenance->retention_interval = absl::Milliseconds(1);
    rig_.maintenance->compaction_interval = absl::Milliseconds(1);
    rig_.maintenance->compaction.min_bytes = 1;
    rig_.maintenance->retention.archive_lag.bytes = uint64_t{1} << 40;
    rig_.tail_cache_bytes = 5000;
    ASSERT_THAT(rig_.Open(), IsOk());
    for (int i = 0; i < 3; ++i) {
      v1::Topic topic;
      topic.set_name(absl::StrCat("t", i));
      topic.set_partitions(static_cast<uint32_t>(i == 1 ? 5 : 1));
      if (i < 2) topic.mutable_retention()->mutable_max_age()->set_seconds(60);
      if (i == 2) topic.mutable_retention()->mutable_latest_per_key();
      ASSERT_THAT(rig_.Create(topic), IsOk());
      topics_.push_back({topic.name(), static_cast<uint32_t>(i + 1), topic.partitions(), {}});
    }
  }

  void Publish(TopicModel& topic) {
    v1::PublishStreamRequest request = MakeRequest(topic.name, {});
    const int64_t count = Int(1, 5);
    std::vector<std::string> ids;
    for (int64_t i = 0; i < count; ++i) {
      ids.push_back(absl::StrCat("e", ++published_));
      *request.add_events() = MakeEvent(ids.back(), absl::StrCat("key", Int(1, 4)),
                                        std::string(static_cast<size_t>(Int(0, 300)), 'x'));
    }
    const uint32_t partition = static_cast<uint32_t>(Int(0, topic.partitions - 1));
    request.set_partition(partition);
    const absl::StatusOr<v1::PublishResult> result = rig_.Publish(request);
    ASSERT_THAT(result, IsOk());
    int64_t offset = result->placements(0).base_offset();
    for (const std::string& id : ids) topic.ids[{partition, offset++}] = id;
  }

  absl::Status Advance(const std::string& name) {
    Archives& archives = *rig_.broker().archives();
    for (const auto& archive : archives.List()) {
      if (archive->topic()->name() != name) continue;
      return archives.Advance(*archive, lake_, [](size_t) { return absl::OkStatus(); });
    }
    return absl::NotFoundError(name);
  }

  void PowerLoss() {
    disk_cut_ = false;
    rig_.disk.Cut();
    rig_.Close();
    rig_.disk.Forget();
    ASSERT_THAT(rig_.Open(), IsOk());
  }

  // Archives with a fault at a random step: an error, or a power loss, before or after its effect.
  void AdvanceWithFault(const std::string& name) {
    int64_t left = Int(0, 12);
    const bool cut = OneIn(3);
    lake_.SetFault([&, cut](absl::string_view step) {
      if (left-- != 0) return absl::OkStatus();
      if (cut) {
        rig_.disk.Cut();
        disk_cut_ = true;
        // The hub does not see that the power is gone; its next write does.
        if (OneIn(2)) return absl::OkStatus();
      }
      return absl::UnavailableError(absl::StrCat("fault at ", step));
    });
    (void)Advance(name);
    lake_.SetFault(nullptr);
    if (disk_cut_) PowerLoss();
  }

  BrokerRig rig_;
  FakeLake lake_;
  std::vector<TopicModel> topics_;
  int64_t published_ = 0;
  bool disk_cut_ = false;
};

TEST_F(ArchiveModelTest, EachEventIsInTheLakeExactlyOnce) {
  const int steps = Steps(400);
  for (int step = 0; step < steps && !HasFailure(); ++step) {
    TopicModel& topic = topics_[static_cast<size_t>(Int(0, 2))];
    switch (Int(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        Publish(topic);
        break;
      case 4:
        rig_.clock.Advance(absl::Seconds(Int(1, 2000)));  // Sometimes past an hour.
        break;
      case 5:
      case 6:
        ASSERT_THAT(Advance(topic.name), IsOk());
        break;
      case 7:
      case 8:
        AdvanceWithFault(topic.name);
        break;
      case 9:
        if (OneIn(3)) PowerLoss();
        break;
    }
  }
  for (const TopicModel& topic : topics_) {
    const auto lag = [&] {
      return rig_.broker().topics().Get(kTester, topic.name)->archive().lag_events();
    };
    while (lag() > 0) ASSERT_THAT(Advance(topic.name), IsOk());
    EXPECT_EQ(lake_.TopicOf(topic.id).ids, topic.ids) << topic.name;
    const v1::ArchiveStatus status = rig_.broker().topics().Get(kTester, topic.name)->archive();
    EXPECT_EQ(status.missing_events(), 0u);
    EXPECT_EQ(status.archived_events(), topic.ids.size());
    EXPECT_EQ(status.objects(), lake_.TopicOf(topic.id).last_sequence);
  }
  // An intent is written again under its name, so a fault leaves no second object.
  EXPECT_EQ(lake_.orphans(), 0u);
}

}  // namespace
}  // namespace eventhub
