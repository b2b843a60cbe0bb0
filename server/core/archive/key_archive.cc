#include "server/core/archive/key_archive.h"

#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "server/core/base/errors.h"
#include "server/core/erasure/key_entries.h"
#include "server/core/erasure/key_records.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/commit_task.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// A synced commit of a few entries of column `meta`.
class KeyArchiveTask final : public CommitTask {
 public:
  using Change = absl::AnyInvocable<void(CommitBuilder&)>;

  KeyArchiveTask(Change change, StatusDone done)
      : change_(std::move(change)), done_(std::move(done)) {}

  void Prepare(CommitBuilder& commit) override { change_(commit); }
  void Done(const absl::Status& status) override { std::move(done_)(OutcomeOf({}, status)); }
  size_t bytes() const override { return 4096; }
  bool synced() const override { return true; }

 private:
  Change change_;
  StatusDone done_;
};

absl::Status CommitChange(LogWriter& writer, KeyArchiveTask::Change change) {
  return AwaitOutcome([&](StatusDone done) {
    writer.Submit(std::make_unique<KeyArchiveTask>(std::move(change), std::move(done)));
  });
}

// Whether the first of two records of one erased subject is later than the second.
absl::StatusOr<bool> IsLater(const std::string& record, const std::string& other) {
  ASSIGN_OR_RETURN(const ErasureRecord a, ErasureRecord::Decode(record));
  ASSIGN_OR_RETURN(const ErasureRecord b, ErasureRecord::Decode(other));
  return a.erase_micros > b.erase_micros;
}

absl::StatusOr<KeyEntries> EntriesUnder(const LogStore& store, const std::string& prefix) {
  KeyEntries entries;
  RETURN_IF_ERROR(
      store.Scan(Column::kMeta, prefix, [&entries](absl::string_view key, absl::string_view value) {
        entries.emplace(key, value);
        return true;
      }));
  return entries;
}

}  // namespace

absl::Status KeyArchive::Bring(ArchiveTarget& lake) {
  if (keys_.confirmed() && !keys_.any_changed()) return absl::OkStatus();
  MutexLock lock(mutex_);
  if (!keys_.confirmed()) RETURN_IF_ERROR(Agree(lake));
  // When this commit is done, the store has all the changes that it counted.
  std::vector<std::pair<uint32_t, uint64_t>> parts;
  RETURN_IF_ERROR(CommitChange(writer_, [&](CommitBuilder& /*commit*/) {
    for (uint32_t part = 0; part <= KeyRing::kErasuresPart; ++part) {
      if (keys_.changed(part)) parts.emplace_back(part, keys_.changes(part));
    }
  }));
  // Erasures, which have the last number, are there before the keys that they destroy are gone. An
  // attempt that failed in between left all of these parts as changed.
  const bool purge = !parts.empty() && parts.back().first == KeyRing::kErasuresPart;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const bool erasures = part->first == KeyRing::kErasuresPart;
    RETURN_IF_ERROR(erasures ? BringErasures(lake) : BringPart(lake, part->first, purge));
  }
  if (parts.empty()) return absl::OkStatus();
  return CommitChange(writer_, [&](CommitBuilder& commit) {
    for (const auto& [part, changes] : parts) keys_.NoteBrought(part, changes, commit);
  });
}

absl::Status KeyArchive::Agree(ArchiveTarget& lake) {
  ASSIGN_OR_RETURN(const std::string text, lake.Erasures());
  ASSIGN_OR_RETURN(const KeyEntries erasures, DecodeErasures(text));
  bool erased = keys_.changed(KeyRing::kErasuresPart);  // Before a crash.
  for (const auto& [key, record] : erasures) {
    ASSIGN_OR_RETURN(const std::optional<std::string> here, store_.Get(Column::kMeta, key));
    if (here.has_value()) {
      ASSIGN_OR_RETURN(const bool later, IsLater(record, *here));
      if (!later) continue;
    }
    RETURN_IF_ERROR(EraseAgain(key.substr(kErasedSubjectPrefix.size()), record));
    erased = true;
  }
  if (erased) RETURN_IF_ERROR(store_.Purge(Column::kMeta, std::string(kDataKeyPrefix)));
  keys_.Confirm();
  return absl::OkStatus();
}

absl::Status KeyArchive::EraseAgain(const std::string& subject_hash, const std::string& record) {
  ASSIGN_OR_RETURN(const ErasureRecord erasure, ErasureRecord::Decode(record));
  ASSIGN_OR_RETURN(const KeyEntries keys, EntriesUnder(store_, DataKeyPrefix(subject_hash)));
  std::vector<std::string> destroyed;
  for (const auto& [key, value] : keys) {
    ASSIGN_OR_RETURN(const DataKeyRecord data_key, DataKeyRecord::Decode(value));
    if (Destroys(erasure, data_key)) destroyed.push_back(key);
  }
  const absl::Status erased = CommitChange(writer_, [&](CommitBuilder& commit) {
    keys_.BeginErasure(subject_hash);
    keys_.NoteTime(erasure.erase_micros, commit);
    for (const std::string& key : destroyed) commit.Delete(Column::kMeta, key);
    commit.Put(Column::kMeta, ErasedSubjectKey(subject_hash), record);
    keys_.NoteChange(KeyRing::PartOf(subject_hash), commit);
    keys_.NoteChange(KeyRing::kErasuresPart, commit);
  });
  keys_.EndErasure(subject_hash);
  return erased;
}

absl::Status KeyArchive::BringErasures(ArchiveTarget& lake) {
  ASSIGN_OR_RETURN(const std::string text, lake.Erasures());
  ASSIGN_OR_RETURN(KeyEntries entries, DecodeErasures(text));
  ASSIGN_OR_RETURN(KeyEntries here, EntriesUnder(store_, std::string(kErasedSubjectPrefix)));
  for (auto& [key, record] : here) {
    const auto there = entries.find(key);
    if (there != entries.end()) {
      ASSIGN_OR_RETURN(const bool later, IsLater(record, there->second));
      if (!later) continue;
    }
    entries[key] = std::move(record);
  }
  return lake.KeepErasures(EncodeEntries(entries));
}

absl::Status KeyArchive::BringPart(ArchiveTarget& lake, uint32_t part, bool purge) {
  ASSIGN_OR_RETURN(const std::string text, lake.Keys(part));
  ASSIGN_OR_RETURN(KeyEntries entries, DecodeKeys(text));
  // The lake may have keys that an older copy of the store lacks; what is here is wrapped last.
  std::string prefix(kDataKeyPrefix);
  prefix.push_back(static_cast<char>(part));
  ASSIGN_OR_RETURN(KeyEntries here, EntriesUnder(store_, prefix));
  for (auto& [key, record] : here) entries[key] = std::move(record);
  for (auto key = entries.begin(); key != entries.end();) {
    const std::string hash = key->first.substr(kDataKeyPrefix.size(), kSubjectHashBytes);
    ASSIGN_OR_RETURN(const std::optional<std::string> erased,
                     store_.Get(Column::kMeta, ErasedSubjectKey(hash)));
    bool destroyed = false;
    if (erased.has_value()) {
      ASSIGN_OR_RETURN(const ErasureRecord erasure, ErasureRecord::Decode(*erased));
      ASSIGN_OR_RETURN(const DataKeyRecord data_key, DataKeyRecord::Decode(key->second));
      destroyed = Destroys(erasure, data_key);
    }
    key = destroyed ? entries.erase(key) : std::next(key);
  }
  return lake.KeepKeys(part, EncodeEntries(entries), purge);
}

}  // namespace eventhub
