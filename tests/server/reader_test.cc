// Reading: start, stop, frames, and ends of reads.
#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "tests/server/broker_rig.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using Step = TopicReader::Step;

google::protobuf::Timestamp Stamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

class CountingWaiter final : public Watermark::Waiter {
 public:
  void Wake() override { ++wakes; }
  std::atomic<int> wakes{0};
};

// From memory and from disk: the tests are the same.
class ReaderTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (cold()) rig_.tail_cache_bytes = 0;
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create("t", 1), IsOk());
    ASSERT_THAT(rig_.Create("many", 4), IsOk());
  }

  bool cold() const { return GetParam(); }

  // Ten batches of three events: 0 to 29, batch i appended i seconds after the start.
  void Fill() {
    start_ = rig_.clock.Now();
    for (int i = 0; i < 10; ++i) {
      std::vector<std::string> ids;
      for (int k = 0; k < 3; ++k) ids.push_back(std::to_string(3 * i + k));
      ASSERT_EQ(rig_.Publish("t", ids).value_or(-1), 3 * i);
      rig_.clock.Advance(absl::Seconds(1));
    }
  }

  // Returns the first and the last offset that a read delivers; checks that nothing in between is
  // missing.
  std::pair<int64_t, int64_t> Range(const v1::ReadRequest& request) {
    const absl::StatusOr<Delivered> read = rig_.Read(request);
    EXPECT_THAT(read, IsOk());
    if (!read.ok() || !read->events.contains(0)) return {-1, -1};
    const auto& events = read->events.at(0);
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].offset, events[0].offset + static_cast<int64_t>(i));
      EXPECT_EQ(events[i].id, std::to_string(events[i].offset));
    }
    EXPECT_EQ(read->start.at(0), events[0].offset);
    return {events.front().offset, events.back().offset};
  }

  std::unique_ptr<TopicReader> Follow(const std::string& topic) {
    v1::ReadRequest request = ReadOf(topic);
    request.set_follow(true);
    auto reader = rig_.broker().readers().Open(kTester, request);
    EXPECT_THAT(reader, IsOk());
    return *std::move(reader);
  }

  BrokerRig rig_;
  absl::Time start_;
};

