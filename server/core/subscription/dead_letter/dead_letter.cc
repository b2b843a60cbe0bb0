#include "server/core/subscription/dead_letter/dead_letter.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "eventhub/v1/hub.pb.h"
#include "google/protobuf/util/time_util.h"
#include "proto/wire/fault_id.h"
#include "server/core/subscription/dead_letter/fault_detail.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr const char* kNoteAttributes[] = {"subscription", "topic",  "partition", "offset",
                                           "attempts",     "reason", "time"};

// The name of an attribute of note `n`.
std::string NoteAttribute(int n, absl::string_view name) {
  return n == 1 ? absl::StrCat("deadletter", name) : absl::StrCat("deadletter", n, name);
}

bool HasNote(const v1::Event& event, int n) {
  return std::any_of(std::begin(kNoteAttributes), std::end(kNoteAttributes), [&](const char* name) {
    return event.attributes().contains(NoteAttribute(n, name));
  });
}

// The number of the last note; 0 if there is none.
int LastNote(const v1::Event& event) {
  int n = kMaxDeadLetterNotes;
  while (n > 0 && !HasNote(event, n)) --n;
  return n;
}

void EraseNote(int n, v1::Event& event) {
  for (const char* name : kNoteAttributes)
    event.mutable_attributes()->erase(NoteAttribute(n, name));
  for (const char* name : kFaultAttributes) {
    event.mutable_attributes()->erase(NoteAttribute(n, name));
  }
}

void AddNote(const DeadLetterNote& note,
             absl::FunctionRef<v1::AttributeValue&(absl::string_view)> attribute) {
  attribute("subscription").set_string(note.subscription);
  attribute("topic").set_string(note.topic);
  attribute("partition").set_integer(static_cast<int32_t>(note.partition.value()));
  attribute("offset").set_string(absl::StrCat(note.offset.value()));
  attribute("attempts").set_integer(static_cast<int32_t>(note.attempts));
  attribute("reason").set_string(note.reason);
  *attribute("time").mutable_timestamp() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(note.time));
}

SharedBytes Encode(v1::Event event) {
  v1::EventBatch batch;
  *batch.add_events() = std::move(event);
  return SharedBytes::Copy(batch.SerializeAsString());
}

}  // namespace

absl::StatusOr<DeadLetterCopy> MakeDeadLetter(const LoggedEvent& logged, const DeadLetterNote& note,
                                              const v1::FaultDetail& detail) {
  ASSIGN_OR_RETURN(v1::Event event, ParseLogged(logged));
  const int number = std::min(LastNote(event) + 1, kMaxDeadLetterNotes);
  EraseNote(number, event);  // Attributes that are not set now must not remain.
  const auto attribute = [&event, number](absl::string_view name) -> v1::AttributeValue& {
    return (*event.mutable_attributes())[NoteAttribute(number, name)];
  };
  DeadLetterCopy copy;
  copy.fault_id = wire::FaultId({.subscription = note.subscription,
                                 .pipeline = detail.pipeline(),
                                 .event_source = event.source(),
                                 .event_id = event.id(),
                                 .partition = note.partition.value(),
                                 .offset = note.offset.value()});
  AddNote(note, attribute);
  attribute("fault").set_string(copy.fault_id);
  AddFaultAttributes(detail, attribute);
  copy.bytes = Encode(std::move(event));
  return copy;
}

absl::StatusOr<v1::Event> ParseLogged(const LoggedEvent& logged) {
  // The bytes form the field of events of a batch.
  v1::EventBatch batch;
  if (!batch.ParseFromArray(logged.bytes.data(), static_cast<int>(logged.bytes.size())) ||
      batch.events_size() != 1) {
    return absl::DataLossError("a stored event is not well-formed");
  }
  return std::move(*batch.mutable_events(0));
}

absl::StatusOr<v1::Event> EventOfDeadLetter(const LoggedEvent& letter) {
  ASSIGN_OR_RETURN(v1::Event event, ParseLogged(letter));
  EraseNote(LastNote(event), event);
  return event;
}

absl::StatusOr<RecordBatchPtr> BatchOfDeadLetter(const LoggedEvent& letter, Offset offset) {
  ASSIGN_OR_RETURN(v1::Event event, EventOfDeadLetter(letter));
  auto batch = std::make_shared<RecordBatch>();
  batch->base = offset;
  batch->chunks.push_back(Encode(std::move(event)));
  batch->header.count = 1;
  batch->header.bytes = static_cast<uint32_t>(batch->chunks.front().size());
  batch->header.append_micros = letter.append_micros;
  batch->header.types = TypeSummary::Any();
  return RecordBatchPtr(std::move(batch));
}

}  // namespace eventhub
