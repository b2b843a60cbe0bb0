// Reading the history of topics: what the log does not have any more comes from the lake, and goes
// on in the log without a seam.
//
// The seed is printed; EVENTHUB_TEST_SEED and EVENTHUB_TEST_STEPS repeat or extend a run.
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/base/timestamps.h"
#include "server/lake/archive/lake_history.h"
#include "storage/base/status_macros.h"
#include "tests/lake/memory_store.h"
#include "tests/server/history_fixture.h"
#include "tests/support/caller.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using lake::MemoryStore;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using v1::ErrorDetail;

bool IsObject(absl::string_view name) { return absl::EndsWith(name, ".zst"); }

class HistoryTest : public HistoryFixture {
 protected:
  struct Sent {
    std::string id;
    std::string type;
    absl::Time time;
  };
  using Model = std::map<std::pair<uint32_t, int64_t>, Sent>;

  std::vector<std::string> Ids(const v1::ReadRequest& request, uint32_t partition = 0) {
    const absl::StatusOr<Delivered> read = rig_.Read(request);
    EXPECT_THAT(read, IsOk());
    return read.ok() ? read->Ids(partition) : std::vector<std::string>();
  }
  static v1::ReadRequest From(int64_t offset, const std::string& topic = "t") {
    v1::ReadRequest request = ReadOf(topic);
    request.mutable_start()->set_offset(offset);
    return request;
  }
  static v1::ReadRequest Earliest(const std::string& topic = "t") {
    v1::ReadRequest request = ReadOf(topic);
    request.mutable_start()->set_earliest(true);
    return request;
  }
  static v1::ReadRequest Retained(const std::string& topic = "t") {
    v1::ReadRequest request = ReadOf(topic);
    request.mutable_start()->set_retained(true);
    return request;
  }

  void FailObjects(const absl::Status& status) {
    store_.set_faults([status](MemoryStore::Call call, absl::string_view name) {
      const bool fails = call == MemoryStore::Call::kGet && IsObject(name);
      return MemoryStore::Fault{fails ? status : absl::OkStatus()};
    });
  }

