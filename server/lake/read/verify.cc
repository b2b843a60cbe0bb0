#include "server/lake/read/verify.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/lake/manifest/columns.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/manifest/step_log.h"
#include "server/lake/read/verify_object.h"
#include "server/lake/store/checksum.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr size_t kPage = 1000;
constexpr size_t kMaxUnknown = 10'000;
constexpr uint64_t kPieceBytes = uint64_t{1} << 20;

// Whether an error says what is wrong with the lake, and not that it cannot be read now.
bool IsFinding(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status) || absl::IsUnimplemented(status);
}

// Adds the error to the report if it is a finding; otherwise returns it.
absl::Status Report(const absl::Status& status, VerifyReport* report) {
  if (status.ok() || !IsFinding(status)) return status;
  report->AddProblem(std::string(status.message()));
  return absl::OkStatus();
}

class TopicVerifier {
 public:
  TopicVerifier(const ObjectStore& store, const LakeTopic& topic, const VerifyOptions& options,
                VerifyReport* report)
      : store_(store), topic_(topic), options_(options), report_(report) {}

  absl::Status Run() {
    absl::StatusOr<Manifest> manifest = Manifest::Load(store_, topic_);
    if (!manifest.ok()) return Report(manifest.status(), report_);
    AddKnown(*manifest);
    const absl::StatusOr<Columns> columns = Columns::Load(store_, topic_);
    if (columns.ok()) AddCopies(*columns);
    RETURN_IF_ERROR(Report(columns.status(), report_));
    RETURN_IF_ERROR(CheckFiles());
    RETURN_IF_ERROR(CheckSteps(*manifest));
    CountSkipped(*manifest);
    for (const auto& [sequence, object] : manifest->objects()) {
      RETURN_IF_ERROR(CheckObject(object));
    }
    if (!columns.ok()) return absl::OkStatus();
    for (const auto& [day, copy] : columns->copies()) RETURN_IF_ERROR(CheckCopy(copy));
    return absl::OkStatus();
  }

 private:
  void AddKnown(const Manifest& manifest) {
    for (const auto& [sequence, object] : manifest.objects()) {
      known_.insert(ObjectName(topic_, object));
    }
    for (const RetiredObject& object : manifest.retired()) {
      known_.insert(ObjectName(topic_.directory, object.hour(), object.sequence(), object.hash()));
    }
  }

  void AddCopies(const Columns& columns) {
    for (const auto& [day, copy] : columns.copies()) known_.insert(CopyName(topic_, copy));
    for (const ColumnarCopy& copy : columns.retired()) known_.insert(CopyName(topic_, copy));
  }

  // Looks at every file of the topic.
  absl::Status CheckFiles() {
    const std::string prefix = absl::StrCat(topic_.directory, "/");
    std::string after;
    for (;;) {
      ASSIGN_OR_RETURN(const ObjectPage page, store_.List(prefix, after, kPage));
      for (const ObjectInfo& file : page.objects) Classify(file);
      const bool last = !page.more || page.objects.empty();
      if (last || unknown_.size() > kMaxUnknown) RETURN_IF_ERROR(SettleUnknown());
      if (last) return absl::OkStatus();
      after = page.objects.back().name;
    }
  }

  // Counts the files that belong to nothing.
  absl::Status SettleUnknown() {
    if (unknown_.empty()) return absl::OkStatus();
    // The hub may have written some since the manifest was loaded.
    const absl::StatusOr<Manifest> now = Manifest::Load(store_, topic_);
    if (!now.ok()) return Report(now.status(), report_);
    AddKnown(*now);
    const absl::StatusOr<Columns> columns = Columns::Load(store_, topic_);
    if (columns.ok()) AddCopies(*columns);
    for (const ObjectInfo& file : unknown_) {
      if (known_.contains(file.name)) continue;
      ++report_->orphan_count;
      report_->orphan_bytes += file.bytes;
      if (report_->orphans.size() < VerifyReport::kMaxProblems) {
        report_->orphans.push_back(file);
      }
    }
    unknown_.clear();
    return absl::OkStatus();
  }

  void Classify(const ObjectInfo& file) {
    absl::string_view name = file.name;
    if (known_.contains(file.name)) return;
    const std::string manifest = absl::StrCat(Manifest::Directory(topic_), "/");
    uint64_t number = 0;
    if (absl::StartsWith(name, absl::StrCat(Columns::Directory(topic_), "/")) &&
        (absl::EndsWith(name, "/_latest") || absl::EndsWith(name, ".step") ||
         absl::EndsWith(name, ".checkpoint"))) {
      return;
    }
    if (absl::ConsumePrefix(&name, manifest)) {
      if (name == "_latest") return;
      if (absl::ConsumeSuffix(&name, ".step") && absl::SimpleAtoi(name, &number)) {
        steps_.insert(number);
        return;
      }
      if (absl::ConsumeSuffix(&name, ".checkpoint") && absl::SimpleAtoi(name, &number)) {
        checkpoints_.insert(number);
        return;
      }
    }
    unknown_.push_back(file);
  }

