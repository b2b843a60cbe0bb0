#include "server/core/erasure/key_ring.h"

#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/core/erasure/key_records.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

std::string KeyOfRecord(const KeyName& name) { return DataKeyKey(name.subject_hash(), name.id()); }

}  // namespace

std::shared_ptr<DataKey> RecentKeys::Find(absl::string_view text) {
  const auto found = by_text_.find(text);
  if (found == by_text_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->second;
}

void RecentKeys::Add(std::string text, std::shared_ptr<DataKey> key) {
  const auto found = by_text_.find(text);
  if (found != by_text_.end()) order_.erase(found->second);
  order_.emplace_front(text, std::move(key));
  by_text_[std::move(text)] = order_.begin();
  if (order_.size() <= limit_) return;
  by_text_.erase(order_.back().first);
  order_.pop_back();
}

void RecentKeys::Drop(absl::string_view prefix) {
  for (auto key = order_.begin(); key != order_.end();) {
    if (!absl::StartsWith(key->first, prefix)) {
      ++key;
      continue;
    }
    by_text_.erase(key->first);
    key = order_.erase(key);
  }
}

KeyRing::KeyRing(const LogStore& store, MasterKeys masters, size_t keys_in_memory)
    : store_(store),
      masters_(std::move(masters)),
      sealing_(keys_in_memory),
      opening_(keys_in_memory) {}

absl::Status KeyRing::Load() {
  absl::Status have_masters;
  RETURN_IF_ERROR(store_.Scan(
      Column::kMeta, kMasterKeyPrefix, [&](absl::string_view key, absl::string_view /*value*/) {
        have_masters = masters_.Require(key.substr(kMasterKeyPrefix.size()), "the store");
        return have_masters.ok();
      }));
  RETURN_IF_ERROR(store_.Scan(Column::kMeta, kChangedKeysPrefix,
                              [&](absl::string_view key, absl::string_view /*value*/) {
                                const std::optional<uint16_t> part = ParseChangedKeysKey(key);
                                if (part.has_value() && *part <= kErasuresPart) {
                                  parts_[*part].changed.store(true, std::memory_order_release);
                                }
                                return true;
                              }));
  ASSIGN_OR_RETURN(const std::optional<std::string> last, store_.Get(Column::kMeta, kKeyTimeKey));
  if (last.has_value()) {
    if (last->size() != sizeof(uint64_t)) {
      return absl::DataLossError("the time of the last data key is damaged");
    }
    last_micros_ = static_cast<int64_t>(LoadLittle64(last->data()));
  }
  RETURN_IF_ERROR(have_masters);
  in_use_.store(store_.format() >= LogStore::kSealedDataFormat, std::memory_order_relaxed);
  return absl::OkStatus();
}

std::shared_ptr<DataKey> KeyRing::KeyFor(absl::string_view subject) {
  std::string hash = HashOfSubject(subject);
  {
    MutexLock lock(mutex_);
    if (std::shared_ptr<DataKey> key = sealing_.Find(hash)) return key;
  }
  auto key = std::make_shared<DataKey>();
  key->name.bytes = absl::StrCat(hash, RandomBytes(kDataKeyIdBytes));
  key->key = SecretKey::Random();
  key->wrapped = masters_.Wrap(key->key, KeyOfRecord(key->name));
  MutexLock lock(mutex_);
  if (std::shared_ptr<DataKey> other = sealing_.Find(hash)) return other;
  sealing_.Add(std::move(hash), key);
  in_use_.store(true, std::memory_order_relaxed);
  return key;
}

absl::StatusOr<KeyRing::Found> KeyRing::Find(const KeyName& name) {
  if (!confirmed()) return ErasuresUnknown();
  uint64_t before;
  {
    MutexLock lock(mutex_);
    if (std::shared_ptr<DataKey> key = opening_.Find(name.bytes)) return Found{std::move(key)};
    before = erasures_;
  }
  const std::string stored_as = KeyOfRecord(name);
  ASSIGN_OR_RETURN(const std::optional<std::string> value, store_.Get(Column::kMeta, stored_as));
  if (!value.has_value()) {
    ASSIGN_OR_RETURN(const std::optional<std::string> erased,
                     store_.Get(Column::kMeta, ErasedSubjectKey(name.subject_hash())));
    if (!erased.has_value()) return Found{};
    ASSIGN_OR_RETURN(const ErasureRecord record, ErasureRecord::Decode(*erased));
    return Found{nullptr, record.erase_micros};
  }
  ASSIGN_OR_RETURN(const DataKeyRecord record, DataKeyRecord::Decode(*value));
  auto key = std::make_shared<DataKey>();
  key->name = name;
  ASSIGN_OR_RETURN(key->key, masters_.Unwrap(record.wrapped, stored_as));
  MutexLock lock(mutex_);
  if (erasures_ == before && being_erased_.empty()) opening_.Add(name.bytes, key);
  return Found{std::move(key)};
}

int64_t KeyRing::NextTime(CommitBuilder& commit) {
  NoteTime(std::max(last_micros_ + 1, absl::ToUnixMicros(commit.now())), commit);
  return last_micros_;
}

void KeyRing::NoteTime(int64_t micros, CommitBuilder& commit) {
  last_micros_ = std::max(last_micros_, micros);
  std::string value;
  AppendLittle64(&value, static_cast<uint64_t>(last_micros_));
  commit.Put(Column::kMeta, kKeyTimeKey, value);
}

void KeyRing::Save(DataKey& key, CommitBuilder& commit) {
  if (key.wrapped.empty()) return;
  const DataKeyRecord record{NextTime(commit), std::move(key.wrapped)};
  key.wrapped.clear();
  commit.Put(Column::kMeta, KeyOfRecord(key.name), record.Encode());
  NoteChange(PartOf(key.name.subject_hash()), commit);
  if (master_saved_) return;
  // Before or with the first key: the next start has to ask for it.
  commit.Put(Column::kMeta, MasterKeyKey(masters_.present_id()), "");
  master_saved_ = true;
}

void KeyRing::BeginErasure(const std::string& subject_hash) {
  MutexLock lock(mutex_);
  sealing_.Drop(subject_hash);
  being_erased_.insert(subject_hash);
  ++erasures_;
}

void KeyRing::EndErasure(const std::string& subject_hash) {
  MutexLock lock(mutex_);
  opening_.Drop(subject_hash);
  being_erased_.erase(subject_hash);
  ++erasures_;
  in_use_.store(true, std::memory_order_relaxed);
}

bool KeyRing::IsBeingErased(absl::string_view subject_hash) const {
  MutexLock lock(mutex_);
  return being_erased_.contains(subject_hash);
}

void KeyRing::NoteChange(uint32_t part, CommitBuilder& commit) {
  parts_[part].changes.fetch_add(1, std::memory_order_acq_rel);
  // If it was reported as brought in this commit, it is written again after that.
  commit.Put(Column::kMeta, ChangedKeysKey(static_cast<uint16_t>(part)), "");
  parts_[part].changed.store(true, std::memory_order_release);
}

bool KeyRing::any_changed() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.changed.load(std::memory_order_acquire); });
}

void KeyRing::NoteBrought(uint32_t part, uint64_t changes, CommitBuilder& commit) {
  if (parts_[part].changes.load(std::memory_order_acquire) != changes) return;
  commit.Delete(Column::kMeta, ChangedKeysKey(static_cast<uint16_t>(part)));
  parts_[part].changed.store(false, std::memory_order_release);
}

void KeyRing::ForgetOtherMasters(const std::vector<std::string>& ids, CommitBuilder& commit) {
  commit.Put(Column::kMeta, MasterKeyKey(masters_.present_id()), "");
  master_saved_ = true;
  for (const std::string& id : ids) commit.Delete(Column::kMeta, MasterKeyKey(id));
}

}  // namespace eventhub