INSTANTIATE_TEST_SUITE_P(All, ReaderTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Disk" : "Memory"; });

TEST_P(ReaderTest, StartsAtRequestedOffset) {
  Fill();
  v1::ReadRequest request = ReadOf("t");
  EXPECT_THAT(Range(request), Pair(0, 29));
  request.mutable_start()->set_earliest(true);
  EXPECT_THAT(Range(request), Pair(0, 29));
  request.mutable_start()->set_offset(0);
  EXPECT_THAT(Range(request), Pair(0, 29));
  request.mutable_start()->set_offset(7);
  EXPECT_THAT(Range(request), Pair(7, 29));
  request.mutable_start()->set_offset(29);
  EXPECT_THAT(Range(request), Pair(29, 29));
  request.mutable_start()->set_latest(true);
  EXPECT_THAT(Range(request), Pair(-1, -1));
  request.mutable_start()->set_offset(30);
  EXPECT_THAT(Range(request), Pair(-1, -1));
  for (const int64_t offset : {int64_t{31}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    request.mutable_start()->set_offset(offset);
    const auto refused = rig_.Read(request);
    EXPECT_THAT(refused,
                Refused(StatusCode::kOutOfRange, v1::ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
    EXPECT_EQ(DetailOf(refused.status())->earliest_offset(), 0);
    EXPECT_EQ(DetailOf(refused.status())->end_offset(), 30);
  }
}

TEST_P(ReaderTest, StartsAtTimestamp) {
  Fill();
  v1::ReadRequest request = ReadOf("t");
  const auto from = [&](absl::Time time) {
    *request.mutable_start()->mutable_timestamp() = Stamp(time);
    return Range(request).first;
  };
  EXPECT_EQ(from(start_ - absl::Hours(1)), 0);
  EXPECT_EQ(from(start_), 0);
  EXPECT_EQ(from(start_ + absl::Microseconds(1)), 3);
  EXPECT_EQ(from(start_ + absl::Seconds(4)), 12);
  EXPECT_EQ(from(start_ + absl::Seconds(9)), 27);
  EXPECT_EQ(from(start_ + absl::Seconds(10)), -1);
}

TEST_P(ReaderTest, PartitionOffsetsOverrideStart) {
  for (uint32_t p = 0; p < 4; ++p) ASSERT_THAT(rig_.Publish("many", {"a", "b", "c"}, p), IsOk());
  v1::ReadRequest request = ReadOf("many");
  request.mutable_start()->set_offset(2);
  v1::PartitionOffset& one = *request.add_offsets();
  one.set_partition(1);
  one.set_offset(1);
  v1::PartitionOffset& three = *request.add_offsets();
  three.set_partition(3);
  three.set_offset(3);
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read(request));
  EXPECT_THAT(read.start, ElementsAre(Pair(0, 2), Pair(1, 1), Pair(2, 2), Pair(3, 3)));
  EXPECT_THAT(read.Ids(0), ElementsAre("c"));
  EXPECT_THAT(read.Ids(1), ElementsAre("b", "c"));
  EXPECT_THAT(read.Ids(3), IsEmpty());
}

TEST_P(ReaderTest, ReadsOnlyNamedPartitions) {
  for (uint32_t p = 0; p < 4; ++p) ASSERT_THAT(rig_.Publish("many", {"a"}, p), IsOk());
  v1::ReadRequest request = ReadOf("many");
  request.add_partitions(3);
  request.add_partitions(1);
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read(request));
  EXPECT_THAT(read.events, SizeIs(2));
  EXPECT_THAT(read.start, ElementsAre(Pair(1, 0), Pair(3, 0)));
  request.add_partitions(4);
  EXPECT_THAT(rig_.Read(request),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_PARTITION_NOT_FOUND));
  request.set_partitions(2, 3);
  EXPECT_THAT(rig_.Read(request),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
}

TEST_P(ReaderTest, StopsAtOffset) {
  Fill();
  v1::ReadRequest request = ReadOf("t");
  for (const int64_t stop : {1, 3, 7, 29, 30}) {
    request.set_stop_offset(stop);
    EXPECT_THAT(Range(request), Pair(0, stop - 1));
  }
  request.set_stop_offset(1000);  // Beyond the end: stops at the end.
  EXPECT_THAT(Range(request), Pair(0, 29));
  EXPECT_TRUE(rig_.Read(request)->at_end);
  request.set_stop_offset(0);
  EXPECT_THAT(Range(request), Pair(-1, -1));
  request.mutable_start()->set_offset(10);
  request.set_stop_offset(5);
  EXPECT_THAT(Range(request), Pair(-1, -1));
  EXPECT_TRUE(rig_.Read(request)->at_end);
  request.set_stop_offset(-1);
  EXPECT_THAT(rig_.Read(request), StatusIs(StatusCode::kInvalidArgument, "stop_offset"));
}

TEST_P(ReaderTest, StopsAtTimestamp) {
  Fill();
  v1::ReadRequest request = ReadOf("t");
  const auto last = [&](absl::Time time) {
    *request.mutable_stop_time() = Stamp(time);
    const int64_t offset = Range(request).second;
    EXPECT_TRUE(rig_.Read(request)->at_end);
    return offset;
  };
  EXPECT_EQ(last(start_), -1);
  EXPECT_EQ(last(start_ + absl::Microseconds(1)), 2);
  EXPECT_EQ(last(start_ + absl::Seconds(5)), 14);
  EXPECT_EQ(last(start_ + absl::Hours(1)), 29);
}

TEST_P(ReaderTest, EndsAtTheInitialEnd) {
  ASSERT_THAT(rig_.Publish("t", {"0", "1"}), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, ReadOf("t")));
  ASSERT_THAT(rig_.Publish("t", {"2"}), IsOk());
  ASSERT_OK_AND_ASSIGN(const Delivered read, BrokerRig::Drain(*reader));
  EXPECT_THAT(read.Ids(), ElementsAre("0", "1"));
  EXPECT_TRUE(read.at_end);
}

TEST_P(ReaderTest, FirstFrameHasOnlyStartOffsets) {
  ASSERT_THAT(rig_.Publish("t", {"0"}), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, ReadOf("t")));
  ASSERT_OK_AND_ASSIGN(const Delivered first, BrokerRig::Drain(*reader, 1));
  EXPECT_THAT(first.start, ElementsAre(Pair(0, 0)));
  EXPECT_THAT(first.events, IsEmpty());
  EXPECT_EQ(first.caught_up, 0);
}