  // The steps alone, from the first, amount to the manifest and to each checkpoint.
  absl::Status CheckSteps(const Manifest& loaded) {
    const std::string directory = Manifest::Directory(topic_);
    Manifest replayed;
    uint64_t expected = 1;
    const uint64_t problems_before = report_->problem_count;
    for (const uint64_t number : steps_) {
      if (number > loaded.last_step()) break;  // It was stored meanwhile.
      if (number != expected) {
        report_->AddProblem(absl::StrCat(StepLog::StepName(directory, expected), " is missing"));
        return absl::OkStatus();
      }
      ++expected;
      const std::string name = StepLog::StepName(directory, number);
      RETURN_IF_ERROR(Replay(directory, name, number, &replayed));
      if (checkpoints_.contains(number)) RETURN_IF_ERROR(CheckCheckpoint(number, replayed));
      if (report_->problem_count > problems_before) return absl::OkStatus();
    }
    if (replayed.ToCheckpoint().SerializeAsString() != loaded.ToCheckpoint().SerializeAsString()) {
      report_->AddProblem(absl::StrCat(directory,
                                       ": the steps say something else than the last "
                                       "checkpoint and the steps after it"));
    }
    return absl::OkStatus();
  }

  absl::Status Replay(const std::string& directory, const std::string& name, uint64_t number,
                      Manifest* replayed) {
    ASSIGN_OR_RETURN(const std::string file, store_.Get(name, 0, ObjectStore::kToEnd));
    const auto payload = DecodeRecord(name, RecordKind::kStep, number, file);
    if (!payload.ok()) return Report(payload.status(), report_);
    return Report(replayed->Visit(directory, RecordKind::kStep, number, *payload), report_);
  }

  absl::Status CheckCheckpoint(uint64_t number, const Manifest& replayed) {
    const std::string name = StepLog::CheckpointName(Manifest::Directory(topic_), number);
    ASSIGN_OR_RETURN(const std::string file, store_.Get(name, 0, ObjectStore::kToEnd));
    const auto payload = DecodeRecord(name, RecordKind::kCheckpoint, number, file);
    if (!payload.ok()) return Report(payload.status(), report_);
    if (*payload != replayed.ToCheckpoint().SerializeAsString()) {
      report_->AddProblem(absl::StrCat(name, " says something else than the steps before it"));
    }
    return absl::OkStatus();
  }

  void CountSkipped(const Manifest& manifest) {
    for (const SkippedRange& skipped : manifest.skipped()) {
      if (skipped.reason() != SkippedRange::DROPPED) continue;
      report_->dropped_offsets += static_cast<uint64_t>(skipped.end() - skipped.begin());
    }
  }

  absl::Status CheckObject(const ObjectRecord& object) {
    ++report_->objects;
    report_->events += object.events();
    report_->bytes += object.bytes();
    report_->raw_bytes += object.raw_bytes();
    const absl::Status found =
        options_.contents ? VerifyObject(store_, topic_, object) : CheckSize(object);
    if (absl::IsNotFound(found)) {
      ASSIGN_OR_RETURN(const bool replaced, IsReplaced(object));
      if (replaced) return absl::OkStatus();
    }
    if (IsFinding(found) && report_->damaged.size() < VerifyReport::kMaxProblems) {
      report_->damaged.push_back(object);
    }
    RETURN_IF_ERROR(Report(found, report_));
    if (options_.progress && !options_.progress(*report_)) {
      return absl::CancelledError("the check was ended");
    }
    return absl::OkStatus();
  }

  absl::Status CheckCopy(const ColumnarCopy& copy) {
    ++report_->copies;
    const std::string name = CopyName(topic_, copy);
    const absl::StatusOr<uint64_t> size = store_.Size(name);
    if (!size.ok()) return Report(size.status(), report_);
    if (*size != copy.bytes()) {
      report_->AddProblem(
          absl::StrCat(name, ": it has ", *size, " bytes instead of ", copy.bytes()));
      return absl::OkStatus();
    }
    if (!options_.contents) return absl::OkStatus();
    Sha256 sha256;
    for (uint64_t at = 0; at < *size;) {
      const absl::StatusOr<std::string> piece = store_.Get(name, at, kPieceBytes);
      if (!piece.ok()) return Report(piece.status(), report_);
      if (piece->empty()) break;
      sha256.Update(*piece);
      at += piece->size();
    }
    if (sha256.Finish() != copy.sha256()) {
      report_->AddProblem(absl::StrCat(name, ": its SHA-256 is another"));
    }
    return absl::OkStatus();
  }

  // Whether the hub has replaced the object since the manifest was loaded.
  absl::StatusOr<bool> IsReplaced(const ObjectRecord& object) const {
    const absl::StatusOr<Manifest> now = Manifest::Load(store_, topic_);
    if (!now.ok()) return now.status();
    const auto live = now->objects().find(object.sequence());
    return live == now->objects().end() || live->second.hash() != object.hash();
  }

  absl::Status CheckSize(const ObjectRecord& object) {
    const std::string name = ObjectName(topic_, object);
    ASSIGN_OR_RETURN(const uint64_t size, store_.Size(name));
    if (size == object.bytes()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(name, ": it has ", size, " bytes instead of ", object.bytes()));
  }

  const ObjectStore& store_;
  const LakeTopic& topic_;
  const VerifyOptions& options_;
  VerifyReport* const report_;
  std::set<std::string> known_;  // Objects that belong to the topic, or are retired.
  std::vector<ObjectInfo> unknown_;
  std::set<uint64_t> steps_;
  std::set<uint64_t> checkpoints_;
};

}  // namespace

void VerifyReport::AddProblem(std::string problem) {
  ++problem_count;
  if (problems.size() < kMaxProblems) problems.push_back(std::move(problem));
}

absl::Status VerifyTopic(const ObjectStore& store, const LakeTopic& topic,
                         const VerifyOptions& options, VerifyReport* report) {
  return TopicVerifier(store, topic, options, report).Run();
}

}  // namespace eventhub::lake
