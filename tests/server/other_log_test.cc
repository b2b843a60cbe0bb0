// The log that an offset belongs to: after a topic was recreated, a hub restored, or the power
// lost.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "tests/server/broker_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A client's stored position in a partition.
struct PlaceKept {
  int64_t offset = 0;
  uint64_t run = 0;
};

class OtherLogTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) rig_.tail_cache_bytes = 0;
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create("t", 1), IsOk());
  }

  void Publish(const std::vector<std::string>& ids) { ASSERT_THAT(rig_.Publish("t", ids), IsOk()); }

  static v1::ReadRequest Resume(const PlaceKept& kept) {
    v1::ReadRequest request = ReadOf("t");
    v1::PartitionOffset& place = *request.add_offsets();
    place.set_offset(kept.offset);
    place.set_run(kept.run);
    return request;
  }

  // Reads from `from` to the end, and returns the position there.
  PlaceKept ReadOn(const PlaceKept& from, std::vector<std::string>* ids = nullptr) {
    const absl::StatusOr<Delivered> read = rig_.Read(Resume(from));
    EXPECT_THAT(read, IsOk());
    if (!read.ok()) return from;
    if (ids != nullptr) *ids = read->Ids();
    const auto events = read->events.find(0);
    return {events == read->events.end() ? read->start.at(0) : events->second.back().offset + 1,
            read->runs.at(0)};
  }

  absl::Status Refusal(const PlaceKept& kept) { return rig_.Read(Resume(kept)).status(); }
  // The offset up to which both logs agree; -1: not reported.
  int64_t Agreed(const PlaceKept& kept) {
    const absl::Status status = Refusal(kept);
    EXPECT_THAT(status,
                Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_OTHER_LOG));
    const auto detail = DetailOf(status);
    return detail.has_value() && detail->has_agreed_offset() ? detail->agreed_offset() : -1;
  }

  // All files except the locks, which are not ordinary files in memory.
  std::vector<std::string> Files() {
    std::vector<std::string> files = rig_.disk.Files(rig_.disk.directory());
    std::erase_if(files, [](const std::string& file) { return file.ends_with("/LOCK"); });
    return files;
  }
  // Copies the data directory, possibly while the hub runs.
  std::map<std::string, std::string> Copy() {
    std::map<std::string, std::string> copy;
    for (const std::string& file : Files()) copy[file] = rig_.disk.ReadFile(file);
    return copy;
  }
  void Restore(const std::map<std::string, std::string>& copy) {
    rig_.Close();
    for (const std::string& file : Files()) rig_.disk.DeleteFile(file);
    for (const auto& [file, bytes] : copy) rig_.disk.WriteFile(file, bytes);
    ASSERT_THAT(rig_.Open(), IsOk());
  }

  // Turns the store into one of a hub that recorded no runs, and closes it.
  void ForgetRuns() {
    rig_.Close();
    LogStoreOptions options;
    options.directory = rig_.disk.directory() + "/hub";
    options.env = rig_.disk.env();
    const absl::StatusOr<std::unique_ptr<LogStore>> store = LogStore::Open(options);
    ASSERT_THAT(store, IsOk());
    CommitBuilder commit(**store, rig_.clock.Now(), 0);
    commit.DeletePrefix(Column::kMeta, RunPrefix(TopicId(1)));
    ASSERT_THAT(commit.Write(**store), IsOk());
  }

  BrokerRig rig_;
};