  // Publishes random events to a random partition.
  void PublishRandom(uint32_t partitions, Model* model) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    const auto partition = static_cast<uint32_t>(Int(0, partitions - 1));
    request.set_partition(partition);
    std::vector<Sent> sent;
    for (int64_t i = Int(1, 6); i > 0; --i) {
      v1::Event event = MakeEvent(absl::StrCat("e", ++published_), absl::StrCat("k", Int(1, 4)),
                                  std::string(static_cast<size_t>(Int(0, 400)), 'x'));
      event.set_type(absl::StrCat("type.", Int(1, 4)));
      sent.push_back({event.id(), event.type(), rig_.clock.Now()});
      *request.add_events() = std::move(event);
    }
    const absl::StatusOr<v1::PublishResult> result = rig_.Publish(request);
    ASSERT_THAT(result, IsOk());
    int64_t offset = result->placements(0).base_offset();
    for (Sent& event : sent) (*model)[{partition, offset++}] = std::move(event);
  }

  // A random read, and what it must give.
  void CheckRandomRead(uint32_t partitions, const Model& model) {
    v1::ReadRequest request = ReadOf("t");
    if (OneIn(2)) request.set_max_response_bytes(static_cast<uint32_t>(Int(4096, 20'000)));
    const absl::Time first = model.begin()->second.time;
    const auto random_time = [&] {
      return absl::Trunc((rig_.clock.Now() - first) * (static_cast<double>(Int(0, 1000)) / 1000),
                         absl::Microseconds(1)) +
             first;
    };
    std::string type;
    if (OneIn(2)) {
      type = absl::StrCat("type.", Int(1, 5));
      request.mutable_filter()->set_sql(absl::StrCat("type = '", type, "'"));
    }
    int64_t from_offset = 0;
    absl::Time from_time = absl::InfinitePast();
    std::vector<uint32_t> wanted;
    switch (Int(0, 3)) {
      case 0:
        request.mutable_start()->set_earliest(true);
        break;
      case 1: {
        const auto partition = static_cast<uint32_t>(Int(0, partitions - 1));
        wanted = {partition};
        from_offset = Int(0, rig_.Describe("t", partition).end_offset());
        request.add_partitions(partition);
        request.mutable_start()->set_offset(from_offset);
        break;
      }
      case 2:
        from_time = random_time();
        *request.mutable_start()->mutable_timestamp() = TimestampOf(from_time);
        break;
      case 3:
        break;
    }
    for (uint32_t p = 0; request.partitions().empty() && p < partitions; ++p) wanted.push_back(p);
    int64_t to_offset = INT64_MAX;
    absl::Time to_time = absl::InfiniteFuture();
    if (OneIn(4)) request.set_stop_offset(to_offset = Int(0, 200));
    if (OneIn(4)) {
      to_time = random_time();
      *request.mutable_stop_time() = TimestampOf(to_time);
    }
    const absl::StatusOr<Delivered> read = rig_.Read(request);
    ASSERT_THAT(read, IsOk()) << request.DebugString();
    EXPECT_TRUE(read->at_end);
    for (const uint32_t partition : wanted) {
      std::vector<Delivered::Event> expected;
      for (const auto& [place, event] : model) {
        if (place.first != partition || place.second < from_offset || place.second >= to_offset ||
            event.time < from_time || event.time >= to_time) {
          continue;
        }
        if (type.empty() || event.type == type) expected.push_back({place.second, event.id});
      }
      const auto found = read->events.find(partition);
      const auto events =
          found == read->events.end() ? std::vector<Delivered::Event>() : found->second;
      EXPECT_EQ(events, expected) << "partition " << partition << ", " << request.DebugString();
    }
  }

  int64_t published_ = 0;
};

TEST_F(HistoryTest, GoesOnInTheLogWithoutASeam) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  EXPECT_FALSE(rig_.Describe("t").has_history_start_offset());
  Bury();
  ASSERT_THAT(rig_.Publish("t", {"d", "e"}), IsOk());
  EXPECT_EQ(rig_.Describe("t").start_offset(), 3);
  EXPECT_EQ(rig_.Describe("t").history_start_offset(), 0);
  EXPECT_THAT(Ids(Earliest()), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(Ids(ReadOf("t")), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(Ids(From(1)), ElementsAre("b", "c", "d", "e"));
  EXPECT_THAT(Ids(From(3)), ElementsAre("d", "e"));
  EXPECT_THAT(Ids(Retained()), ElementsAre("d", "e"));
  v1::ReadRequest some = From(1);
  some.set_stop_offset(4);
  EXPECT_THAT(Ids(some), ElementsAre("b", "c", "d"));
  Restart();
  EXPECT_EQ(rig_.Describe("t").history_start_offset(), 0);
  EXPECT_THAT(Ids(Earliest()), ElementsAre("a", "b", "c", "d", "e"));
}

TEST_F(HistoryTest, SaysWhereItStarts) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const absl::Time later = rig_.clock.Now() + absl::Seconds(1);
  rig_.clock.Advance(absl::Seconds(2));
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  Bury();
  v1::ReadRequest at = ReadOf("t");
  *at.mutable_start()->mutable_timestamp() = TimestampOf(later);
  const absl::StatusOr<Delivered> read = rig_.Read(at);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->start.at(0), 2);
  EXPECT_THAT(read->Ids(), ElementsAre("c"));
  EXPECT_EQ(rig_.Read(Earliest())->start.at(0), 0);
  EXPECT_EQ(rig_.Read(Retained())->start.at(0), 3);
  *at.mutable_start()->mutable_timestamp() = TimestampOf(rig_.clock.Now() + absl::Hours(1));
  EXPECT_EQ(rig_.Read(at)->start.at(0), 3);
}

TEST_F(HistoryTest, GivesEverythingInOrder) {
  constexpr uint32_t kPartitions = 3;
  Create("t", kPartitions, 300);
  Model model;
  PublishRandom(kPartitions, &model);
  const int steps = Steps(300);
  for (int step = 0; step < steps && !HasFailure(); ++step) {
    switch (Int(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        PublishRandom(kPartitions, &model);
        break;
      case 4:
        rig_.clock.Advance(absl::Seconds(Int(1, 1000)));  // Sometimes past an hour.
        break;
      case 5:
        Archive();
        break;
      case 6:
        Pass(absl::Seconds(Int(2, 200)));
        break;
      case 7:
        if (OneIn(5)) Restart();
        break;
      default:
        CheckRandomRead(kPartitions, model);
    }
  }
  Archive();
  Pass(absl::Seconds(400));
  for (int i = 0; i < 5; ++i) PublishRandom(kPartitions, &model);
  for (int i = 0; i < 20 && !HasFailure(); ++i) CheckRandomRead(kPartitions, model);
}

TEST_F(HistoryTest, AReaderThatRetentionOvertakesGoesOnInTheLake) {
  Create("t");
  v1::ReadRequest request = ReadOf("t");
  request.set_follow(true);
  const auto reader = rig_.broker().readers().Open(kTester, request);
  ASSERT_THAT(reader, IsOk());
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  EXPECT_THAT(rig_.Drain(**reader)->Ids(), ElementsAre("a"));
  ASSERT_THAT(rig_.Publish("t", {"b", "c"}), IsOk());
  Bury();
  ASSERT_THAT(rig_.Publish("t", {"d"}), IsOk());
  const absl::StatusOr<Delivered> rest = rig_.Drain(**reader);
  ASSERT_THAT(rest, IsOk());
  EXPECT_THAT(rest->Ids(), ElementsAre("b", "c", "d"));
  EXPECT_EQ(rest->caught_up, 1);
}

TEST_F(HistoryTest, PositionsBelongToTheirLog) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  const uint64_t run = rig_.Read("t")->runs.at(0);
  for (int i = 0; i < 3; ++i) {  // Runs that end are forgotten when the next begins.
    Bury();
    Restart();
    ASSERT_THAT(rig_.Publish("t", {absl::StrCat("c", i)}), IsOk());
  }
  v1::ReadRequest request = ReadOf("t");
  v1::PartitionOffset& place = *request.add_offsets();
  place.set_offset(1);
  place.set_run(run);
  EXPECT_THAT(Ids(request), ElementsAre("b", "c0", "c1", "c2"));
  place.set_run(run + 1);
  EXPECT_THAT(rig_.Read(request),
              Refused(StatusCode::kFailedPrecondition, ErrorDetail::REASON_OTHER_LOG));
}

TEST_F(HistoryTest, FailsWhileTheLakeDoesNotAnswer) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a", "b"}), IsOk());
  Bury();
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  FailObjects(absl::UnavailableError("no route to the lake"));
  const absl::StatusOr<Delivered> read = rig_.Read("t");
  EXPECT_THAT(read, Refused(StatusCode::kUnavailable, ErrorDetail::REASON_LAKE_UNAVAILABLE));
  EXPECT_THAT(read.status().message(), HasSubstr("no route to the lake"));
  EXPECT_THAT(Ids(Retained()), ElementsAre("c"));  // Does not need it.
  store_.set_faults(nullptr);
  EXPECT_THAT(Ids(Earliest()), ElementsAre("a", "b", "c"));
  // The manifest does not answer either.
  Restart();
  store_.set_faults([](MemoryStore::Call, absl::string_view) {
    return MemoryStore::Fault{absl::DeadlineExceededError("too slow")};
  });
  EXPECT_THAT(rig_.Read("t"),
              Refused(StatusCode::kUnavailable, ErrorDetail::REASON_LAKE_UNAVAILABLE));
  store_.set_faults(nullptr);
  EXPECT_THAT(Ids(Earliest()), ElementsAre("a", "b", "c"));
}

