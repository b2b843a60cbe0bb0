// Writes a lake without a hub, for tests of the command line and of other tools that read lakes:
//
//     lake_process DIRECTORY TOPIC EVENTS PARTITIONS [TIME]
//
// One object an hour, 100 events each at most, from 2025-11-24T16 or the given time on, in addition
// to what the topic has; checkpoints as a hub makes them. Events have the ids id-0, id-1, …, in the
// order of their append times, one a second.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest_writer.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/object/object_writer.h"
#include "server/lake/store/directory_store.h"
#include "storage/base/status_macros.h"
#include "tests/lake/lake_events.h"

namespace eventhub::lake {
namespace {

constexpr int64_t kFirstHour = 490'000;
constexpr int kEventsPerHour = 100;

// By partition.
using FirstOffsets = std::map<uint32_t, int64_t>;

absl::Status WriteHour(ObjectStore& store, const LakeTopic& topic, int64_t hour, int first, int end,
                       int partitions, FirstOffsets& offsets, ManifestWriter& manifest,
                       absl::Time now) {
  std::map<uint32_t, std::vector<int>> numbers;
  for (int i = first; i < end; ++i) numbers[static_cast<uint32_t>(i % partitions)].push_back(i);
  ObjectPlan plan{.topic = topic, .sequence = manifest.next_sequence(), .hour = hour, .ranges = {}};
  for (const auto& [partition, events] : numbers) {
    plan.ranges.push_back({.partition = partition,
                           .begin = offsets[partition] + events.front() / partitions,
                           .end = offsets[partition] + events.back() / partitions + 1});
  }
  ASSIGN_OR_RETURN(const auto writer, ObjectWriter::Create(store, plan));
  for (const auto& [partition, events] : numbers) {
    for (const int i : events) {
      const int64_t micros = absl::ToUnixMicros(HourStart(hour) + absl::Seconds(i - first));
      RETURN_IF_ERROR(writer->Add({partition, offsets[partition] + i / partitions, micros},
                                  PlainEvent(i).SerializeAsString()));
    }
  }
  ASSIGN_OR_RETURN(const ObjectRecord record, writer->Finish());
  RETURN_IF_ERROR(manifest.Append({record}, {}, now));
  return manifest.WantsCheckpoint() ? manifest.WriteCheckpoint() : absl::OkStatus();
}

absl::Status WriteLake(const std::string& directory, const std::string& name, int events,
                       int partitions, int64_t first_hour) {
  const absl::Time now = HourStart(kFirstHour);
  ASSIGN_OR_RETURN(const auto store,
                   DirectoryStore::Open(directory, DirectoryStore::Mode::kCreate));
  ASSIGN_OR_RETURN(const LakeOwner owner,
                   ClaimLake(*store, {.hub = "hub-1", .description = "test", .now = now}));
  ASSIGN_OR_RETURN(const auto catalog, CatalogWriter::Open(*store, owner));
  const CatalogEntry* const known = catalog->catalog().FindName(name);
  const auto id = known != nullptr ? known->topic.identity.id
                                   : static_cast<uint32_t>(catalog->catalog().entries().size() + 1);
  ASSIGN_OR_RETURN(const LakeTopic topic, catalog->Ensure(id, name, now));
  ASSIGN_OR_RETURN(const auto manifest, ManifestWriter::Open(*store, topic, owner));
  FirstOffsets offsets;
  for (const auto& [partition, archived] : manifest->archived()) offsets[partition] = archived.end;
  for (int first = 0, hour = 0; first < events; first += kEventsPerHour, ++hour) {
    RETURN_IF_ERROR(WriteHour(*store, topic, first_hour + hour, first,
                              std::min(first + kEventsPerHour, events), partitions, offsets,
                              *manifest, now));
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  int events = 0;
  int partitions = 0;
  absl::Time start = HourStart(kFirstHour);
  std::string error;
  if (argc < 5 || argc > 6 || !absl::SimpleAtoi(argv[3], &events) ||
      !absl::SimpleAtoi(argv[4], &partitions) || partitions < 1 ||
      (argc == 6 && !absl::ParseTime(absl::RFC3339_full, argv[5], &start, &error))) {
    std::fprintf(stderr, "usage: lake_process DIRECTORY TOPIC EVENTS PARTITIONS [TIME]\n");
    return 2;
  }
  const absl::Status written = WriteLake(argv[1], argv[2], events, partitions, HourOf(start));
  if (written.ok()) return EXIT_SUCCESS;
  std::fprintf(stderr, "lake_process: %s\n", written.ToString().c_str());
  return EXIT_FAILURE;
}

}  // namespace
}  // namespace eventhub::lake

int main(int argc, char** argv) { return eventhub::lake::Main(argc, argv); }
