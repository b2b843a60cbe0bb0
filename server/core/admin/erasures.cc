#include "server/core/admin/erasures.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "proto/wire/event_rules.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/timestamps.h"
#include "server/core/erasure/key_records.h"
#include "server/core/event/event_scanner.h"
#include "server/core/publish/publish_request.h"
#include "storage/base/await.h"
#include "storage/base/status_macros.h"
#include "storage/commit_task.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

// The keys that one commit wraps again: each costs the commit thread a look-up.
constexpr size_t kKeysPerCommit = 256;

// The type of the events that tell of erasures.
constexpr char kErasureType[] = "eventhub.subject.erased";

// Small changes of the keys, always synced.
class KeyTask : public CommitTask {
 public:
  explicit KeyTask(StatusDone done) : done_(std::move(done)) {}

  size_t bytes() const override { return kKeyTaskBytes; }
  bool synced() const override { return true; }

 protected:
  void Finish(const absl::Status& status) { std::move(done_)(status); }

 private:
  static constexpr size_t kKeyTaskBytes = 4096;

  StatusDone done_;
};

class EraseTask final : public KeyTask {
 public:
  EraseTask(KeyRing& keys, std::string subject_hash, std::unique_ptr<TopicAppend> fact,
            ErasureRecord& record, StatusDone done)
      : KeyTask(std::move(done)),
        keys_(keys),
        subject_hash_(std::move(subject_hash)),
        fact_(std::move(fact)),
        record_(record) {}

  Readiness readiness() override {
    return fact_ == nullptr || PlansAreCurrent(absl::MakeConstSpan(fact_.get(), 1))
               ? Readiness::kReady
               : Readiness::kOutdated;
  }
  void Renew() override { RenewPlan(*fact_); }
  void BeginRenewal() override { eventhub::BeginRenewal(absl::MakeSpan(fact_.get(), 1)); }
  void EndRenewal() override { eventhub::EndRenewal(absl::MakeSpan(fact_.get(), 1)); }
  void Refuse() override { refused_ = ShuttingDown(kShutdownRetry); }
  uint64_t renewal_lane() const override {
    return fact_ == nullptr ? 0 : fact_->topic->id().value();
  }

  void Prepare(CommitBuilder& commit) override {
    if (fact_ != nullptr) {
      refused_ = AdmitFact(commit);
      if (!refused_.ok()) return;
      ApplyAppend(*fact_, commit);
    }
    keys_.BeginErasure(subject_hash_);
    begun_ = true;
    record_.erase_micros = keys_.NextTime(commit);
    commit.DeletePrefix(Column::kMeta, DataKeyPrefix(subject_hash_));
    keys_.NoteChange(KeyRing::PartOf(subject_hash_), commit);
    keys_.NoteChange(KeyRing::kErasuresPart, commit);
    commit.Put(Column::kMeta, ErasedSubjectKey(subject_hash_), record_.Encode());
  }

  void Done(const absl::Status& status) override {
    if (begun_) keys_.EndErasure(subject_hash_);
    const absl::Status outcome = OutcomeOf(refused_, status);
    if (fact_ != nullptr && outcome.ok()) CountAppend(*fact_);
    Finish(outcome);
  }

 private:
  absl::Status AdmitFact(const CommitBuilder& commit) {
    if (fact_->topic->closing()) return TopicNotFound(fact_->topic->name());
    RETURN_IF_ERROR(AdmitAppend(*fact_, commit));
    return SettleAppend(*fact_, commit);
  }

  KeyRing& keys_;
  const std::string subject_hash_;
  const std::unique_ptr<TopicAppend> fact_;  // Null: the erasure is not published.
  ErasureRecord& record_;                    // Of the thread that waits.
  absl::Status refused_;
  bool begun_ = false;
};

// A key that is wrapped again.
struct Rewrapped {
  std::string key;  // Of the record.
  std::string before;
  std::string after;
};

class RewrapTask final : public KeyTask {
 public:
  RewrapTask(KeyRing& keys, std::vector<Rewrapped> rewrapped, StatusDone done)
      : KeyTask(std::move(done)), keys_(keys), rewrapped_(std::move(rewrapped)) {}

  void Prepare(CommitBuilder& commit) override {
    for (const Rewrapped& key : rewrapped_) {
      const absl::string_view subject_hash =
          absl::string_view(key.key).substr(kDataKeyPrefix.size(), kSubjectHashBytes);
      if (keys_.IsBeingErased(subject_hash)) continue;
      const absl::StatusOr<std::optional<std::string>> present =
          commit.store().Get(Column::kMeta, key.key);
      if (!present.ok()) failure_ = present.status();
      if (!present.ok() || *present != key.before) continue;
      commit.Put(Column::kMeta, key.key, key.after);
      keys_.NoteChange(KeyRing::PartOf(subject_hash), commit);
    }
  }

  void Done(const absl::Status& status) override { Finish(OutcomeOf(failure_, status)); }