TEST_F(HistoryTest, NamesWhatIsDamaged) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  Bury();
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  Bury();
  std::vector<std::string> names;
  for (const auto& [name, bytes] : store_.objects()) {
    if (IsObject(name)) names.push_back(name);
  }
  ASSERT_EQ(names.size(), 2u);
  const std::string intact = store_.objects()[names[1]];
  store_.objects()[names[1]][10] ^= 1;
  absl::StatusOr<Delivered> read = rig_.Read("t");
  EXPECT_THAT(read, Refused(StatusCode::kDataLoss, ErrorDetail::REASON_LAKE_DAMAGED));
  EXPECT_THAT(read.status().message(), HasSubstr(names[1]));
  store_.objects().erase(names[1]);
  Restart();
  read = rig_.Read("t");
  EXPECT_THAT(read, Refused(StatusCode::kDataLoss, ErrorDetail::REASON_LAKE_DAMAGED));
  EXPECT_THAT(read.status().message(), HasSubstr(names[1]));
  v1::ReadRequest before = ReadOf("t");
  before.set_stop_offset(1);
  EXPECT_THAT(Ids(before), ElementsAre("a"));
  store_.objects()[names[1]] = intact;
  EXPECT_THAT(Ids(Earliest()), ElementsAre("a", "b"));
}

TEST_F(HistoryTest, ATopicOfTheSameNameHasItsOwnHistory) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"old"}), IsOk());
  Bury();
  EXPECT_THAT(Ids(Earliest()), ElementsAre("old"));
  ASSERT_THAT(rig_.Delete("t"), IsOk());
  Create("t");
  EXPECT_FALSE(rig_.Describe("t").has_history_start_offset());
  EXPECT_THAT(Ids(Earliest()), IsEmpty());
  ASSERT_THAT(rig_.Publish("t", {"new"}), IsOk());
  Bury();
  EXPECT_THAT(Ids(Earliest()), ElementsAre("new"));
}

