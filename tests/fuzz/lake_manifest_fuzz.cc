// Records of a lake of any bytes: each is read or refused, and what is accepted holds together.
#include <string>

#include "absl/strings/string_view.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/manifest/owner.h"
#include "server/lake/manifest/step_log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lake/memory_store.h"

namespace eventhub::lake {
namespace {

// The input as a step and as a checkpoint of a log.
template <typename Load>
void LoadAs(const std::string& directory, absl::string_view payload, const Load& load) {
  MemoryStore store;
  store.objects()[StepLog::StepName(directory, 1)] = EncodeRecord(RecordKind::kStep, 1, payload);
  load(store);
  store.objects()[StepLog::StepName(directory, 2)] = EncodeRecord(RecordKind::kStep, 2, payload);
  load(store);
  StepLog log(store, directory);
  if (log.Load([](RecordKind, uint64_t, absl::string_view) { return absl::OkStatus(); }).ok()) {
    log.WriteCheckpoint(payload).IgnoreError();
    load(store);
  }
}

void CheckManifest(const Manifest& manifest) {
  for (const auto& [partition, range] : manifest.archived()) {
    FUZZ_CHECK(range.begin >= 0 && range.begin < range.end);
  }
  for (const auto& [sequence, object] : manifest.objects()) {
    FUZZ_CHECK(sequence == object.sequence() && sequence <= manifest.last_sequence());
  }
  // A checkpoint says the same.
  Manifest restored;
  FUZZ_CHECK(restored.Restore(manifest.ToCheckpoint()).ok());
  FUZZ_CHECK(restored.archived().size() == manifest.archived().size());
}

void LoadAll(absl::string_view input) {
  DecodeRecord("record", RecordKind::kStep, 1, input).IgnoreError();
  const LakeTopic topic{.identity = {.hub = "h", .id = 1}, .name = "t", .directory = "topic=t"};
  LoadAs(Manifest::Directory(topic), input, [&topic](const ObjectStore& store) {
    const absl::StatusOr<Manifest> manifest = Manifest::Load(store, topic);
    if (manifest.ok()) CheckManifest(*manifest);
  });
  LoadAs("_lake/catalog", input, [](const ObjectStore& store) {
    const absl::StatusOr<Catalog> catalog = Catalog::Load(store);
    if (!catalog.ok()) return;
    for (const CatalogEntry& entry : catalog->entries()) {
      FUZZ_CHECK(catalog->Find(entry.topic.identity) == &entry);
      FUZZ_CHECK(CheckObjectName(entry.topic.directory).ok());
    }
  });
  LoadAs("_lake/owner", input, [](const ObjectStore& store) { ReadOwner(store).IgnoreError(); });
}

}  // namespace
}  // namespace eventhub::lake

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  eventhub::lake::LoadAll(eventhub::Input(data, size));
  return 0;
}
