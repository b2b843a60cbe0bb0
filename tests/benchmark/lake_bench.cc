// The event lake without a hub, on one thread: writing objects of JSON events, reading them back,
// finding one event, proving the whole, merging small objects; as the readers of a hub read it,
// find a time among the hours of a year, and open a lake of many objects. Sizes are compared with
// those that gzip gets. Example:
//   lake_bench --event_bytes=1024 --megabytes=256 --directory=/tmp/lake
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventhub/v1/event.pb.h"
#include "server/core/base/memory_meter.h"
#include "server/lake/archive/lake_archive.h"
#include "server/lake/archive/lake_history.h"
#include "server/lake/archive/lake_merger.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest_writer.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/merge/merge_topic.h"
#include "server/lake/object/key_filter.h"
#include "server/lake/object/object_writer.h"
#include "server/lake/read/find.h"
#include "server/lake/read/topic_cursor.h"
#include "server/lake/read/verify.h"
#include "server/lake/store/directory_store.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"
#include "tests/benchmark/measure.h"
#include "tests/benchmark/orders.h"
#include "tests/lake/memory_store.h"

ABSL_FLAG(uint64_t, event_bytes, 1024, "size of an encoded event, about");
ABSL_FLAG(uint64_t, megabytes, 256, "of encoded events, 10^6 bytes each");
ABSL_FLAG(uint64_t, object_megabytes, 64, "of encoded events in an object");
ABSL_FLAG(int, level, 3, "of zstd");
ABSL_FLAG(uint64_t, small_kilobytes, 512, "of encoded events in an object that is merged");
ABSL_FLAG(int64_t, objects, 100'000, "of a topic that a hub opens");
ABSL_FLAG(std::string, directory, "/tmp/eventhub-lake-bench", "is deleted first and at the end");

namespace eventhub::benchmark {
namespace {

using namespace lake;  // NOLINT(google-build-using-namespace)

constexpr int64_t kHour = 490'000;
constexpr int64_t kHourMicros = kHour * 3'600'000'000;

uint64_t GzipBytes(const std::string& text) {
  std::string out(compressBound(text.size()), '\0');
  uLongf size = out.size();
  compress2(reinterpret_cast<Bytef*>(out.data()), &size,
            reinterpret_cast<const Bytef*>(text.data()), text.size(), 6);
  return size;
}

absl::Status WriteObjects(ObjectStore& store, const std::vector<std::string>& events,
                          uint64_t object_bytes, const LakeTopic& topic, ManifestWriter& manifest) {
  const uint64_t per_object =
      std::max<uint64_t>(1, object_bytes / absl::GetFlag(FLAGS_event_bytes));
  for (uint64_t first = 0; first < events.size(); first += per_object) {
    const uint64_t end = std::min<uint64_t>(events.size(), first + per_object);
    const ObjectPlan plan{.topic = topic,
                          .sequence = manifest.next_sequence(),
                          .hour = kHour,
                          .ranges = {{0, static_cast<int64_t>(first), static_cast<int64_t>(end)}}};
    ASSIGN_OR_RETURN(
        const auto writer,
        ObjectWriter::Create(store, plan, {.compression_level = absl::GetFlag(FLAGS_level)}));
    for (uint64_t i = first; i < end; ++i) {
      const auto offset = static_cast<int64_t>(i);
      RETURN_IF_ERROR(writer->Add({0, offset, kHourMicros + offset}, events[i]));
    }
    ASSIGN_OR_RETURN(const ObjectRecord record, writer->Finish());
    RETURN_IF_ERROR(manifest.Append({record}, {}, absl::Now()));
  }
  return absl::OkStatus();
}

// Reads all events as a hub does.
absl::Status ReadHistory(const std::string& directory, double megabytes, uint64_t events) {
  MemoryMeter memory(size_t{64} << 20);
  ASSIGN_OR_RETURN(const auto history, LakeHistory::Open(directory, "bench", memory));
  const ArchivedTopic topic{"orders", TopicId(1)};
  const Offset end(static_cast<int64_t>(events));
  uint64_t read = 0;
  const Stopwatch reading;
  for (Offset at(0); at < end;) {
    const HistoryRange range{.partition = PartitionId(0), .from = at, .to = end};
    ASSIGN_OR_RETURN(const HistoryPart part, history->Read(topic, range, size_t{1} << 20));
    for (const RecordBatchPtr& batch : part.batches) read += batch->header.count;
    at = part.batches.empty() ? part.next : part.batches.back()->end();
  }
  PrintResult("lake.history", {{"MB/s", megabytes / reading.Seconds()}});
  return read == events ? absl::OkStatus() : absl::DataLossError("the history lacks events");
}

// Finds times among the objects of a year, one for each hour, in a store that takes no time.
absl::Status SeekInYear() {
  constexpr int64_t kHours = 365 * 24;
  constexpr int64_t kEvents = 100;  // In an hour.
  auto store = std::make_unique<MemoryStore>();
  ASSIGN_OR_RETURN(const LakeOwner owner, ClaimLake(*store, {.hub = "bench", .now = absl::Now()}));
  ASSIGN_OR_RETURN(auto catalog, CatalogWriter::Open(*store, owner));
  ASSIGN_OR_RETURN(const LakeTopic topic, catalog->Ensure(1, "year", absl::Now()));
  ASSIGN_OR_RETURN(auto manifest, ManifestWriter::Open(*store, topic, owner));
  Orders orders(absl::GetFlag(FLAGS_event_bytes));
  const std::string event = orders.Next().SerializeAsString();
  std::vector<ObjectRecord> records;
  for (int64_t hour = 0; hour < kHours; ++hour) {
    const int64_t first = hour * kEvents;
    const ObjectPlan plan{.topic = topic,
                          .sequence = manifest->next_sequence() + static_cast<uint64_t>(hour),
                          .hour = kHour + hour,
                          .ranges = {{0, first, first + kEvents}}};
    ASSIGN_OR_RETURN(const auto writer, ObjectWriter::Create(*store, plan, {}));
    for (int64_t offset = first; offset < first + kEvents; ++offset) {
      const int64_t micros = kHourMicros + offset * (3'600'000'000 / kEvents);
      RETURN_IF_ERROR(writer->Add({0, offset, micros}, event));
    }
    ASSIGN_OR_RETURN(records.emplace_back(), writer->Finish());
  }
  RETURN_IF_ERROR(manifest->Append(records, {}, absl::Now()));
  manifest.reset();
  catalog.reset();

  MemoryMeter memory(size_t{64} << 20);
  LakeHistory history(std::move(store), "bench", memory);
  const HistoryRange all{
      .partition = PartitionId(0), .from = Offset(0), .to = Offset(kHours * kEvents)};
  std::mt19937_64 random(7);
  std::vector<double> milliseconds;
  for (int i = 0; i < 100; ++i) {
    const auto offset = static_cast<int64_t>(random() % (kHours * kEvents));
    const absl::Time time = absl::FromUnixMicros(kHourMicros + offset * (3'600'000'000 / kEvents));
    const Stopwatch seeking;
    ASSIGN_OR_RETURN(const Offset found, history.SeekTime({"year", TopicId(1)}, all, time));
    milliseconds.push_back(seeking.Seconds() * 1e3);
    if (found != Offset(offset)) return absl::DataLossError("a time was not found");
  }
  const double first = milliseconds.front();
  std::sort(milliseconds.begin(), milliseconds.end());
  PrintResult("lake.seek", {{"ms, first", first},
                            {"ms, median", milliseconds[milliseconds.size() / 2]},
                            {"ms, worst", milliseconds.back()}});
  return absl::OkStatus();
}

// Merges the events of an hour, which are in small objects. `of_core`: the part of a core that this
// takes at the rate that is the hub's default.
absl::Status MergeSmallObjects(ObjectStore& store, const std::vector<std::string>& events,
                               const LakeOwner& owner, CatalogWriter& catalog) {
  ASSIGN_OR_RETURN(const LakeTopic topic, catalog.Ensure(2, "small", absl::Now()));
  ASSIGN_OR_RETURN(const auto manifest, ManifestWriter::Open(store, topic, owner));
  RETURN_IF_ERROR(
      WriteObjects(store, events, absl::GetFlag(FLAGS_small_kilobytes) * 1000, topic, *manifest));
  const uint64_t before = manifest->next_sequence() - 1;
  MergeTally tally;
  const double cpu_before = CpuSeconds(getpid());
  const Stopwatch merging;
  RETURN_IF_ERROR(MergeTopic(
      store, topic, HourStart(kHour + 2), {},
      [&manifest](absl::FunctionRef<absl::Status(ManifestWriter&)> use) { return use(*manifest); },
      &tally));
  const double seconds = merging.Seconds();
  const double megabytes = static_cast<double>(tally.bytes) / 1e6;
  const double per_core = megabytes / (CpuSeconds(getpid()) - cpu_before);
  if (tally.replaced < before) return absl::DataLossError("not all is merged");
  const auto rate = static_cast<double>(LakeMergerOptions().bytes_per_second) / 1e6;
  PrintResult("lake.merge", {{"objects", static_cast<double>(before)},
                             {"MB/s", megabytes / seconds},
                             {"MB/s of CPU", per_core},
                             {"of_core", rate / per_core}});
  return absl::OkStatus();
}

// What a hub does at its start with a lake of many objects, and what their index takes when the
// topic's history is read. The objects themselves are not there.
absl::Status OpenLargeLake(const std::string& directory) {
  constexpr int64_t kEvents = 1000;  // In an object.
  constexpr int64_t kPartitions = 8;
  constexpr int64_t kObjectsInStep = 1000;
  const int64_t objects = absl::GetFlag(FLAGS_objects);
  const LakeArchiveOptions options{.hub = "bench", .description = "bench"};
  // The median of some, in milliseconds: each waits for the disk.
  const auto open = [&]() -> absl::StatusOr<double> {
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
      const Stopwatch opening;
      ASSIGN_OR_RETURN(const auto archive, LakeArchive::Open(directory, options, Clock::System()));
      times.push_back(opening.Seconds() * 1e3);
    }
    return Percentile(times, 0.5);
  };
  ASSIGN_OR_RETURN(const double empty, open());
  {
    ASSIGN_OR_RETURN(const auto store,
                     DirectoryStore::Open(directory, DirectoryStore::Mode::kCreate));
    ASSIGN_OR_RETURN(const LakeOwner owner,
                     ClaimLake(*store, {.hub = "bench", .now = absl::Now()}));
    ASSIGN_OR_RETURN(const auto catalog, CatalogWriter::Open(*store, owner));
    ASSIGN_OR_RETURN(const LakeTopic topic, catalog->Ensure(1, "large", absl::Now()));
    ASSIGN_OR_RETURN(const auto manifest, ManifestWriter::Open(*store, topic, owner));
    for (int64_t first = 0; first < objects; first += kObjectsInStep) {
      std::vector<ObjectRecord> records;
      for (int64_t i = first; i < std::min(objects, first + kObjectsInStep); ++i) {
        ObjectRecord& record = records.emplace_back();
        record.set_sequence(static_cast<uint64_t>(i) + 1);
        record.set_hour(kHour + i / 4);
        record.set_hash(HashOfLakeKey(absl::StrCat(i)));
        record.set_bytes(100'000);
        record.set_raw_bytes(kEvents * 1000);
        record.set_tail_bytes(2000);
        record.set_sha256(std::string(32, 's'));
        record.set_events(kEvents);
        record.set_first_append_micros(record.hour() * 3'600'000'000);
        record.set_last_append_micros(record.first_append_micros() + 1'000'000);
        for (int64_t partition = 0; partition < kPartitions; ++partition) {
          OffsetRange& range = *record.add_ranges();
          range.set_partition(static_cast<uint32_t>(partition));
          range.set_begin(i * kEvents / kPartitions);
          range.set_end((i + 1) * kEvents / kPartitions);
          range.set_events(kEvents / kPartitions);
        }
        for (const char* const type : {"shop.order.paid", "shop.order.placed"}) {
          TypeCount& count = *record.add_types();
          count.set_type(type);
          count.set_events(kEvents / 2);
        }
      }
      RETURN_IF_ERROR(manifest->Append(records, {}, absl::Now()));
    }
    RETURN_IF_ERROR(manifest->WriteCheckpoint());
  }
  ASSIGN_OR_RETURN(const double start, open());
  MemoryMeter memory(size_t{64} << 20);
  ASSIGN_OR_RETURN(const auto history, LakeHistory::Open(directory, "bench", memory));
  const Stopwatch loading;
  const Offset end(objects * kEvents / kPartitions);
  ASSIGN_OR_RETURN(const HistoryBounds bounds,
                   history->Bounds({"large", TopicId(1)}, PartitionId(0), end));
  if (bounds.end != end) return absl::DataLossError("the index lacks objects");
  PrintResult("lake.large", {{"objects", static_cast<double>(objects)},
                             {"start_ms", start},
                             {"empty_start_ms", empty},
                             {"load_ms", loading.Seconds() * 1e3},
                             {"index_mib", static_cast<double>(memory.used()) / (1 << 20)}});
  return absl::OkStatus();
}

absl::Status Run() {
  std::vector<std::string> events;
  uint64_t encoded_bytes = 0;
  std::string sample;
  Orders orders(absl::GetFlag(FLAGS_event_bytes));
  std::string some_id;
  while (encoded_bytes < absl::GetFlag(FLAGS_megabytes) * 1'000'000) {
    const v1::Event event = orders.Next();
    events.push_back(event.SerializeAsString());
    encoded_bytes += events.back().size();
    if (sample.size() < (16 << 20)) AppendEventLine({0, 0, kHourMicros}, events.back(), &sample);
    if (events.size() == 1000) some_id = event.id();
  }
  const std::string directory = absl::GetFlag(FLAGS_directory);
  std::filesystem::remove_all(directory);
  ASSIGN_OR_RETURN(const auto store,
                   DirectoryStore::Open(directory, DirectoryStore::Mode::kCreate));
  ASSIGN_OR_RETURN(const LakeOwner owner, ClaimLake(*store, {.hub = "bench", .now = absl::Now()}));
  ASSIGN_OR_RETURN(const auto catalog, CatalogWriter::Open(*store, owner));
  ASSIGN_OR_RETURN(const LakeTopic topic, catalog->Ensure(1, "orders", absl::Now()));
  ASSIGN_OR_RETURN(const auto writer, ManifestWriter::Open(*store, topic, owner));

  const double megabytes = static_cast<double>(encoded_bytes) / 1e6;
  const double cpu_before = CpuSeconds(getpid());
  const Stopwatch writing;
  RETURN_IF_ERROR(WriteObjects(*store, events, absl::GetFlag(FLAGS_object_megabytes) * 1'000'000,
                               topic, *writer));
  const double write_seconds = writing.Seconds();
  const double write_cpu = CpuSeconds(getpid()) - cpu_before;
  ASSIGN_OR_RETURN(const Manifest manifest, Manifest::Load(*store, topic));
  uint64_t raw = 0;
  uint64_t stored = 0;
  for (const auto& [sequence, object] : manifest.objects()) {
    raw += object.raw_bytes();
    stored += object.bytes();
  }
  PrintResult("lake.write", {{"MB/s", megabytes / write_seconds},
                             {"MB/s of CPU", megabytes / write_cpu},
                             {"ratio", static_cast<double>(raw) / static_cast<double>(stored)},
                             {"ratio of gzip", static_cast<double>(sample.size()) /
                                                   static_cast<double>(GzipBytes(sample))}});

  const Stopwatch reading;
  TopicCursor cursor(*store, topic, manifest, {}, {});
  uint64_t read = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, cursor.Next());
    if (!more) break;
    ++read;
  }
  PrintResult("lake.read", {{"MB/s", megabytes / reading.Seconds()}});

  const Stopwatch parsing;
  TopicCursor again(*store, topic, manifest, {}, {});
  uint64_t bytes = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, again.Next());
    if (!more) break;
    ASSIGN_OR_RETURN(const std::string encoded, EncodedOf(again.event().line));
    bytes += encoded.size();
  }
  PrintResult("lake.read encoded", {{"MB/s", megabytes / parsing.Seconds()}});
  if (read != events.size() || bytes != encoded_bytes) {
    return absl::DataLossError("what was read is not what was written");
  }
  RETURN_IF_ERROR(ReadHistory(directory, megabytes, events.size()));

  const Stopwatch finding;
  ASSIGN_OR_RETURN(const FindTally tally, FindEvents(*store, topic, manifest, KeyKind::kId, some_id,
                                                     {}, [](const LakeEvent&) { return true; }));
  PrintResult("lake.find", {{"ms", finding.Seconds() * 1e3},
                            {"found", static_cast<double>(tally.events)},
                            {"% read", 100 * static_cast<double>(tally.bytes_read) /
                                           static_cast<double>(tally.bytes)}});

  const Stopwatch proving;
  VerifyReport report;
  RETURN_IF_ERROR(VerifyTopic(*store, topic, {}, &report));
  PrintResult("lake.verify",
              {{"MB/s", static_cast<double>(report.raw_bytes) / 1e6 / proving.Seconds()},
               {"problems", static_cast<double>(report.problem_count)}});
  RETURN_IF_ERROR(MergeSmallObjects(*store, events, owner, *catalog));
  std::filesystem::remove_all(directory);
  RETURN_IF_ERROR(OpenLargeLake(directory));
  std::filesystem::remove_all(directory);
  return SeekInYear();
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = eventhub::benchmark::Run();
  if (!status.ok()) std::fprintf(stderr, "lake_bench: %s\n", status.ToString().c_str());
  return status.ok() ? EXIT_SUCCESS : EXIT_FAILURE;
}