 private:
  KeyRing& keys_;
  const std::vector<Rewrapped> rewrapped_;
  absl::Status failure_;
};

class ForgetMastersTask final : public KeyTask {
 public:
  ForgetMastersTask(KeyRing& keys, std::vector<std::string> ids, StatusDone done)
      : KeyTask(std::move(done)), keys_(keys), ids_(std::move(ids)) {}

  void Prepare(CommitBuilder& commit) override { keys_.ForgetOtherMasters(ids_, commit); }
  void Done(const absl::Status& status) override { Finish(OutcomeOf({}, status)); }

 private:
  KeyRing& keys_;
  const std::vector<std::string> ids_;
};

void Describe(absl::string_view subject_hash, const ErasureRecord& record, v1::Erasure* erasure) {
  erasure->set_subject_hash(absl::BytesToHexString(subject_hash));
  *erasure->mutable_erase_time() = TimestampOf(absl::FromUnixMicros(record.erase_micros));
  erasure->set_destroyed_keys(record.keys);
  erasure->set_principal(record.principal);
}

}  // namespace

void Erasures::Erase(const Caller& caller, const v1::EraseSubjectRequest& request,
                     ErasureDone<v1::EraseSubjectResponse> done) {
  const std::string& subject = request.subject();
  if (subject.empty()) return std::move(done)(InvalidField("subject", "is required"));
  if (subject.size() > wire::kMaxStringAttributeBytes) {
    return std::move(done)(InvalidField("subject", "has more than 1024 bytes"));
  }
  // The log must not have the name.
  done = admin_log_.NotingParts(caller,
                                absl::StrCat("erased the subject with the hash ",
                                             absl::BytesToHexString(HashOfSubject(subject))),
                                std::move(done));
  pool_.Post([this, caller, subject, done = std::move(done)]() mutable {
    std::move(done)(EraseNow(caller, subject));
  });
}

absl::StatusOr<std::unique_ptr<TopicAppend>> Erasures::FactOf(
    const std::string& subject, const std::string& subject_hash) const {
  if (facts_.topic.empty()) return nullptr;
  const std::shared_ptr<Topic> topic = topics_.Find(facts_.topic);
  if (topic == nullptr) {
    return WithMessage(TopicNotFound(facts_.topic),
                       absl::StrCat("nothing was erased: the topic ", facts_.topic,
                                    ", to which erasures are published, does not exist"));
  }
  const absl::Time now = delayed_.Now();
  const std::string hash = absl::BytesToHexString(subject_hash);
  v1::PublishStreamRequest request;
  v1::Event& event = *request.add_events();
  event.set_id(absl::StrCat(hash, "-", absl::ToUnixMicros(now)));
  event.set_source(facts_.source);
  event.set_type(kErasureType);
  event.set_subject(hash);
  event.set_partition_key(hash);
  *event.mutable_time() = TimestampOf(now);
  (*event.mutable_attributes())[std::string(kSubjectAttribute)].set_string(subject);
  request.set_topic(facts_.topic);
  ASSIGN_OR_RETURN(const PublishRequest parsed,
                   ParsePublishRequest(SharedBytes::Own(request.SerializeAsString())));
  auto fact = std::make_unique<TopicAppend>();
  ASSIGN_OR_RETURN(fact->publish, CheckPublish(parsed, *topic, delayed_, /*budget=*/nullptr));
  fact->topic = topic;
  return fact;
}

absl::StatusOr<v1::EraseSubjectResponse> Erasures::EraseNow(const Caller& caller,
                                                            const std::string& subject) {
  RETURN_IF_ERROR(caller.Interruption());
  const std::string subject_hash = HashOfSubject(subject);
  ASSIGN_OR_RETURN(std::unique_ptr<TopicAppend> fact, FactOf(subject, subject_hash));
  ErasureRecord record;
  ASSIGN_OR_RETURN(const std::optional<std::string> before,
                   store_.Get(Column::kMeta, ErasedSubjectKey(subject_hash)));
  if (before.has_value()) {
    ASSIGN_OR_RETURN(record, ErasureRecord::Decode(*before));
  }
  record.principal = caller.principal();
  RETURN_IF_ERROR(store_.Scan(Column::kMeta, DataKeyPrefix(subject_hash),
                              [&record](absl::string_view /*key*/, absl::string_view /*value*/) {
                                ++record.keys;
                                return true;
                              }));
  RETURN_IF_ERROR(AwaitOutcome([&](StatusDone done) {
    writer_.Submit(
        std::make_unique<EraseTask>(keys_, subject_hash, std::move(fact), record, std::move(done)));
  }));
  // Also after an earlier call that failed here.
  RETURN_IF_ERROR(store_.Purge(Column::kMeta, DataKeyPrefix(subject_hash)));
  if (const absl::Status brought = bring_(); !brought.ok()) {
    return WithMessage(brought, absl::StrCat("the hub has destroyed the keys, but not those in its "
                                             "lake yet; repeat the call: ",
                                             brought.message()));
  }
  v1::EraseSubjectResponse response;
  Describe(subject_hash, record, response.mutable_erasure());
  return response;
}

