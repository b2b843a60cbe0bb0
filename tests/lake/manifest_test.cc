// Manifests, the catalog and the owner: logs of steps in a store that may fail.
#include "server/lake/manifest/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/hub_record.h"
#include "server/lake/manifest/manifest_writer.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/manifest/step_log.h"
#include "tests/lake/lake_events.h"
#include "tests/lake/memory_store.h"
#include "tests/server/seeded.h"
#include "tests/support/status_matchers.h"

namespace eventhub::lake {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using Call = MemoryStore::Call;
using Fault = MemoryStore::Fault;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

LakeOwner TestOwner(const std::string& hub = "hub-1") { return {.hub = hub, .epoch = 1}; }

ObjectRecord Record(uint64_t sequence, uint32_t partition, int64_t begin, int64_t end) {
  ObjectRecord record;
  record.set_sequence(sequence);
  record.set_hour(490'000);
  record.set_hash(sequence * 7);
  record.set_bytes(100);
  record.set_events(static_cast<uint64_t>(end - begin));
  OffsetRange* const range = record.add_ranges();
  range->set_partition(partition);
  range->set_begin(begin);
  range->set_end(end);
  range->set_events(record.events());
  return record;
}

SkippedRange Skipped(uint32_t partition, int64_t begin, int64_t end) {
  SkippedRange range;
  range.set_partition(partition);
  range.set_begin(begin);
  range.set_end(end);
  range.set_reason(SkippedRange::DROPPED);
  return range;
}

std::vector<uint64_t> SequencesOf(const Manifest& manifest) {
  std::vector<uint64_t> sequences;
  for (const auto& [sequence, object] : manifest.objects()) sequences.push_back(sequence);
  return sequences;
}

TEST(LakeRecord, IsReadBack) {
  const std::string file = EncodeRecord(RecordKind::kStep, 5, "payload");
  EXPECT_EQ(*DecodeRecord("x", RecordKind::kStep, 5, file), "payload");
  EXPECT_THAT(DecodeRecord("x", RecordKind::kStep, 6, file), StatusIs(StatusCode::kDataLoss, "x"));
  EXPECT_THAT(DecodeRecord("x", RecordKind::kCheckpoint, 5, file),
              StatusIs(StatusCode::kDataLoss, "another"));
  for (size_t i = 0; i < file.size(); ++i) {
    EXPECT_FALSE(DecodeRecord("x", RecordKind::kStep, 5, file.substr(0, i)).ok());
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = file;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      EXPECT_FALSE(DecodeRecord("x", RecordKind::kStep, 5, flipped).ok()) << i;
    }
  }
  std::string later = file;
  later[8] = 2;
  EXPECT_THAT(DecodeRecord("x", RecordKind::kStep, 5, later),
              StatusIs(StatusCode::kUnimplemented, "x has version 2"));
}

TEST(LakeManifest, KeepsWhatIsAppended) {
  MemoryStore store;
  auto writer = ManifestWriter::Open(store, TestTopic(), TestOwner());
  ASSERT_THAT(writer, IsOk());
  EXPECT_EQ((*writer)->next_sequence(), 1u);
  ASSERT_THAT((*writer)->Append({Record(1, 0, 10, 20)}, {}, kNow), IsOk());
  ASSERT_THAT(
      (*writer)->Append({Record(2, 1, 0, 5), Record(3, 0, 25, 30)}, {Skipped(0, 20, 25)}, kNow),
      IsOk());
  const auto manifest = Manifest::Load(store, TestTopic());
  ASSERT_THAT(manifest, IsOk());
  EXPECT_THAT(SequencesOf(*manifest), ElementsAre(1, 2, 3));
  EXPECT_EQ(manifest->skipped().size(), 1u);
  EXPECT_EQ(manifest->archived().at(0).begin, 10);
  EXPECT_EQ(manifest->archived().at(0).end, 30);

  auto again = ManifestWriter::Open(store, TestTopic(), TestOwner());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ((*again)->next_sequence(), 4u);
  EXPECT_EQ((*again)->archived().at(1).end, 5);
}

RunStart StartOfRun(uint32_t partition, int64_t offset, uint64_t id) {
  RunStart run;
  run.set_partition(partition);
  run.set_offset(offset);
  run.set_run(id);
  return run;
}

TEST(LakeManifest, KeepsRunsWhereTheyDiffer) {
  MemoryStore store;
  const LakeTopic topic = TestTopic();
  auto writer = *ManifestWriter::Open(store, topic, TestOwner());
  ASSERT_THAT(
      writer->Append({Record(1, 0, 0, 10)}, {}, kNow, {StartOfRun(0, 0, 5), StartOfRun(0, 4, 6)}),
      IsOk());
  ASSERT_THAT(writer->Append({Record(2, 0, 10, 20)}, {}, kNow, {StartOfRun(0, 10, 6)}), IsOk());
  ASSERT_THAT(writer->WriteCheckpoint(), IsOk());
  writer = *ManifestWriter::Open(store, topic, TestOwner());
  EXPECT_EQ(writer->last_runs().at(0), 6u);
  ASSERT_THAT(writer->Append({Record(3, 0, 20, 30)}, {}, kNow,
                             {StartOfRun(0, 20, 6), StartOfRun(0, 25, 7)}),
              IsOk());
  const auto manifest = Manifest::Load(store, topic);
  ASSERT_THAT(manifest, IsOk());
  std::vector<std::pair<int64_t, uint64_t>> runs;
  for (const RunStart& run : manifest->runs()) runs.emplace_back(run.offset(), run.run());
  EXPECT_THAT(runs, ElementsAre(std::pair(0, 5), std::pair(4, 6), std::pair(25, 7)));
}

TEST(LakeHub, TheRecordOfTheLastOwnerCounts) {
  MemoryStore store;
  EXPECT_FALSE(ReadHubRecord(store)->has_value());
  const auto claim = [&store](const std::string& hub) {
    return *ClaimLake(store, {.hub = hub, .takeover = true, .now = kNow});
  };
  const auto read = [&store] { return (*ReadHubRecord(store))->next_topic_id(); };
  HubRecord record;
  const LakeOwner first = claim("hub-1");
  record.set_next_topic_id(3);
  ASSERT_THAT(WriteHubRecord(store, first, record), IsOk());
  EXPECT_EQ(read(), 3u);
  const LakeOwner second = claim("hub-2");
  EXPECT_EQ(read(), 3u);  // It has written none.
  record.set_next_topic_id(9);
  ASSERT_THAT(WriteHubRecord(store, second, record), IsOk());
  record.set_next_topic_id(4);
  ASSERT_THAT(WriteHubRecord(store, first, record), IsOk());  // It is fenced.
  EXPECT_EQ(read(), 9u);
  EXPECT_EQ((*ReadHubRecord(store))->hub(), "hub-2");
  store.objects()["_lake/hub/00000000000000000002"].back() ^= 1;
  EXPECT_THAT(ReadHubRecord(store), StatusIs(StatusCode::kDataLoss));
}

TEST(LakeManifest, RefusesGapsAndOverlaps) {
  MemoryStore store;
  auto writer = ManifestWriter::Open(store, TestTopic(), TestOwner());
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT((*writer)->Append({Record(1, 0, 10, 20)}, {}, kNow), IsOk());
  const auto kFailed = StatusCode::kFailedPrecondition;
  EXPECT_THAT((*writer)->Append({Record(3, 0, 20, 30)}, {}, kNow), StatusIs(kFailed, "object 3"));
  EXPECT_THAT((*writer)->Append({Record(2, 0, 21, 30)}, {}, kNow), StatusIs(kFailed, "only to 19"));
  EXPECT_THAT((*writer)->Append({Record(2, 0, 19, 30)}, {}, kNow), StatusIs(kFailed, "already"));
  EXPECT_THAT((*writer)->Append({Record(2, 0, 20, 20)}, {}, kNow), StatusIs(kFailed));
  EXPECT_THAT((*writer)->Replace({1}, Record(1, 0, 10, 19), kNow), StatusIs(kFailed, "same"));
  EXPECT_THAT((*writer)->Replace({9}, Record(9, 0, 10, 20), kNow), StatusIs(kFailed, "object 9"));
  EXPECT_THAT((*writer)->Replace({1, 1}, Record(1, 0, 10, 20), kNow), StatusIs(kFailed, "twice"));
  EXPECT_THAT((*writer)->Replace({1}, Record(2, 0, 10, 20), kNow), StatusIs(kFailed, "last"));
  ObjectRecord later = Record(1, 0, 10, 20);
  later.set_hour(later.hour() + 1);
  EXPECT_THAT((*writer)->Replace({1}, later, kNow), StatusIs(kFailed, "another hour"));
  EXPECT_THAT((*writer)->Forget({RetiredObject()}, kNow), StatusIs(kFailed, "not retired"));
  EXPECT_THAT(SequencesOf(*Manifest::Load(store, TestTopic())), ElementsAre(1));
  EXPECT_THAT((*writer)->Append({Record(2, 0, 20, 30)}, {}, kNow), IsOk());
}

TEST(LakeManifest, ReplacesObjects) {
  MemoryStore store;
  auto writer = ManifestWriter::Open(store, TestTopic(), TestOwner());
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT((*writer)->Append({Record(1, 0, 0, 5)}, {}, kNow), IsOk());
  ASSERT_THAT((*writer)->Append({Record(2, 0, 5, 9), Record(3, 0, 9, 12)}, {}, kNow), IsOk());
  ObjectRecord merged = Record(2, 0, 0, 9);
  merged.set_hash(99);
  ASSERT_THAT((*writer)->Replace({1, 2}, merged, kNow), IsOk());
  EXPECT_EQ((*writer)->next_sequence(), 4u);
  ASSERT_THAT((*writer)->Append({Record(4, 0, 12, 13)}, {}, kNow), IsOk());
  ASSERT_THAT((*writer)->WriteCheckpoint(), IsOk());
  for (int i = 0; i < 2; ++i) {
    const auto manifest = Manifest::Load(store, TestTopic());
    ASSERT_THAT(manifest, IsOk());
    EXPECT_THAT(SequencesOf(*manifest), ElementsAre(2, 3, 4));
    EXPECT_EQ(manifest->objects().at(2).hash(), 99u);
    EXPECT_EQ(manifest->archived().at(0).end, 13);
    ASSERT_EQ(manifest->retired().size(), 2u);
    EXPECT_EQ(manifest->retired()[1].sequence(), 2u);
    EXPECT_EQ(manifest->retired()[1].hash(), Record(2, 0, 5, 9).hash());
    EXPECT_EQ(manifest->retired()[1].time_micros(), absl::ToUnixMicros(kNow));
    store.objects().erase(StepLog::LatestName(Manifest::Directory(TestTopic())));
  }
  const RetiredObject first = Manifest::Load(store, TestTopic())->retired()[0];
  ASSERT_THAT((*writer)->Forget({first}, kNow), IsOk());
  EXPECT_EQ(Manifest::Load(store, TestTopic())->retired().size(), 1u);
  // What is written again under its name is not retired.
  merged.set_bytes(7);
  ASSERT_THAT((*writer)->Replace({2}, merged, kNow), IsOk());
  const auto again = Manifest::Load(store, TestTopic());
  EXPECT_EQ(again->retired().size(), 1u);
  EXPECT_EQ(again->objects().at(2).bytes(), 7u);
}

TEST(LakeManifest, ReadersTakeTheCheckpointAndTheStepsAfterIt) {
  MemoryStore store;
  auto writer = ManifestWriter::Open(store, TestTopic(), TestOwner());
  ASSERT_THAT(writer, IsOk());
  uint64_t sequence = 0;
  const auto append = [&] {
    ++sequence;
    const auto at = static_cast<int64_t>(sequence);
    ASSERT_THAT((*writer)->Append({Record(sequence, 0, at, at + 1)}, {}, kNow), IsOk());
  };
  while (!(*writer)->WantsCheckpoint()) append();
  EXPECT_EQ(sequence, 64u);
  ASSERT_THAT((*writer)->WriteCheckpoint(), IsOk());
  EXPECT_FALSE((*writer)->WantsCheckpoint());
  append();
  const int before = store.calls();
  const auto manifest = Manifest::Load(store, TestTopic());
  ASSERT_THAT(manifest, IsOk());
  EXPECT_EQ(manifest->objects().size(), 65u);
  EXPECT_EQ(store.calls() - before, 4);  // The name, the checkpoint, a step, and none.

  // A damaged or missing checkpoint costs time only.
  const std::string directory = Manifest::Directory(TestTopic());
  store.objects()[StepLog::CheckpointName(directory, 64)][30] ^= 1;
  EXPECT_EQ(Manifest::Load(store, TestTopic())->objects().size(), 65u);
  store.objects().erase(StepLog::CheckpointName(directory, 64));
  EXPECT_EQ(Manifest::Load(store, TestTopic())->objects().size(), 65u);
  // A damaged step does not.
  store.objects()[StepLog::StepName(directory, 3)][30] ^= 1;
  EXPECT_THAT(Manifest::Load(store, TestTopic()), StatusIs(StatusCode::kDataLoss, "0003.step"));
}

TEST(LakeManifest, ASecondWriterIsFenced) {
  MemoryStore store;
  auto one = ManifestWriter::Open(store, TestTopic(), TestOwner("hub-1"));
  auto two = ManifestWriter::Open(store, TestTopic(), TestOwner("hub-2"));
  ASSERT_THAT((*one)->Append({Record(1, 0, 0, 5)}, {}, kNow), IsOk());
  EXPECT_THAT((*two)->Append({Record(1, 0, 0, 5)}, {}, kNow), StatusIs(StatusCode::kAborted));
  EXPECT_EQ(Manifest::Load(store, TestTopic())->objects().size(), 1u);
}

TEST(LakeManifest, AnAmbiguousStepIsRepeated) {
  for (const bool done : {false, true}) {
    MemoryStore store;
    auto writer = ManifestWriter::Open(store, TestTopic(), TestOwner());
    ASSERT_THAT(writer, IsOk());
    store.set_faults([done](Call call, absl::string_view) {
      if (call == Call::kPutIfAbsent) return Fault{absl::UnknownError("lost"), done};
      if (call == Call::kGet) return Fault{absl::UnavailableError("lost")};
      return Fault{};
    });
    EXPECT_THAT((*writer)->Append({Record(1, 0, 0, 5)}, {}, kNow), StatusIs(StatusCode::kUnknown));
    store.set_faults({});
    // The step is stored before another one is looked at.
    EXPECT_THAT((*writer)->Append({Record(1, 0, 0, 7)}, {}, kNow),
                StatusIs(StatusCode::kFailedPrecondition));
    EXPECT_EQ((*writer)->next_sequence(), 2u);
    EXPECT_THAT((*writer)->Append({Record(2, 0, 5, 7)}, {}, kNow), IsOk());
    EXPECT_THAT(SequencesOf(*Manifest::Load(store, TestTopic())), ElementsAre(1, 2));
  }
}

class LakeManifestRandom : public SeededTest {};

// Whatever fails, a step that is repeated until it succeeds is there once, and the writer knows
// what readers see.
TEST_F(LakeManifestRandom, StepsAreThereOnceWhateverFails) {
  MemoryStore store;
  bool faulty = false;
  store.set_faults([this, &faulty](Call, absl::string_view) -> Fault {
    if (!faulty || !OneIn(3)) return {};
    if (OneIn(2)) return {absl::UnavailableError("refused")};
    return {absl::UnknownError("cut"), OneIn(2)};
  });
  std::unique_ptr<ManifestWriter> writer;
  std::map<uint32_t, int64_t> ends;
  for (int i = 0; i < Steps(1000); ++i) {
    // Reading all of a log without a fault would take for ever.
    faulty = false;
    if (writer == nullptr) {
      auto opened = ManifestWriter::Open(store, TestTopic(), TestOwner());
      ASSERT_THAT(opened, IsOk());
      writer = *std::move(opened);
    }
    if (writer->WantsCheckpoint()) {
      ASSERT_THAT(writer->WriteCheckpoint(), IsOk());
    }
    faulty = true;
    const auto partition = static_cast<uint32_t>(Int(0, 2));
    const int64_t end = ends[partition] + Int(1, 9);
    const ObjectRecord record = Record(writer->next_sequence(), partition, ends[partition], end);
    absl::Status status;
    do {
      status = writer->Append({record}, {}, kNow + absl::Seconds(i));
      ASSERT_TRUE(status.ok() || FaultOf(status) != StoreFault::kPermanent) << status;
    } while (!status.ok());
    ends[partition] = end;
    if (OneIn(20)) writer.reset();
  }
  faulty = false;
  const auto manifest = Manifest::Load(store, TestTopic());
  ASSERT_THAT(manifest, IsOk());
  for (const auto& [partition, end] : ends) EXPECT_EQ(manifest->archived().at(partition).end, end);
  if (writer != nullptr) {
    EXPECT_EQ(writer->next_sequence(), manifest->last_sequence() + 1);
  }
}

TEST(LakeOwner, OneHubOwnsALake) {
  MemoryStore store;
  EXPECT_EQ(*ReadOwner(store), std::nullopt);
  const auto one = ClaimLake(store, {.hub = "h1", .description = "first:7070", .now = kNow});
  ASSERT_THAT(one, IsOk());
  EXPECT_EQ(one->epoch, 1u);
  EXPECT_THAT(ClaimLake(store, {.hub = "h2", .now = kNow}),
              StatusIs(StatusCode::kFailedPrecondition, "first:7070"));
  EXPECT_THAT(CheckOwner(store, *one), IsOk());
  const auto again = ClaimLake(store, {.hub = "h1", .description = "first:7070", .now = kNow});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->epoch, 2u);
  EXPECT_FALSE(again->takeover);
  EXPECT_THAT(CheckOwner(store, *one), StatusIs(StatusCode::kAborted));

