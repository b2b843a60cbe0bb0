// One pass over a topic: small objects of closed hours are merged, and files that nobody reads any
// more are deleted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/lake/manifest/manifest_writer.h"
#include "server/lake/merge/merge_objects.h"
#include "server/lake/merge/merge_plan.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct MergeTopicOptions {
  MergeLimits limits{};
  MergeOptions merge{};
  // How long after its end an hour is closed: events that were appended in it are in objects then,
  // unless archiving is behind. Later ones are merged by a later pass.
  absl::Duration settle = absl::Minutes(10);
  // How long the files of merged objects stay, for readers that loaded the manifest before.
  absl::Duration grace = absl::Hours(1);
};

struct MergeTally {
  uint64_t merges = 0;
  uint64_t replaced = 0;  // Objects that were merged.
  uint64_t deleted = 0;   // Files.
  uint64_t bytes = 0;     // Of lines that were copied.
  // Why objects cannot be merged, each naming one. The others were.
  std::vector<std::string> problems{};
  // When there is something to do again, as far as is known.
  std::optional<absl::Time> next{};
};

// Calls a function with the writer of the topic's manifest, which others use as well: the function
// blocks them.
using WithManifest =
    absl::FunctionRef<absl::Status(absl::FunctionRef<absl::Status(ManifestWriter&)>)>;

// Each merge has four steps, which leave the topic whole wherever they end:
//
//   1. The new object is written. Its name follows from its events: written again, it replaces
//   itself.
//   2. It is read again and compared with the manifest's record of it.
//   3. A step of the manifest replaces the objects by it: for readers, all at once.
//   4. After the grace period, the files of the objects are deleted, and a step says so.
//
// One call at a time for a topic. Adds to `*tally`, also if it fails: ABORTED if the lake was taken
// over, errors of `pace` and of the store.
absl::Status MergeTopic(ObjectStore& store, const LakeTopic& topic, absl::Time now,
                        const MergeTopicOptions& options, WithManifest with_manifest,
                        MergeTally* tally);

}  // namespace eventhub::lake
