#include "server/lake/manifest/step_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/lake/store/checksum.h"
#include "server/lake/store/little_endian.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
namespace {

constexpr absl::string_view kRecordMagic = "EHLAKE1\n";
constexpr char kFileVersion = 1;
constexpr size_t kHeaderBytes = 24;
constexpr size_t kChecksumBytes = 4;

// The whole record, or nothing if it is absent.
absl::StatusOr<std::string> GetRecord(const ObjectStore& store, const std::string& name,
                                      RecordKind kind, uint64_t number) {
  ASSIGN_OR_RETURN(std::string file, store.Get(name, 0, ObjectStore::kToEnd));
  ASSIGN_OR_RETURN(const absl::string_view payload, DecodeRecord(name, kind, number, file));
  return std::string(payload);
}

// What `_latest` names; 0 if it is absent or damaged: it only saves reading.
absl::StatusOr<uint64_t> LatestCheckpoint(const ObjectStore& store, const std::string& directory) {
  const std::string name = StepLog::LatestName(directory);
  const absl::StatusOr<std::string> payload = GetRecord(store, name, RecordKind::kLatest, 0);
  if (absl::IsNotFound(payload.status()) || absl::IsDataLoss(payload.status())) return 0;
  RETURN_IF_ERROR(payload.status());
  return payload->size() == 8 ? LittleEndian<uint64_t>(*payload) : 0;
}

struct LogEnds {
  uint64_t checkpoint = 0;
  uint64_t step = 0;
};

absl::StatusOr<LogEnds> ReadLog(const ObjectStore& store, const std::string& directory,
                                const StepLog::Visit& visit) {
  LogEnds ends;
  ASSIGN_OR_RETURN(const uint64_t latest, LatestCheckpoint(store, directory));
  if (latest > 0) {
    const std::string name = StepLog::CheckpointName(directory, latest);
    const absl::StatusOr<std::string> payload =
        GetRecord(store, name, RecordKind::kCheckpoint, latest);
    // Without it, the steps say the same.
    const bool lost = absl::IsNotFound(payload.status()) || absl::IsDataLoss(payload.status());
    if (!lost) {
      RETURN_IF_ERROR(payload.status());
      RETURN_IF_ERROR(visit(RecordKind::kCheckpoint, latest, *payload));
      ends = {.checkpoint = latest, .step = latest};
    }
  }
  for (;; ++ends.step) {
    const uint64_t number = ends.step + 1;
    const absl::StatusOr<std::string> payload =
        GetRecord(store, StepLog::StepName(directory, number), RecordKind::kStep, number);
    if (absl::IsNotFound(payload.status())) return ends;
    RETURN_IF_ERROR(payload.status());
    RETURN_IF_ERROR(visit(RecordKind::kStep, number, *payload));
  }
}

std::string NumberName(absl::string_view directory, uint64_t number, absl::string_view kind) {
  return absl::StrFormat("%s/%020d.%s", directory, number, kind);
}

}  // namespace

std::string EncodeRecord(RecordKind kind, uint64_t number, absl::string_view payload) {
  std::string file(kRecordMagic);
  file.reserve(kHeaderBytes + payload.size() + kChecksumBytes);
  file.push_back(kFileVersion);
  file.push_back(static_cast<char>(kind));
  AppendLittleEndian(uint16_t{0}, &file);
  AppendLittleEndian(static_cast<uint32_t>(payload.size()), &file);
  AppendLittleEndian(number, &file);
  file.append(payload.data(), payload.size());
  AppendLittleEndian(Crc32c(file), &file);
  return file;
}

absl::StatusOr<absl::string_view> DecodeRecord(absl::string_view name, RecordKind kind,
                                               uint64_t number, absl::string_view file) {
  const auto damaged = [name](absl::string_view why) {
    return absl::DataLossError(absl::StrCat(name, " is damaged: ", why));
  };
  if (file.size() < kHeaderBytes + kChecksumBytes) return damaged("it is too short");
  if (file.substr(0, kRecordMagic.size()) != kRecordMagic)
    return damaged("it is no record of a lake");
  if (file[8] != kFileVersion) {
    return absl::UnimplementedError(
        absl::StrCat(name, " has version ", static_cast<int>(static_cast<uint8_t>(file[8])),
                     "; this program knows version ", static_cast<int>(kFileVersion)));
  }
  if (LittleEndian<uint32_t>(file.substr(12)) != file.size() - kHeaderBytes - kChecksumBytes) {
    return damaged("it has another length than it says");
  }
  const absl::string_view covered = file.substr(0, file.size() - kChecksumBytes);
  if (LittleEndian<uint32_t>(file.substr(covered.size())) != Crc32c(covered)) {
    return damaged("its checksum is wrong");
  }
  if (file[9] != static_cast<char>(kind) || LittleEndian<uint64_t>(file.substr(16)) != number) {
    return damaged("it holds another record");
  }
  return covered.substr(kHeaderBytes);
}

StepLog::StepLog(ObjectStore& store, std::string directory)
    : store_(store), directory_(std::move(directory)) {}

absl::Status StepLog::Read(const ObjectStore& store, const std::string& directory,
                           const Visit& visit) {
  return ReadLog(store, directory, visit).status();
}

absl::Status StepLog::Load(const Visit& visit) {
  ASSIGN_OR_RETURN(const LogEnds ends, ReadLog(store_, directory_, visit));
  last_step_ = ends.step;
  last_checkpoint_ = ends.checkpoint;
  return absl::OkStatus();
}

absl::Status StepLog::Append(absl::string_view payload) {
  const uint64_t number = last_step_ + 1;
  const std::string name = StepName(directory_, number);
  const std::string file = EncodeRecord(RecordKind::kStep, number, payload);
  const absl::Status stored = store_.PutIfAbsent(name, file);
  if (stored.ok()) {
    last_step_ = number;
    return stored;
  }
  const bool taken = absl::IsAlreadyExists(stored);
  if (!taken && FaultOf(stored) != StoreFault::kAmbiguous) return stored;
  // What is there may be of an earlier attempt.
  const absl::StatusOr<std::string> there = store_.Get(name, 0, ObjectStore::kToEnd);
  if (there.ok() && *there == file) {
    last_step_ = number;
    return absl::OkStatus();
  }
  if (there.ok()) return absl::AbortedError(absl::StrCat("another writer stored ", name));
  return absl::UnknownError(
      absl::StrCat(stored.message(), "; ", name, " cannot be read: ", there.status().message()));
}

absl::Status StepLog::WriteCheckpoint(absl::string_view payload) {
  const uint64_t number = last_step_;
  if (number == 0) return absl::OkStatus();
  RETURN_IF_ERROR(store_.Put(CheckpointName(directory_, number),
                             EncodeRecord(RecordKind::kCheckpoint, number, payload)));
  std::string latest;
  AppendLittleEndian(number, &latest);
  RETURN_IF_ERROR(store_.Put(LatestName(directory_), EncodeRecord(RecordKind::kLatest, 0, latest)));
  last_checkpoint_ = number;
  return absl::OkStatus();
}

std::string StepLog::StepName(absl::string_view directory, uint64_t number) {
  return NumberName(directory, number, "step");
}
std::string StepLog::CheckpointName(absl::string_view directory, uint64_t number) {
  return NumberName(directory, number, "checkpoint");
}
std::string StepLog::LatestName(absl::string_view directory) {
  return absl::StrCat(directory, "/_latest");
}

}  // namespace eventhub::lake
