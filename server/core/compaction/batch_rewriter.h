// Rewrites stored batches without the events that compaction removes.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/types/span.h"
#include "storage/base/types.h"
#include "storage/partition_log.h"
#include "storage/record_batch.h"

namespace eventhub {

// The batches to store in place of others, which cover the same offsets; for
// CommitBuilder::Replace.
struct RewrittenBatches {
  std::vector<Offset> old{};  // The bases of batches that change.
  std::vector<RecordBatch> batches{};
  RemovedEvents removed{};  // By this rewrite.
};

// Takes consecutive batches of a partition, and decides how the rest of them is stored. A few
// removed events in a row stay as empty events, which cost two bytes each. More form a batch of
// their own, which is only an entry in the index; it extends over batches that are gone altogether.
// So the size of the result depends on the events that stay, and hardly on how many are removed.
class BatchRewriter {
 public:
  // Adds the next batch. `keep` has an entry for each event; those of events that were removed
  // before do not matter. A batch that is gone needs none.
  void Add(const RecordBatch& batch, const std::vector<bool>& keep);

  // Returns the changes, without batches that were added and stay as they are.
  RewrittenBatches Finish() &&;

 private:
  // Identifies the content of a batch, because compaction only removes events.
  struct Content {
    uint32_t count;
    uint32_t removed;

    bool operator==(const Content&) const = default;
  };
  static Content ContentOf(const RecordBatch& batch) {
    return {batch.header.count, batch.header.removed};
  }

  // Appends a batch, or extends the last one if all events of both are gone.
  void Append(RecordBatch batch);

  absl::btree_map<Offset, Content> added_;  // By base.
  std::vector<RecordBatch> batches_;
  RemovedEvents removed_;
};

}  // namespace eventhub