TEST_P(ReaderTest, ReportsCaughtUpOncePerHead) {
  for (const char* topic : {"t", "many"}) {
    const auto reader = Follow(topic);
    // Nothing is there: reported at once, and only once.
    ASSERT_OK_AND_ASSIGN(const Delivered empty, BrokerRig::Drain(*reader));
    EXPECT_EQ(empty.caught_up, 1);
    ASSERT_OK_AND_ASSIGN(const Delivered nothing, BrokerRig::Drain(*reader));
    EXPECT_EQ(nothing.frames, 0);
    // And again after new events.
    for (int i = 0; i < 3; ++i) {
      ASSERT_THAT(rig_.Publish(topic, {"a", "b"}), IsOk());
      ASSERT_OK_AND_ASSIGN(const Delivered more, BrokerRig::Drain(*reader));
      EXPECT_THAT(more.Ids(), ElementsAre("a", "b"));
      EXPECT_EQ(more.caught_up, 1);
      EXPECT_FALSE(more.at_end);
    }
  }
  EXPECT_EQ(rig_.Read("t")->caught_up, 1);
  EXPECT_EQ(rig_.Read("many")->caught_up, 1);
}

TEST_P(ReaderTest, FollowsUntilStopOffset) {
  v1::ReadRequest request = ReadOf("t");
  request.set_follow(true);
  request.set_stop_offset(3);
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, request));
  ASSERT_THAT(rig_.Publish("t", {"0", "1"}), IsOk());
  ASSERT_OK_AND_ASSIGN(Delivered read, BrokerRig::Drain(*reader));
  EXPECT_FALSE(read.at_end);
  ASSERT_THAT(rig_.Publish("t", {"2", "3"}), IsOk());
  ASSERT_OK_AND_ASSIGN(read, BrokerRig::Drain(*reader));
  EXPECT_THAT(read.Ids(), ElementsAre("2"));
  EXPECT_TRUE(read.at_end);
}

TEST_P(ReaderTest, WakesForNewEvents) {
  for (const bool single : {true, false}) {
    v1::ReadRequest request = ReadOf("many");
    request.set_follow(true);
    if (single) request.add_partitions(2);
    request.mutable_start()->set_latest(true);
    ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, request));
    ASSERT_THAT(BrokerRig::Drain(*reader), IsOk());
    CountingWaiter waiter;
    ASSERT_TRUE(reader->NotifyWhenMore(waiter));
    ASSERT_THAT(rig_.Publish("many", {"a"}, 2), IsOk());
    EXPECT_EQ(waiter.wakes, 1);
    // Events appended since the last look need no wait.
    EXPECT_FALSE(reader->NotifyWhenMore(waiter));
    EXPECT_THAT(BrokerRig::Drain(*reader)->Ids(2), ElementsAre("a"));
    ASSERT_TRUE(reader->NotifyWhenMore(waiter));
    EXPECT_TRUE(reader->CancelNotify(waiter));
    EXPECT_EQ(waiter.wakes, 1);
  }
}