void Erasures::Rewrap(const Caller& caller, ErasureDone<v1::RewrapKeysResponse> done) {
  if (keys_.masters().empty()) return std::move(done)(NoMasterKey());
  done = admin_log_.NotingParts(caller, "wrapped all data keys with the present master key",
                                std::move(done));
  pool_.Post(
      [this, caller, done = std::move(done)]() mutable { std::move(done)(RewrapNow(caller)); });
}

absl::StatusOr<v1::RewrapKeysResponse> Erasures::RewrapNow(const Caller& caller) {
  const MasterKeys& masters = keys_.masters();
  v1::RewrapKeysResponse response;
  std::string from(kDataKeyPrefix);
  for (bool more = true; more;) {
    RETURN_IF_ERROR(
        caller.Interruption(absl::StrCat(response.rewrapped_keys(), " keys were wrapped again")));
    std::vector<Rewrapped> piece;
    absl::Status damage;
    more = false;
    RETURN_IF_ERROR(store_.ScanFrom(
        Column::kMeta, kDataKeyPrefix, from, [&](absl::string_view key, absl::string_view value) {
          from = std::string(key);
          more = piece.size() == kKeysPerCommit;
          if (more) return false;
          const absl::StatusOr<DataKeyRecord> record = DataKeyRecord::Decode(value);
          damage.Update(record.status());
          if (!damage.ok()) return false;
          if (MasterKeys::IdOf(record->wrapped) == masters.present_id()) return true;
          const absl::StatusOr<SecretKey> data_key = masters.Unwrap(record->wrapped, key);
          damage.Update(data_key.status());
          if (!damage.ok()) return false;
          DataKeyRecord after{record->create_micros, masters.Wrap(*data_key, key)};
          piece.push_back({std::string(key), std::string(value), after.Encode()});
          return true;
        }));
    RETURN_IF_ERROR(damage);
    if (piece.empty()) continue;
    const size_t count = piece.size();
    RETURN_IF_ERROR(AwaitOutcome([&](StatusDone done) {
      writer_.Submit(std::make_unique<RewrapTask>(keys_, std::move(piece), std::move(done)));
    }));
    response.set_rewrapped_keys(response.rewrapped_keys() + count);
  }
  // Keys that were wrapped meanwhile are wrapped with the present one.
  std::vector<std::string> others;
  RETURN_IF_ERROR(store_.Scan(Column::kMeta, kMasterKeyPrefix,
                              [&](absl::string_view key, absl::string_view /*value*/) {
                                const absl::string_view id = key.substr(kMasterKeyPrefix.size());
                                if (id != masters.present_id()) others.emplace_back(id);
                                return true;
                              }));
  if (!others.empty()) {
    RETURN_IF_ERROR(AwaitOutcome([&](StatusDone done) {
      writer_.Submit(
          std::make_unique<ForgetMastersTask>(keys_, std::move(others), std::move(done)));
    }));
  }
  // The keys as the old master key wrapped them leave the files, too.
  RETURN_IF_ERROR(store_.Purge(Column::kMeta, std::string(kDataKeyPrefix)));
  RETURN_IF_ERROR(bring_());
  return response;
}

absl::StatusOr<v1::ListErasuresResponse> Erasures::List(
    const Caller& /*caller*/, const v1::ListErasuresRequest& request) const {
  const std::string& token = request.page_token();
  const bool valid =
      token.empty() || (token.size() == 2 * kSubjectHashBytes &&
                        std::all_of(token.begin(), token.end(), absl::ascii_isxdigit));
  if (!valid) return InvalidField("page_token", "was not returned by this call");
  const std::string after = ErasedSubjectKey(absl::HexStringToBytes(token));
  const size_t size = PageSize(request.page_size());
  v1::ListErasuresResponse response;
  absl::Status damage;
  RETURN_IF_ERROR(store_.ScanFrom(
      Column::kMeta, kErasedSubjectPrefix, after,
      [&](absl::string_view key, absl::string_view value) {
        if (!token.empty() && key == after) return true;
        if (response.erasures_size() == static_cast<int>(size)) {
          response.set_next_page_token(response.erasures().rbegin()->subject_hash());
          return false;
        }
        const absl::StatusOr<ErasureRecord> record = ErasureRecord::Decode(value);
        damage = record.status();
        if (!record.ok()) return false;
        Describe(key.substr(kErasedSubjectPrefix.size()), *record, response.add_erasures());
        return true;
      }));
  RETURN_IF_ERROR(damage);
  // An erasure that is not visible yet may be lost.
  RETURN_IF_ERROR(OutcomeOf({}, writer_.AwaitVisible()));
  return response;
}

}  // namespace eventhub