  const auto two =
      ClaimLake(store, {.hub = "h2", .description = "second", .takeover = true, .now = kNow});
  ASSERT_THAT(two, IsOk());
  EXPECT_TRUE(two->takeover);
  EXPECT_EQ((*ReadOwner(store))->hub, "h2");
  EXPECT_THAT(CheckOwner(store, *again), StatusIs(StatusCode::kAborted, "second"));
  EXPECT_THAT(CheckOwner(store, *two), IsOk());
}

TEST(LakeOwner, OfTwoClaimsAtOnceOneSucceeds) {
  MemoryStore store;
  bool raced = false;
  store.set_faults([&](Call call, absl::string_view) {
    if (call == Call::kPutIfAbsent && !std::exchange(raced, true)) {
      EXPECT_THAT(ClaimLake(store, {.hub = "fast", .now = kNow}), IsOk());
    }
    return Fault{};
  });
  EXPECT_THAT(ClaimLake(store, {.hub = "slow", .now = kNow}), StatusIs(StatusCode::kAborted));
  EXPECT_EQ((*ReadOwner(store))->hub, "fast");
}

TEST(LakeCatalog, ARecreatedTopicDoesNotMix) {
  MemoryStore store;
  auto writer = CatalogWriter::Open(store, TestOwner("h1"));
  ASSERT_THAT(writer, IsOk());
  EXPECT_EQ((*writer)->Ensure(1, "orders", kNow)->directory, "topic=orders");
  EXPECT_EQ((*writer)->Ensure(1, "orders", kNow)->directory, "topic=orders");
  ASSERT_THAT((*writer)->MarkDeleted(1, kNow + absl::Hours(1)), IsOk());
  ASSERT_THAT((*writer)->MarkDeleted(9, kNow), IsOk());
  EXPECT_EQ((*writer)->Ensure(5, "orders", kNow + absl::Hours(2))->directory, "topic=orders@5");
  auto other = CatalogWriter::Open(store, TestOwner("h2"));
  EXPECT_EQ((*other)->Ensure(5, "orders", kNow + absl::Hours(1))->directory, "topic=orders@5.h2");

  const auto catalog = Catalog::Load(store);
  ASSERT_THAT(catalog, IsOk());
  ASSERT_EQ(catalog->entries().size(), 3u);
  EXPECT_TRUE(catalog->entries()[0].deleted.has_value());
  EXPECT_EQ(catalog->FindName("orders")->topic.directory, "topic=orders@5");
  EXPECT_EQ(catalog->FindName("orders@5.h2")->topic.identity.hub, "h2");
  EXPECT_EQ(catalog->FindName("nothing"), nullptr);
  // The first writer was fenced.
  EXPECT_THAT((*writer)->Ensure(8, "payments", kNow), StatusIs(StatusCode::kAborted));
}

TEST(LakeCatalog, AnAmbiguousRecordIsSettledFirst) {
  MemoryStore store;
  auto writer = CatalogWriter::Open(store, TestOwner("h1"));
  store.set_faults([](Call call, absl::string_view) {
    if (call == Call::kPutIfAbsent) return Fault{absl::UnknownError("lost"), true};
    return call == Call::kGet ? Fault{absl::UnavailableError("lost")} : Fault{};
  });
  EXPECT_THAT((*writer)->Ensure(1, "orders", kNow), StatusIs(StatusCode::kUnknown));
  store.set_faults({});
  EXPECT_THAT((*writer)->Ensure(2, "payments", kNow), IsOk());
  EXPECT_EQ(Catalog::Load(store)->entries().size(), 2u);
  for (uint32_t id = 3; id < 200; ++id) {
    ASSERT_THAT((*writer)->Ensure(id, absl::StrCat("t", id), kNow), IsOk());
  }
  EXPECT_EQ(Catalog::Load(store)->entries().size(), 199u);
}

}  // namespace
}  // namespace eventhub::lake
