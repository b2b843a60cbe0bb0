// The keys of subjects, and who was erased, in the lake: so that a hub that is restored has the
// keys, and none that was destroyed.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/core/archive/archive_target.h"
#include "server/core/erasure/key_ring.h"
#include "storage/base/mutex.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// What changed is noted in the store in the commit that changes it (KeyRing::NoteChange), so a
// crash or a lake that is not available only delays it. Thread-safe.
class KeyArchive {
 public:
  // The references outlive this object.
  KeyArchive(KeyRing& keys, LogStore& store, LogWriter& writer)
      : keys_(keys), store_(store), writer_(writer) {}

  // First, once: erases here what the lake knows to be erased, which a restored backup does not.
  // Then brings the lake up to date: erasures, and the keys that changed. Blocks on the lake, on
  // commits and on the disk. After an error, another call goes on.
  absl::Status Bring(ArchiveTarget& lake);

  // Whether the lake is not to wait with it for the next object: an erasure, or what it knows.
  bool urgent() const { return !keys_.confirmed() || keys_.changed(KeyRing::kErasuresPart); }

 private:
  absl::Status Agree(ArchiveTarget& lake) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Erases a subject here as of an earlier erasure.
  absl::Status EraseAgain(const std::string& subject_hash, const std::string& record);
  absl::Status BringErasures(ArchiveTarget& lake);
  // `purge`: keys of the part may have been destroyed.
  absl::Status BringPart(ArchiveTarget& lake, uint32_t part, bool purge);

  KeyRing& keys_;
  LogStore& store_;
  LogWriter& writer_;
  Mutex mutex_;  // Held while one call brings something.
};

}  // namespace eventhub
