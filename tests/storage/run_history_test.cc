// Runs: recorded, found again, and deleted.
#include "storage/run_history.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/key_codec.h"
#include "tests/storage/log_rig.h"
#include "tests/support/status_matchers.h"

namespace eventhub {
namespace {

constexpr TopicId kTopic = LogRig::kTopic;

class RunHistoryTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  // Appends one event, in its own run.
  void AppendRun(TopicId topic = kTopic) {
    rig_.Reopen();
    ASSERT_THAT(rig_.Append(rig_.log(0, topic), EventRegion(1), 1, /*synced=*/false), IsOk());
  }
  LogRun Find(int64_t offset, TopicId topic = kTopic) {
    const absl::StatusOr<LogRun> run =
        rig_.store().runs().Find(topic, PartitionId(0), Offset(offset));
    EXPECT_THAT(run, IsOk());
    return run.value_or(LogRun());
  }
  std::optional<LogRun> FindId(uint64_t id) {
    const auto run = rig_.store().runs().FindId(kTopic, PartitionId(0), id);
    EXPECT_THAT(run, IsOk());
    return run.value_or(std::nullopt);
  }
  // Returns the number of runs recorded for a topic.
  int Noted(TopicId topic = kTopic) {
    int count = 0;
    EXPECT_THAT(
        rig_.store().Scan(Column::kMeta, RunPrefix(topic),
                          [&](absl::string_view, absl::string_view) { return ++count > 0; }),
        IsOk());
    return count;
  }

  static std::string EventRegion(int events) {
    std::string region;
    for (int i = 0; i < events; ++i) region += std::string("\x7a\x01x", 3);
    return region;
  }

  LogRig rig_{FaultEnv::Medium::kMemory};
};

TEST_F(RunHistoryTest, RecordsRunWithFirstAppend) {
  AppendRun();
  ASSERT_THAT(rig_.Append(rig_.log(0), EventRegion(2), 2, /*synced=*/false), IsOk());
  EXPECT_EQ(Noted(), 1);
  const LogRun first = Find(0);
  EXPECT_EQ(first.id, rig_.store().runs().current(kTopic));
  EXPECT_EQ(first.first, Offset(0));
  EXPECT_EQ(first.end, Offset::Max());
  rig_.Reopen();
  EXPECT_EQ(Noted(), 1) << "nothing was appended";
  EXPECT_FALSE(rig_.log(0).run_begun());
  AppendRun();
  EXPECT_EQ(rig_.log(0).run_start(), Offset(3));
  for (const int64_t offset : {0, 2}) {
    EXPECT_EQ(Find(offset).id, first.id);
    EXPECT_EQ(Find(offset).end, Offset(3));
  }
  const LogRun second = Find(3);
  EXPECT_NE(second.id, first.id);
  EXPECT_EQ(second.first, Offset(3));
  EXPECT_EQ(FindId(first.id)->end, Offset(3));
  EXPECT_EQ(FindId(second.id)->first, Offset(3));
  EXPECT_FALSE(FindId(second.id + 1).has_value());
}

TEST_F(RunHistoryTest, RunsAreSeparatePerTopic) {
  AppendRun(TopicId(2));
  ASSERT_THAT(rig_.Append(rig_.log(0), EventRegion(1), 1, /*synced=*/false), IsOk());
  EXPECT_NE(Find(0).id, Find(0, TopicId(2)).id);
  ASSERT_THAT(rig_.Commit([](CommitBuilder& commit) { commit.DeleteTopic(TopicId(2)); },
                          /*synced=*/false),
              IsOk());
  EXPECT_EQ(Noted(TopicId(2)), 0);
  EXPECT_EQ(Noted(), 1);
}

TEST_F(RunHistoryTest, DropsTrimmedRunsWhenNextRunStarts) {
  for (int i = 0; i < 5; ++i) AppendRun();
  EXPECT_EQ(Noted(), 5);
  const uint64_t before = Find(2).id;
  ASSERT_THAT(rig_.Trim(rig_.log(0), Offset(3)), IsOk());
  EXPECT_EQ(Noted(), 5) << "a trim costs no look";
  AppendRun();
  EXPECT_EQ(Noted(), 4) << "of the events 2, just before the start, to 5";
  EXPECT_EQ(Find(2).id, before);
  AppendRun();
  EXPECT_EQ(Noted(), 5);
}

TEST_F(RunHistoryTest, UnrecordedEventsBelongToOrigin) {
  rig_.store().runs().SetOrigin(7);
  const LogRun run = Find(5);
  EXPECT_EQ(run.first, Offset(0));
  EXPECT_EQ(run.end, Offset::Max());
  EXPECT_NE(run.id, Find(5, TopicId(2)).id);
  EXPECT_EQ(FindId(run.id)->end, Offset::Max());
  AppendRun();
  rig_.store().runs().SetOrigin(7);
  EXPECT_FALSE(FindId(run.id).has_value()) << "from the first event on, runs are noted";
}

TEST(RunRecordTest, EncodingIsStable) {
  EXPECT_EQ(RunKey(TopicId(1), PartitionId(2), Offset(3)),
            std::string("i\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\3", 17));
  const std::string record = EncodeRunRecord(0x0807060504030201);
  EXPECT_EQ(record, std::string("\1\0\0\0\1\2\3\4\5\6\7\x08", 12));
  EXPECT_EQ(DecodeRunRecord(record).value_or(0), 0x0807060504030201u);
  EXPECT_THAT(DecodeRunRecord(record.substr(1)), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodeRunRecord("\2" + record.substr(1)), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace eventhub