TEST_P(ReaderTest, FollowsAddedPartitions) {
  const auto reader = Follow("t");
  ASSERT_THAT(BrokerRig::Drain(*reader), IsOk());
  CountingWaiter waiter;
  ASSERT_TRUE(reader->NotifyWhenMore(waiter));
  v1::Topic topic;
  topic.set_name("t");
  topic.set_partitions(3);
  ASSERT_THAT(rig_.Update(topic, {"partitions"}), IsOk());
  EXPECT_EQ(waiter.wakes, 1);
  ASSERT_THAT(rig_.Publish("t", {"a"}, 2), IsOk());
  ASSERT_OK_AND_ASSIGN(const Delivered read, BrokerRig::Drain(*reader));
  EXPECT_THAT(read.start, ElementsAre(Pair(1, 0), Pair(2, 0)));
  EXPECT_THAT(read.Ids(2), ElementsAre("a"));
  EXPECT_EQ(read.caught_up, 1);
  ASSERT_TRUE(reader->NotifyWhenMore(waiter));
  ASSERT_THAT(rig_.Publish("t", {"b"}, 1), IsOk());
  EXPECT_EQ(waiter.wakes, 2);
  EXPECT_THAT(BrokerRig::Drain(*reader)->Ids(1), ElementsAre("b"));
}

TEST_P(ReaderTest, EndsWhenTheTopicIsDeleted) {
  for (const bool single : {true, false}) {
    ASSERT_THAT(rig_.Create("gone", 2), IsOk());
    ASSERT_THAT(rig_.Publish("gone", {"a"}), IsOk());
    v1::ReadRequest request = ReadOf("gone");
    request.set_follow(true);
    if (single) request.add_partitions(0);
    ASSERT_OK_AND_ASSIGN(const auto waiting, rig_.broker().readers().Open(kTester, request));
    ASSERT_OK_AND_ASSIGN(const auto in_the_middle, rig_.broker().readers().Open(kTester, request));
    ASSERT_THAT(BrokerRig::Drain(*waiting), IsOk());
    ASSERT_THAT(BrokerRig::Drain(*in_the_middle, 1), IsOk());
    CountingWaiter waiter;
    ASSERT_TRUE(waiting->NotifyWhenMore(waiter));
    ASSERT_THAT(rig_.Delete("gone"), IsOk());
    EXPECT_EQ(waiter.wakes, 1);
    for (TopicReader* reader : {waiting.get(), in_the_middle.get()}) {
      EXPECT_FALSE(reader->NotifyWhenMore(waiter));
      EXPECT_THAT(BrokerRig::Drain(*reader),
                  Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
    }
    // A new topic with that name is a different one.
    ASSERT_THAT(rig_.Create("gone", 2), IsOk());
    EXPECT_THAT(BrokerRig::Drain(*waiting), StatusIs(StatusCode::kNotFound));
    ASSERT_THAT(rig_.Delete("gone"), IsOk());
  }
}

TEST_P(ReaderTest, LimitsFrameSize) {
  v1::PublishStreamRequest publish = MakeRequest("t", {});
  for (int i = 0; i < 100; ++i) {
    *publish.add_events() = MakeEvent(std::to_string(i), "", std::string(i % 7 * 200, 'x'));
  }
  for (int i = 0; i < 3; ++i) ASSERT_THAT(rig_.Publish(publish), IsOk());
  v1::ReadRequest request = ReadOf("t");
  request.set_max_response_bytes(4096);
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read(request));
  EXPECT_LE(read.largest_frame, 4096u);
  EXPECT_LT(read.frames, 120);  // 190 KB: every frame but the last ones is at least half full.
  ASSERT_THAT(read.events.at(0), SizeIs(300));
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(read.events.at(0)[i], (Delivered::Event{i, std::to_string(i % 100)}));
  }
  for (const uint32_t bad : {1u, 4095u, 4'000'001u}) {
    request.set_max_response_bytes(bad);
    EXPECT_THAT(rig_.Read(request), StatusIs(StatusCode::kInvalidArgument, "max_response_bytes"));
  }
}

