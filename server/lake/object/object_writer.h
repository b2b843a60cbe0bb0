// ObjectWriter: writes the events of one object.
//
//     ASSIGN_OR_RETURN(auto writer, ObjectWriter::Create(store, plan));
//     for (...) RETURN_IF_ERROR(writer->Add({partition, offset, append_micros}, encoded_event));
//     ASSIGN_OR_RETURN(ObjectRecord record, writer->Finish());   // now it is in the store
//
// FORMAT.md describes the bytes. Memory: one frame of lines, its compressed form, and 24 bytes for
// each event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/lake/object/event_line.h"
#include "server/lake/object/object.pb.h"
#include "server/lake/object/object_plan.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

struct ObjectWriterOptions {
  // Of zstd, 1 to 19.
  int compression_level = 3;
  // A frame ends with the line that makes it as large as this, before compression.
  size_t frame_bytes = size_t{1} << 20;
};

// Thread-compatible. The store must outlive it. Destroying it before Finish() leaves nothing in
// the store.
class ObjectWriter {
 public:
  // INVALID_ARGUMENT if the plan or an option is not valid; errors of the store.
  static absl::StatusOr<std::unique_ptr<ObjectWriter>> Create(
      ObjectStore& store, const ObjectPlan& plan, const ObjectWriterOptions& options = {});
  ~ObjectWriter();

  // Adds one event, an encoded eventhub.v1.Event. Any bytes are accepted: what JSON cannot express
  // is carried as it is, so no record can stop an archive. Events come by partition, then by
  // offset, within the plan: INVALID_ARGUMENT otherwise. After an error of the store the writer can
  // only be destroyed.
  absl::Status Add(const EventPosition& position, absl::string_view encoded);

  // Adds one event as a line that was read from another object, as it is, without its newline.
  // INVALID_ARGUMENT if it is no event. Otherwise like Add().
  absl::Status AddLine(const EventPosition& position, absl::string_view line);

  // Ends the object and stores it, durably, under ObjectName(plan). After an ambiguous error it may
  // be there: to write it again overwrites it.
  absl::StatusOr<ObjectRecord> Finish();

  // The same, if it is this object, byte for byte. FAILED_PRECONDITION, and nothing is stored, if
  // it is not.
  absl::Status FinishAs(const ObjectRecord& expected);

  uint64_t events() const;
  uint64_t raw_bytes() const;         // Lines, before compression.
  uint64_t compressed_bytes() const;  // Of the frames that are complete.

 private:
  class Impl;
  explicit ObjectWriter(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace eventhub::lake