INSTANTIATE_TEST_SUITE_P(All, OtherLogTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Disk" : "Memory"; });

TEST_P(OtherLogTest, PositionsStayValidAcrossRestarts) {
  Publish({"a", "b"});
  const PlaceKept first = ReadOn({});
  EXPECT_EQ(first.offset, 2);
  EXPECT_NE(first.run, 0u);
  rig_.Reopen();
  EXPECT_EQ(ReadOn(first).run, first.run) << "nothing came in between";
  rig_.Reopen();
  Publish({"c"});
  std::vector<std::string> ids;
  const PlaceKept second = ReadOn(first, &ids);
  EXPECT_THAT(ids, ElementsAre("c"));
  EXPECT_NE(second.run, first.run);
  rig_.Reopen();
  Publish({"d"});
  EXPECT_EQ(ReadOn({1, first.run}, &ids).offset, 4);
  EXPECT_THAT(ids, ElementsAre("b", "c", "d"));
  EXPECT_THAT(Refusal(second), IsOk());
}

TEST_P(OtherLogTest, DetectsRecreatedTopic) {
  Publish({"a", "b", "c"});
  const PlaceKept kept = ReadOn({});
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  ASSERT_THAT(rig_.Create("t", 1), IsOk());
  EXPECT_EQ(Agreed(kept), -1) << "beyond its end";
  Publish({"1", "2", "3", "4"});
  EXPECT_EQ(Agreed(kept), -1);
  EXPECT_EQ(DetailOf(Refusal(kept))->end_offset(), 4);
  EXPECT_THAT(Refusal({kept.offset, 0}), IsOk()) << "not asked to check";
  EXPECT_THAT(Refusal({0, kept.run}), IsOk()) << "nothing was read";
}

TEST_P(OtherLogTest, DetectsRestoredBackup) {
  Publish({"a", "b"});
  rig_.Reopen();
  Publish({"c"});
  const PlaceKept inside = ReadOn({});
  rig_.Close();
  const auto backup = Copy();
  ASSERT_THAT(rig_.Open(), IsOk());
  Publish({"d", "e"});
  const PlaceKept beyond = ReadOn({});
  EXPECT_EQ(beyond.offset, 5);

  Restore(backup);
  EXPECT_EQ(Agreed(beyond), -1) << "of the run that wrote d and e it has nothing";
  Publish({"D", "E", "F"});
  EXPECT_EQ(Agreed(beyond), -1);
  std::vector<std::string> ids;
  EXPECT_EQ(ReadOn(inside, &ids).offset, 6);
  EXPECT_THAT(ids, ElementsAre("D", "E", "F"));
}

// The copy ends within a run, and the original hub continues.
TEST_P(OtherLogTest, DetectsRestoredCopyOfRunningHub) {
  Publish({"a", "b"});
  const auto backup = Copy();
  Publish({"c", "d"});
  const PlaceKept of_first = ReadOn({});
  rig_.Close();
  const auto first = Copy();

  Restore(backup);
  EXPECT_EQ(Agreed(of_first), 2) << "beyond the end";
  Publish({"C", "D", "E"});
  EXPECT_EQ(Agreed(of_first), 2);
  const PlaceKept of_second = ReadOn({});
  EXPECT_EQ(of_second.offset, 5);

  // Back to the first, which has events of an older run where the second had others.
  Restore(first);
  Publish({"e", "f"});
  EXPECT_EQ(Agreed(of_second), -1);
  std::vector<std::string> ids;
  EXPECT_EQ(ReadOn(of_first, &ids).offset, 6);
  EXPECT_THAT(ids, ElementsAre("e", "f"));
}

TEST_P(OtherLogTest, DetectsEventsLostInPowerLoss) {
  v1::PublishStreamRequest request;
  request.set_topic("t");
  request.set_durability(v1::DURABILITY_SYNCED);
  *request.add_events() = MakeEvent("a");
  ASSERT_THAT(rig_.Publish(request), IsOk());
  request.set_durability(v1::DURABILITY_WRITTEN);
  ASSERT_THAT(rig_.Publish(request), IsOk());
  const PlaceKept kept = ReadOn({});
  EXPECT_EQ(kept.offset, 2);
  rig_.disk.Cut();
  rig_.Close();
  rig_.disk.Forget();
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_EQ(Agreed(kept), 1);
  Publish({"b", "c"});
  EXPECT_EQ(Agreed(kept), 1);
}

TEST_P(OtherLogTest, ChecksRunOfExpectedOffset) {
  v1::PublishStreamRequest request;
  request.set_topic("t");
  request.set_partition(0);
  *request.add_events() = MakeEvent("a");
  const absl::StatusOr<v1::PublishResult> first = rig_.Publish(request);
  ASSERT_THAT(first, IsOk());
  const uint64_t run = first->placements(0).run();
  EXPECT_EQ(ReadOn({}).run, run);
  request.set_expected_offset(1);
  request.set_expected_run(run + 1);
  EXPECT_THAT(rig_.Publish(request),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OTHER_LOG));
  rig_.Reopen();
  EXPECT_THAT(rig_.Publish(request),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OTHER_LOG));
  request.set_expected_run(run);
  const absl::StatusOr<v1::PublishResult> second = rig_.Publish(request);
  ASSERT_THAT(second, IsOk());
  EXPECT_NE(second->placements(0).run(), run);
  request.set_expected_offset(2);
  EXPECT_THAT(rig_.Publish(request),
              Refused(StatusCode::kAborted, v1::ErrorDetail::REASON_OTHER_LOG));
  request.clear_expected_offset();
  EXPECT_THAT(rig_.Publish(request),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
}

// The reader crosses several runs in one read, and knows its position behind filtered-out events.
TEST_P(OtherLogTest, ReaderReportsRunOfEachBatch) {
  std::vector<uint64_t> runs;
  for (int i = 0; i < 3; ++i) {
    Publish({std::to_string(i)});
    runs.push_back(ReadOn({}).run);
    if (i < 2) rig_.Reopen();
  }
  const auto reader = rig_.broker().readers().Open(kTester, ReadOf("t"));
  ASSERT_THAT(reader, IsOk());
  std::vector<uint64_t> delivered;
  for (TopicReader::Step step = TopicReader::Step::kFrame; step != TopicReader::Step::kEnd;) {
    Frame frame;
    step = *(*reader)->Poll(&frame);
    if (step == TopicReader::Step::kCold) {
      ASSERT_THAT((*reader)->ReadCold(&frame), IsOk());
    }
    for (const Delivery& delivery : frame.deliveries) delivered.push_back(delivery.run);
  }
  EXPECT_EQ(delivered, runs);

  v1::ReadRequest request = ReadOf("t");
  request.mutable_filter()->set_sql("FALSE");
  const auto nothing = rig_.Read(request);
  ASSERT_THAT(nothing, IsOk());
  EXPECT_THAT(nothing->events, IsEmpty());
  EXPECT_EQ(nothing->passed.at(0), 3);
  EXPECT_EQ(nothing->runs.at(0), runs.back());
}

// Directories of hubs that recorded no runs.
TEST_P(OtherLogTest, EventsWithoutRecordedRunShareOneRun) {
  Publish({"a", "b"});
  ForgetRuns();
  const auto old = Copy();
  ASSERT_THAT(rig_.Open(), IsOk());
  const PlaceKept kept = ReadOn({});
  EXPECT_NE(kept.run, 0u);
  Publish({"c"});
  const PlaceKept later = ReadOn({});
  EXPECT_NE(later.run, kept.run);
  Restore(old);
  EXPECT_EQ(ReadOn({}).run, kept.run);
  EXPECT_THAT(Refusal(kept), IsOk());
  Publish({"C"});
  EXPECT_EQ(Agreed(later), -1);
  EXPECT_EQ(Agreed({3, kept.run}), 2);
}

}  // namespace
}  // namespace eventhub