// A filter that excludes most of a partition does not delay the others.
TEST_P(ReaderTest, FilteredPartitionTakesTurnsWithOthers) {
  for (int batch = 0; batch < 20; ++batch) {
    v1::PublishStreamRequest publish = MakeRequest("many", {});
    for (int i = 0; i < 50; ++i) {
      v1::Event event = MakeEvent(i == 0 ? "found" : "other", "", std::string(3000, 'x'));
      event.set_type(event.id());
      *publish.add_events() = event;
    }
    publish.set_partition(0);
    ASSERT_THAT(rig_.Publish(publish), IsOk());
  }
  v1::PublishStreamRequest publish = MakeRequest("many", {});
  *publish.add_events() = MakeEvent("waits");
  publish.mutable_events(0)->set_type("found");
  publish.set_partition(3);
  ASSERT_THAT(rig_.Publish(publish), IsOk());

  v1::ReadRequest request = ReadOf("many");
  (*request.mutable_filter()->mutable_exact()->mutable_values())["type"] = "found";
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, request));
  int frames = 0;  // Of partition 0, before the first of the other.
  for (bool served = false; !served;) {
    Frame frame;
    ASSERT_OK_AND_ASSIGN(const TopicReader::Step step, reader->Poll(&frame));
    ASSERT_NE(step, TopicReader::Step::kEnd);
    if (step == TopicReader::Step::kCold) {
      ASSERT_THAT(reader->ReadCold(&frame), IsOk());
    }
    bool other = false;
    for (const Delivery& delivery : frame.deliveries) {
      served |= delivery.partition == PartitionId(3);
      other |= delivery.partition == PartitionId(0);
    }
    if (other && !served) ++frames;
  }
  EXPECT_LE(frames, 1);
}

// Nor are events delayed that did not fit beside those of a busy partition.
TEST_P(ReaderTest, EventThatDoesNotFitComesFirstNextTime) {
  const auto publish = [this](uint32_t partition, const std::string& id, size_t bytes) {
    v1::PublishStreamRequest request = MakeRequest("many", {});
    *request.add_events() = MakeEvent(id, "", std::string(bytes, 'x'));
    request.set_partition(partition);
    ASSERT_THAT(rig_.Publish(request), IsOk());
  };
  publish(1, "large", 3500);
  v1::ReadRequest request = ReadOf("many");
  request.set_follow(true);
  request.set_max_response_bytes(4096);
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, request));
  int frames = 0;
  for (bool served = false; !served; ++frames) {
    ASSERT_LT(frames, 10);
    publish(0, "small", 1000);
    Frame frame;
    while (frame.deliveries.empty()) {
      frame = Frame();
      ASSERT_OK_AND_ASSIGN(const TopicReader::Step step, reader->Poll(&frame));
      if (step == TopicReader::Step::kCold) {
        ASSERT_THAT(reader->ReadCold(&frame), IsOk());
      }
    }
    for (const Delivery& delivery : frame.deliveries) {
      served |= delivery.partition == PartitionId(1);
    }
  }
  EXPECT_LE(frames, 2);
}

// A reader whose stream keeps breaking is not served only the first partitions.
TEST_P(ReaderTest, ResumedReaderServesMostDelayedPartitionFirst) {
  for (uint32_t p = 0; p < 4; ++p) {
    for (uint32_t i = 0; i < 3 + p % 3; ++i) {
      v1::PublishStreamRequest publish = MakeRequest("many", {});
      *publish.add_events() = MakeEvent("e", "", std::string(3000, 'x'));
      publish.set_partition(p);
      ASSERT_THAT(rig_.Publish(publish), IsOk());
    }
  }
  std::vector<int64_t> next(4, 0);
  std::vector<int64_t> left = {3, 4, 5, 3};
  for (int i = 0; i < 15; ++i) {
    v1::ReadRequest request = ReadOf("many");
    request.set_max_response_bytes(4096);  // One event.
    for (uint32_t p = 0; p < 4; ++p) {
      v1::PartitionOffset& offset = *request.add_offsets();
      offset.set_partition(p);
      offset.set_offset(next[p]);
    }
    ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, request));
    Frame frame;
    while (frame.deliveries.empty()) {
      frame = Frame();
      ASSERT_OK_AND_ASSIGN(const TopicReader::Step step, reader->Poll(&frame));
      if (step == TopicReader::Step::kCold) {
        ASSERT_THAT(reader->ReadCold(&frame), IsOk());
      }
    }
    const uint32_t served = frame.deliveries[0].partition.value();
    EXPECT_EQ(left[served], *std::max_element(left.begin(), left.end())) << i;
    ++next[served];
    --left[served];
  }
}

