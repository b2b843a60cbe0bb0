// The data keys of subjects: those in use in memory, all of them, wrapped, in the store.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/erasure/master_keys.h"
#include "server/core/erasure/sealed_event.h"
#include "storage/base/mutex.h"
#include "storage/commit_builder.h"
#include "storage/log_store.h"

namespace eventhub {

// A key of a subject.
struct DataKey {
  KeyName name;
  SecretKey key;
  // Commit thread only. The key, wrapped, to be written with the first event that is sealed with
  // it; empty if it is written.
  std::string wrapped;
};

// The keys used last, by text. Guarded by its owner.
class RecentKeys {
 public:
  explicit RecentKeys(size_t limit) : limit_(limit) {}

  // Null if there is none.
  std::shared_ptr<DataKey> Find(absl::string_view text);
  void Add(std::string text, std::shared_ptr<DataKey> key);
  // Drops those whose text begins with `prefix`; takes the time to look at all.
  void Drop(absl::string_view prefix);

 private:
  using Order = std::list<std::pair<std::string, std::shared_ptr<DataKey>>>;
  const size_t limit_;
  Order order_;  // The last used first.
  absl::flat_hash_map<std::string, Order::iterator> by_text_;
};

// Sealing runs on threads that must not wait for the disk. Therefore, a subject gets a new key
// whenever the ring has none for it in memory: after a restart, or after its key was evicted by
// those of other subjects. Erasing a subject destroys all its keys.
//
// Thread-safe, except where noted.
class KeyRing {
 public:
  // The keys that are kept in memory for sealing, and as many for opening; about 250 bytes each.
  static constexpr size_t kKeysInMemory = 16 << 10;

  // The references outlive this object.
  KeyRing(const LogStore& store, MasterKeys masters, size_t keys_in_memory = kKeysInMemory);

  // FAILED_PRECONDITION if the store has keys that none of the master keys can unwrap.
  absl::Status Load();

  const MasterKeys& masters() const { return masters_; }
  const LogStore& store() const { return store_; }
  // Whether there may be sealed data.
  bool in_use() const { return in_use_.load(std::memory_order_relaxed); }

  // A key with which to seal data of the subject. Save must be called in the commit of the event.
  // Requires a master key. Does not touch the disk.
  std::shared_ptr<DataKey> KeyFor(absl::string_view subject);

  // Looked up: a key; if it is null, when the subject was erased; if that is -1, too, the store
  // knows neither.
  struct Found {
    std::shared_ptr<DataKey> key;
    int64_t erased_micros = -1;
  };
  // May read the disk. DATA_LOSS if the record is damaged. UNAVAILABLE until Confirm.
  absl::StatusOr<Found> Find(const KeyName& name);

  // Commit thread: the time of a new key or of an erasure. Later than the one before, whatever the
  // clock does: an erasure destroys the keys that are not later.
  int64_t NextTime(CommitBuilder& commit);
  // Commit thread: times from now on are later than this one, of another hub.
  void NoteTime(int64_t micros, CommitBuilder& commit);

  // Commit thread: adds the key's record to the commit, unless an earlier one had it.
  void Save(DataKey& key, CommitBuilder& commit);

  // Commit thread: from now on the subject's data is sealed with a new key. Until EndErasure, which
  // is called when the deletion of its keys is visible, no key read from the store is kept in
  // memory.
  void BeginErasure(const std::string& subject_hash);
  void EndErasure(const std::string& subject_hash);
  // Commit thread: between the two.
  bool IsBeingErased(absl::string_view subject_hash) const;

  // The lake stores the keys in parts, by the first byte of the subject's hash, and all erasures in
  // an additional part. NoteChange, on the commit thread, marks a part as changed; the store keeps
  // the mark until the lake has the part.
  static constexpr uint32_t kParts = 256;
  static constexpr uint32_t kErasuresPart = kParts;
  static uint32_t PartOf(absl::string_view subject_hash) {
    return static_cast<uint8_t>(subject_hash.front());
  }
  void NoteChange(uint32_t part, CommitBuilder& commit);
  // Whether the lake lacks changes, and a number that each change increments.
  bool changed(uint32_t part) const { return parts_[part].changed.load(std::memory_order_acquire); }
  bool any_changed() const;
  uint64_t changes(uint32_t part) const {
    return parts_[part].changes.load(std::memory_order_acquire);
  }
  // Commit thread: the lake has the part as of `changes`.
  void NoteBrought(uint32_t part, uint64_t changes, CommitBuilder& commit);

  // Until Confirm, the lake may know of erasures that the store does not, because a backup was
  // restored; so Find fails. Call it before the first Find.
  void AwaitConfirmation() { confirmed_.store(false, std::memory_order_release); }
  void Confirm() { confirmed_.store(true, std::memory_order_release); }
  bool confirmed() const { return confirmed_.load(std::memory_order_acquire); }

  // Commit thread: after the keys are wrapped with the present master key.
  void ForgetOtherMasters(const std::vector<std::string>& ids, CommitBuilder& commit);

 private:
  const LogStore& store_;
  const MasterKeys masters_;
  std::atomic<bool> in_use_{false};
  std::atomic<bool> confirmed_{true};
  struct Part {
    std::atomic<bool> changed{false};
    std::atomic<uint64_t> changes{0};
  };
  std::array<Part, kParts + 1> parts_;
  // Commit thread only, after Load.
  bool master_saved_ = false;  // The present one is recorded as in use.
  int64_t last_micros_ = 0;    // See NextTime.

  mutable Mutex mutex_;
  RecentKeys sealing_ ABSL_GUARDED_BY(mutex_);  // By subject hash.
  RecentKeys opening_ ABSL_GUARDED_BY(mutex_);  // By name.
  absl::flat_hash_set<std::string> being_erased_ ABSL_GUARDED_BY(mutex_);
  // Counts the changes of that set: what was read before one is not kept.
  uint64_t erasures_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace eventhub
