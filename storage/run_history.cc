#include "storage/run_history.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"

namespace eventhub {
namespace {

constexpr uint32_t kHistoryVersion = 1;
constexpr size_t kRecordSize = 12;

// Derives a topic's own id from one for all topics.
uint64_t IdFor(uint64_t seed, TopicId topic) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  const uint64_t id = seed + kOdd * topic.value();
  return id != 0 ? id : 1;
}

}  // namespace

std::string EncodeRunRecord(uint64_t id) {
  std::string value;
  value.reserve(kRecordSize);
  AppendLittle32(&value, kHistoryVersion);
  AppendLittle64(&value, id);
  return value;
}

absl::StatusOr<uint64_t> DecodeRunRecord(absl::string_view value) {
  if (value.size() != kRecordSize || LoadLittle32(value.data()) != kHistoryVersion) {
    return absl::DataLossError(absl::StrCat("run record of ", value.size(),
                                            " bytes does not have version ", kHistoryVersion));
  }
  return LoadLittle64(value.data() + 4);
}

RunHistory::RunHistory(const LogStore& store, uint64_t seed) : store_(store), seed_(seed) {}

uint64_t RunHistory::current(TopicId topic) const { return IdFor(seed_, topic); }

absl::StatusOr<LogRun> RunHistory::Find(TopicId topic, PartitionId partition, Offset offset) const {
  LogRun run{Offset(0), Offset::Max(), IdFor(origin_, topic)};
  const std::string prefix = RunPrefix(topic, partition);
  ASSIGN_OR_RETURN(const auto noted,
                   store_.FindLast(Column::kMeta, prefix, RunKey(topic, partition, offset)));
  if (noted.has_value()) {
    run.first = OffsetOfRunKey(noted->first);
    ASSIGN_OR_RETURN(run.id, DecodeRunRecord(noted->second));
    run.noted = true;
  }
  RETURN_IF_ERROR(store_.ScanFrom(Column::kMeta, prefix, RunKey(topic, partition, offset + 1),
                                  [&run](absl::string_view key, absl::string_view) {
                                    run.end = OffsetOfRunKey(key);
                                    return false;
                                  }));
  return run;
}

absl::StatusOr<std::optional<LogRun>> RunHistory::FindId(TopicId topic, PartitionId partition,
                                                         uint64_t id) const {
  std::optional<LogRun> found;
  LogRun run{Offset(0), Offset::Max(), IdFor(origin_, topic)};
  absl::Status status;
  RETURN_IF_ERROR(store_.Scan(Column::kMeta, RunPrefix(topic, partition),
                              [&](absl::string_view key, absl::string_view value) {
                                run.end = OffsetOfRunKey(key);
                                if (run.id == id && run.first < run.end) {
                                  found = run;
                                  return false;
                                }
                                run = {run.end, Offset::Max(), 0, true};
                                const absl::StatusOr<uint64_t> noted = DecodeRunRecord(value);
                                status = noted.status();
                                if (noted.ok()) run.id = *noted;
                                return noted.ok();
                              }));
  RETURN_IF_ERROR(status);
  if (!found.has_value() && run.id == id) found = run;
  return found;
}

absl::StatusOr<std::vector<std::string>> RunHistory::ForgettableBefore(TopicId topic,
                                                                       PartitionId partition,
                                                                       Offset start) const {
  std::vector<std::string> keys;
  if (start == Offset(0)) return keys;
  const std::string prefix = RunPrefix(topic, partition);
  ASSIGN_OR_RETURN(const auto needed,
                   store_.FindLast(Column::kMeta, prefix, RunKey(topic, partition, start + -1)));
  if (!needed.has_value()) return keys;
  RETURN_IF_ERROR(store_.Scan(Column::kMeta, prefix, [&](absl::string_view key, absl::string_view) {
    if (key >= needed->first) return false;
    keys.emplace_back(key);
    return true;
  }));
  return keys;
}

}  // namespace eventhub