TEST_P(ReaderTest, OversizedEventGetsItsOwnFrame) {
  v1::PublishStreamRequest publish = MakeRequest("t", {"0"});
  *publish.add_events() = MakeEvent("1", "", std::string(50'000, 'x'));
  *publish.add_events() = MakeEvent("2");
  ASSERT_THAT(rig_.Publish(publish), IsOk());
  v1::ReadRequest request = ReadOf("t");
  request.set_max_response_bytes(4096);
  ASSERT_OK_AND_ASSIGN(const Delivered read, rig_.Read(request));
  EXPECT_THAT(read.Ids(), ElementsAre("0", "1", "2"));
  EXPECT_LT(read.largest_frame, 50'100u);
}

// The next events of a slow reader are read from disk, and it soon catches up.
TEST_P(ReaderTest, FallsBackToTheDiskAndCatchesUp) {
  rig_.Close();
  rig_.tail_cache_bytes = cold() ? 0 : 20'000;
  ASSERT_THAT(rig_.Open(), IsOk());
  const auto reader = Follow("many");
  std::map<uint32_t, int> seen;
  for (int i = 0; i < 300; ++i) {
    for (uint32_t p = 0; p < 4; ++p) {
      v1::PublishStreamRequest publish = MakeRequest("many", {});
      *publish.add_events() = MakeEvent(std::to_string(i), "", std::string(300, 'x'));
      publish.set_partition(p);
      publish.set_durability(v1::DURABILITY_WRITTEN);
      ASSERT_THAT(rig_.Publish(publish), IsOk());
    }
    if (i % 50 > 3) continue;  // Sometimes far behind, sometimes at the head.
    ASSERT_OK_AND_ASSIGN(const Delivered read, BrokerRig::Drain(*reader));
    for (const auto& [partition, events] : read.events) {
      for (const Delivered::Event& event : events) {
        ASSERT_EQ(event.offset, seen[partition]);
        ASSERT_EQ(event.id, std::to_string(seen[partition]++));
      }
    }
    for (uint32_t p = 0; p < 4; ++p) ASSERT_EQ(seen[p], i + 1);
  }
  EXPECT_GT(rig_.broker().GetStats(kTester).cold_reads(), 0u);
  EXPECT_EQ(rig_.broker().GetStats(kTester).tail_cache_hits() > 0, !cold());
}

// Readers on their own threads, in parallel to the commit thread.
TEST_P(ReaderTest, ConcurrentFollowersSeeEveryEvent) {
  class Follower final : public Watermark::Waiter {
   public:
    explicit Follower(std::unique_ptr<TopicReader> reader) : reader_(std::move(reader)) {}
    void Wake() override { woken = true; }

    // Until `count` events were delivered.
    void Run(int64_t count) {
      while (next < count) {
        const auto read = BrokerRig::Drain(*reader_);
        ASSERT_THAT(read, IsOk());
        for (const auto& [partition, events] : read->events) {
          for (const Delivered::Event& event : events) ASSERT_EQ(event.offset, next++);
        }
        woken = false;
        if (next < count && reader_->NotifyWhenMore(*this)) {
          ASSERT_TRUE(Eventually([this] { return woken.load(); }));
        }
      }
    }

    int64_t next = 0;
    std::atomic<bool> woken{false};

   private:
    const std::unique_ptr<TopicReader> reader_;
  };
  constexpr int kRequests = 300;
  std::vector<std::unique_ptr<Follower>> followers;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    followers.push_back(std::make_unique<Follower>(Follow("t")));
    threads.emplace_back([follower = followers.back().get()] { follower->Run(2 * kRequests); });
  }
  std::atomic<int> done{0};
  for (int i = 0; i < kRequests; ++i) {
    v1::PublishStreamRequest request = MakeRequest("t", {"a", "b"});
    if (i % 3 != 0) request.set_durability(v1::DURABILITY_WRITTEN);
    rig_.broker().publishing().Publish(
        kTester, ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString())).value(),
        [&](const absl::StatusOr<v1::PublishResult>& result) { done += result.ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Eventually([&] { return done == kRequests; }));
  for (const auto& follower : followers) EXPECT_EQ(follower->next, 2 * kRequests);
}

TEST_P(ReaderTest, FollowerEndsAtStopTime) {
  v1::ReadRequest request = ReadOf("many");
  request.set_follow(true);
  *request.mutable_stop_time() = Stamp(rig_.clock.Now() + absl::Milliseconds(2500));
  const auto reader = rig_.broker().readers().Open(kTester, request);
  ASSERT_THAT(reader, IsOk());
  const auto next_look = [&] {
    rig_.clock.Advance(absl::Seconds(1));
    rig_.broker().subscriptions().RunDue();
  };
  ASSERT_THAT(rig_.Publish("many", {"a"}), IsOk());
  next_look();
  absl::StatusOr<Delivered> read = BrokerRig::Drain(**reader);
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->Ids(), ElementsAre("a"));
  EXPECT_FALSE(read->at_end);
  next_look();
  CountingWaiter waiter;
  EXPECT_FALSE(BrokerRig::Drain(**reader)->at_end);
  ASSERT_TRUE((*reader)->NotifyWhenMore(waiter));
  next_look();
  ASSERT_TRUE(Eventually([&] { return waiter.wakes == 1; }));
  ASSERT_THAT(rig_.Publish("many", {"later"}), IsOk());
  read = BrokerRig::Drain(**reader);
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->events, IsEmpty());
  EXPECT_TRUE(read->at_end);
}

