// Proves that a topic of a lake is whole: everything is read again and compared.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/lake/object/object.pb.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct VerifyReport {
  uint64_t objects = 0;
  uint64_t events = 0;
  uint64_t bytes = 0;
  uint64_t raw_bytes = 0;
  uint64_t copies = 0;  // Columnar ones.
  // Offsets that were dropped before they were archived, as the manifest says.
  uint64_t dropped_offsets = 0;
  // What is wrong, each in one sentence that names the file; the first kMaxProblems of
  // `problem_count`.
  static constexpr size_t kMaxProblems = 1000;
  uint64_t problem_count = 0;
  std::vector<std::string> problems{};
  // Objects that are damaged or missing, as the manifest lists them; as many of them.
  std::vector<ObjectRecord> damaged{};
  // Files that belong to nothing: of a writer that crashed, or of objects that were replaced; the
  // first kMaxProblems of `orphan_count`. They harm nobody.
  uint64_t orphan_count = 0;
  uint64_t orphan_bytes = 0;
  std::vector<ObjectInfo> orphans{};

  void AddProblem(std::string problem);
};

struct VerifyOptions {
  // Reads all objects; otherwise only manifests and names.
  bool contents = true;
  // Called after each object with the events so far; false ends the check with CANCELLED.
  std::function<bool(const VerifyReport&)> progress{};
};

// Checks that
//   - the steps of the manifest are there without a gap, say the same as its checkpoints, and leave
//     no offset out and count none twice,
//   - each object is there with the size and the SHA-256 that the manifest says,
//   - its name, index and filters agree with its lines: positions, counts and times of all; the
//     keys of one event of each frame,
//   - each columnar copy is there with its size and SHA-256,
//   - and nothing else is in the directory of the topic.
// Adds to `*report`. Returns only errors of the store that leave the answer open. Memory: one
// frame, the filters of one object, and the manifest twice.
absl::Status VerifyTopic(const ObjectStore& store, const LakeTopic& topic,
                         const VerifyOptions& options, VerifyReport* report);

}  // namespace eventhub::lake