TEST_F(HistoryTest, PassesOverWhatWasNeverArchived) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  Bury();
  SetArchive("t", false);
  ASSERT_THAT(rig_.Publish("t", {"lost"}), IsOk());
  Pass(absl::Seconds(20));
  ASSERT_EQ(rig_.Describe("t").start_offset(), 2);
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  EXPECT_THAT(Ids(Earliest()), ElementsAre("a", "b"));
  EXPECT_THAT(Ids(From(1)), ElementsAre("b"));
  Restart();
  EXPECT_THAT(Ids(Earliest()), ElementsAre("a", "b"));
  SetArchive("t", true);
  Bury();
  ASSERT_THAT(rig_.Publish("t", {"c"}), IsOk());
  EXPECT_THAT(Ids(Earliest()), ElementsAre("a", "b", "c"));
  // From before the lake.
  Create("u");
  SetArchive("u", false);
  ASSERT_THAT(rig_.Publish("u", {"lost"}), IsOk());
  Pass(absl::Seconds(20));
  SetArchive("u", true);
  ASSERT_THAT(rig_.Publish("u", {"d"}), IsOk());
  Bury("u");
  EXPECT_EQ(rig_.Describe("u").history_start_offset(), 1);
  EXPECT_THAT(rig_.Read(From(0, "u")),
              Refused(StatusCode::kOutOfRange, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
  EXPECT_THAT(Ids(Earliest("u")), ElementsAre("d"));
}

// What a reader was about to get is deleted, and the lake does not have it.
TEST_F(HistoryTest, AReaderThatLosesEventsIsTold) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  Bury();
  SetArchive("t", false);
  v1::ReadRequest request = ReadOf("t");
  request.set_follow(true);
  const auto reader = rig_.broker().readers().Open(kTester, request);
  EXPECT_THAT(rig_.Drain(**reader)->Ids(), ElementsAre("a"));
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  EXPECT_THAT(rig_.Drain(**reader)->Ids(), ElementsAre("b"));
  ASSERT_THAT(rig_.Publish("t", {"lost"}), IsOk());
  Pass(absl::Seconds(20));
  EXPECT_THAT(rig_.Drain(**reader),
              Refused(StatusCode::kOutOfRange, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
}

TEST_F(HistoryTest, AHubWithoutItsLakeHasNoHistory) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  Bury();
  rig_.archive = std::nullopt;
  Restart();
  EXPECT_FALSE(rig_.Describe("t").has_history_start_offset());
  EXPECT_THAT(Ids(Earliest()), IsEmpty());
  EXPECT_THAT(rig_.Read(From(0)),
              Refused(StatusCode::kOutOfRange, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
}

// As after --lake was pointed at another place.
TEST_F(HistoryTest, AnEmptyLakeHasNoHistory) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  Bury();
  CloseHub();
  store_.objects().clear();
  OpenHub();
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  EXPECT_THAT(Ids(Earliest()), ElementsAre("b"));
  EXPECT_EQ(rig_.Read(Earliest())->start.at(0), 1);
  EXPECT_THAT(rig_.Read(From(0)),
              Refused(StatusCode::kOutOfRange, ErrorDetail::REASON_OFFSET_OUT_OF_RANGE));
  Bury();
  EXPECT_THAT(Ids(Earliest()), ElementsAre("b"));
}

// An older copy of the lake lacks events that this hub has deleted since.
TEST_F(HistoryTest, ALakeThatIsBehindTheHubIsDamaged) {
  Create("t");
  ASSERT_THAT(rig_.Publish("t", {"a"}), IsOk());
  Bury();
  const std::map<std::string, std::string> copy = store_.objects();
  ASSERT_THAT(rig_.Publish("t", {"b"}), IsOk());
  Bury();
  CloseHub();
  store_.objects() = copy;
  OpenHub();
  EXPECT_THAT(rig_.Read("t"), Refused(StatusCode::kDataLoss, ErrorDetail::REASON_LAKE_DAMAGED));
}

TEST_F(HistoryTest, ObjectsWithoutWantedTypesAreNotRead) {
  Create("t");
  for (int i = 0; i < 10; ++i) {
    v1::PublishStreamRequest request = MakeRequest("t", {absl::StrCat("e", i)});
    request.mutable_events(0)->set_type(i == 7 ? "rare" : "common");
    ASSERT_THAT(rig_.Publish(request), IsOk());
    Bury();
  }
  int reads = 0;
  store_.set_faults([&reads](MemoryStore::Call call, absl::string_view name) {
    if (call == MemoryStore::Call::kGet && IsObject(name)) ++reads;
    return MemoryStore::Fault{};
  });
  v1::ReadRequest request = ReadOf("t");
  request.mutable_filter()->set_sql("type = 'rare'");
  EXPECT_THAT(Ids(request), ElementsAre("e7"));
  EXPECT_EQ(reads, 2);  // The index of one object, and its frame.
  // A time is found by the manifest and one index.
  const absl::Time time = rig_.clock.Now() - absl::Seconds(90);
  Restart();
  reads = 0;
  request = ReadOf("t");
  *request.mutable_start()->mutable_timestamp() = TimestampOf(time);
  request.set_stop_offset(0);
  EXPECT_THAT(rig_.Read(request), IsOk());
  EXPECT_LE(reads, 2);
}

TEST_F(HistoryTest, FramesAreDecodedAheadAndOnce) {
  Create("t");
  rig_.archive->limits = ObjectLimits();
  Restart();
  std::vector<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    ids.push_back(absl::StrCat("e", i));
    v1::PublishStreamRequest request = MakeRequest("t", {});
    *request.add_events() =
        MakeEvent(ids.back(), "", std::string(8000, static_cast<char>('a' + i % 26)));
    request.set_partition(0);
    ASSERT_THAT(rig_.Publish(request), IsOk());
  }
  Bury();
  std::atomic<int> reads = 0;
  store_.set_faults([&reads](MemoryStore::Call call, absl::string_view name) {
    if (call == MemoryStore::Call::kGet && IsObject(name)) ++reads;
    return MemoryStore::Fault{};
  });
  const auto read = [&](int ahead_threads) {
    MemoryMeter memory(size_t{64} << 20);
    history_ = std::make_unique<LakeHistory>(std::make_unique<BorrowedStore>(store_, store_mutex_),
                                             rig_.broker().links().hub_id(), memory, ahead_threads);
    rig_.broker().readers().SetHistory(*history_);
    reads = 0;
    v1::ReadRequest request = ReadOf("t");
    request.set_max_response_bytes(100'000);
    EXPECT_EQ(Ids(request), ids);
    history_.reset();
    EXPECT_EQ(memory.used(), 0u);
    return reads.load();
  };
  const int alone = read(0);
  EXPECT_GT(alone, 5);  // Several frames.
  EXPECT_EQ(read(1), alone);
  EXPECT_EQ(read(2), alone);
}

TEST_F(HistoryTest, WhatIsKeptIsBounded) {
  Create("t", 1, 10);
  rig_.archive->limits = ObjectLimits();
  Restart();
  constexpr int kEvents = 2000;
  std::vector<std::string> ids;
  for (int i = 0; i < kEvents; i += 100) {
    v1::PublishStreamRequest request = MakeRequest("t", {});
    for (int n = i; n < i + 100; ++n) {
      ids.push_back(absl::StrCat("e", n));
      std::string data(4000, 'x');  // Does not compress to nothing.
      for (char& c : data) c = static_cast<char>(Int('a', 'z'));
      *request.add_events() = MakeEvent(ids.back(), "", data);
    }
    request.set_partition(0);
    ASSERT_THAT(rig_.Publish(request), IsOk());
  }
  Bury();
  MemoryMeter memory(size_t{6} << 20);
  history_ = std::make_unique<LakeHistory>(std::make_unique<BorrowedStore>(store_, store_mutex_),
                                           rig_.broker().links().hub_id(), memory);
  rig_.broker().readers().SetHistory(*history_);
  v1::ReadRequest request = ReadOf("t");
  request.set_max_response_bytes(4096);
  const auto reader = rig_.broker().readers().Open(kTester, request);
  ASSERT_THAT(reader, IsOk());
  size_t most = 0;
  std::vector<std::string> read;
  for (;;) {
    const absl::StatusOr<Delivered> some = rig_.Drain(**reader, 1);
    ASSERT_THAT(some, IsOk());
    most = std::max(most, memory.used());
    for (const std::string& id : some->Ids()) read.push_back(id);
    if (some->at_end) break;
    EXPECT_LE(some->largest_frame, 5000u);
  }
  EXPECT_EQ(read, ids);
  EXPECT_GT(most, size_t{1} << 20);
  EXPECT_LE(most, memory.limit() / 2 + (size_t{64} << 10));  // And where the objects are.
  history_.reset();
  EXPECT_EQ(memory.used(), 0u);
}

}  // namespace
}  // namespace eventhub