TEST_P(ReaderTest, FollowerFailsAtStopTimeIfOutcomeIsUnknown) {
  v1::ReadRequest request = ReadOf("t");
  request.set_follow(true);
  *request.mutable_stop_time() = Stamp(rig_.clock.Now() + absl::Milliseconds(500));
  ASSERT_OK_AND_ASSIGN(const auto reader, rig_.broker().readers().Open(kTester, request));
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  rig_.disk.FailWrites(FaultEnv::Fault::kIoError);
  EXPECT_THAT(rig_.Publish("t", {"in doubt"}), StatusIs(StatusCode::kUnavailable, ""));
  ASSERT_OK_AND_ASSIGN(const Delivered read, BrokerRig::Drain(*reader));
  EXPECT_THAT(read.Ids(), ElementsAre("a"));
  CountingWaiter waiter;
  ASSERT_TRUE(reader->NotifyWhenMore(waiter));
  rig_.clock.Advance(absl::Seconds(1));
  rig_.broker().subscriptions().RunDue();
  ASSERT_TRUE(Eventually([&] { return waiter.wakes == 1; }));
  EXPECT_THAT(BrokerRig::Drain(*reader), StatusIs(StatusCode::kUnavailable, ""));
  rig_.disk.FailWrites(FaultEnv::Fault::kNone);
}

TEST_P(ReaderTest, FollowerWithPastStopTimeReadsEarlierEvents) {
  Fill();
  for (const std::string topic : {"t", "many"}) {
    v1::ReadRequest request = ReadOf(topic);
    request.set_follow(true);
    *request.mutable_stop_time() = Stamp(start_ + absl::Milliseconds(4500));
    const auto reader = rig_.broker().readers().Open(kTester, request);
    ASSERT_THAT(reader, IsOk());
    Delivered all;
    ASSERT_TRUE(Eventually([&] {
      const auto read = BrokerRig::Drain(**reader);
      EXPECT_THAT(read, IsOk());
      for (const auto& [partition, events] : read->events) {
        all.events[partition].insert(all.events[partition].end(), events.begin(), events.end());
      }
      return read->at_end;
    }));
    EXPECT_EQ(all.events[0].size(), topic == "t" ? 15u : 0u);
  }
}

}  // namespace
}  // namespace eventhub
