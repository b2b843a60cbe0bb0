#include "server/lake/object/object_writer.h"

#include <zstd.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/lake/object/key_filter.h"
#include "server/lake/object/object_tail.h"
#include "server/lake/object/type_table.h"
#include "server/lake/store/checksum.h"
#include "storage/base/check.h"
#include "storage/base/status_macros.h"

namespace eventhub::lake {
class ObjectWriter::Impl {
 public:
  Impl(std::unique_ptr<ObjectSink> sink, const ObjectPlan& plan, const ObjectWriterOptions& options)
      : plan_(plan),
        frame_bytes_(options.frame_bytes),
        hour_begin_(absl::ToUnixMicros(HourStart(plan.hour))),
        hour_end_(absl::ToUnixMicros(HourStart(plan.hour + 1))),
        sink_(std::move(sink)),
        context_(ZSTD_createCCtx()),
        range_events_(plan.ranges.size(), 0) {
    EVENTHUB_CHECK(context_ != nullptr, "zstd has memory");
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, options.compression_level);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  absl::Status Add(const EventPosition& position, absl::string_view encoded) {
    RETURN_IF_ERROR(status_);
    RETURN_IF_ERROR(Place(position));
    const size_t before = lines_.size();
    const EventKeys keys = AppendEventLine(position, encoded, &lines_);
    return EndLine(before, position, keys);
  }

  absl::Status AddLine(const EventPosition& position, absl::string_view line) {
    RETURN_IF_ERROR(status_);
    ASSIGN_OR_RETURN(const LineKeys keys, KeysOfLine(line));
    RETURN_IF_ERROR(Place(position));
    const size_t before = lines_.size();
    absl::StrAppend(&lines_, line, "\n");
    return EndLine(before, position, keys.View());
  }

  // Stores the object, unless another one is expected.
  absl::StatusOr<ObjectRecord> Finish(const ObjectRecord* expected) {
    RETURN_IF_ERROR(status_);
    RETURN_IF_ERROR(status_ = EndFrame());
    RETURN_IF_ERROR(status_ = WriteEnd());
    status_ = absl::FailedPreconditionError("the object is finished");
    const ObjectRecord record = Record();
    if (expected != nullptr &&
        (record.bytes() != expected->bytes() || record.sha256() != expected->sha256())) {
      sink_->Abort();
      return absl::FailedPreconditionError(absl::StrCat(
          "its ", record.events(), " events do not make the object that is wanted, which has ",
          expected->events()));
    }
    RETURN_IF_ERROR(sink_->Commit());
    return record;
  }

  uint64_t events() const { return events_; }
  uint64_t raw_bytes() const { return raw_bytes_ + lines_.size(); }
  uint64_t compressed_bytes() const { return written_; }

 private:
  struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };

  // Finds the range of an event, which must come after those before it.
  absl::Status Place(const EventPosition& position) {
    const auto bad = [&position](absl::string_view why) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the event ", position.offset, " of partition ", position.partition, " ", why));
    };
    if (position.append_micros < hour_begin_ || position.append_micros >= hour_end_) {
      return bad("was not appended in the hour of the object");
    }
    size_t at = range_;
    while (at < plan_.ranges.size() && plan_.ranges[at].partition < position.partition) ++at;
    if (at == plan_.ranges.size() || plan_.ranges[at].partition != position.partition ||
        position.offset < plan_.ranges[at].begin || position.offset >= plan_.ranges[at].end) {
      return bad("is not in the plan of the object, or comes too late");
    }
    if (at == range_ && position.offset <= last_offset_) return bad("comes too late");
    range_ = at;
    last_offset_ = position.offset;
    return absl::OkStatus();
  }

  void Count(const EventPosition& position, const EventKeys& keys) {
    ids_.Add(keys.id);
    subjects_.Add(keys.subject);
    correlation_ids_.Add(keys.correlation_id);
    if (const std::optional<uint32_t> type = types_.Count(keys.type)) {
      frame_types_.push_back(*type);
      // Most events of a frame have few types.
      if (frame_types_.size() > 2 * TypeTable::kMaxTypes) Deduplicate(&frame_types_);
    } else {
      has_unlisted_type_ = true;
    }
    Run* run = frame_.runs_size() == 0 ? nullptr : frame_.mutable_runs(frame_.runs_size() - 1);
    if (run == nullptr || run->partition() != position.partition) {
      run = frame_.add_runs();
      run->set_partition(position.partition);
      run->set_first(position.offset);
    }
    run->set_last(position.offset);
    run->set_events(run->events() + 1);
    frame_.set_events(frame_.events() + 1);
    Extend(position.append_micros, frame_.events() == 1, &frame_);
    Extend(position.append_micros, events_ == 0, &record_);
    ++events_;
    ++range_events_[range_];
  }

  template <typename Message>
  static void Extend(int64_t micros, bool first, Message* message) {
    if (first || micros < message->first_append_micros()) message->set_first_append_micros(micros);
    if (first || micros > message->last_append_micros()) message->set_last_append_micros(micros);
  }

  // Takes in the line that begins at `before`.
  absl::Status EndLine(size_t before, const EventPosition& position, const EventKeys& keys) {
    // A frame has a bounded size, unless one line is larger.
    if (lines_.size() > kMaxFrameBytes && before > 0) {
      const std::string line = lines_.substr(before);
      lines_.resize(before);
      RETURN_IF_ERROR(status_ = EndFrame());
      lines_ = line;
    }
    if (lines_.size() > kMaxFrameBytes) {
      return status_ = absl::InvalidArgumentError(
                 absl::StrCat("the event ", position.offset, " of partition ", position.partition,
                              " has a line of more than ", kMaxFrameBytes, " bytes"));
    }
    Count(position, keys);
    if (lines_.size() < frame_bytes_) return absl::OkStatus();
    return status_ = EndFrame();
  }

  static void Deduplicate(std::vector<uint32_t>* numbers) {
    std::sort(numbers->begin(), numbers->end());
    numbers->erase(std::unique(numbers->begin(), numbers->end()), numbers->end());
  }

  absl::Status EndFrame() {
    if (frame_.events() == 0) return absl::OkStatus();
    compressed_.resize(ZSTD_compressBound(lines_.size()));
    const size_t size = ZSTD_compress2(context_.get(), compressed_.data(), compressed_.size(),
                                       lines_.data(), lines_.size());
    if (ZSTD_isError(size) != 0) {
      return absl::ResourceExhaustedError(
          absl::StrCat("cannot compress: ", ZSTD_getErrorName(size)));
    }
    if (!has_unlisted_type_) {
      Deduplicate(&frame_types_);
      *frame_.mutable_types() = {frame_types_.begin(), frame_types_.end()};
    }
    frame_.set_position(written_);
    frame_.set_bytes(static_cast<uint32_t>(size));
    frame_.set_raw_bytes(static_cast<uint32_t>(lines_.size()));
    raw_bytes_ += lines_.size();
    *index_.add_frames() = std::move(frame_);
    frame_.Clear();
    frame_types_.clear();
    has_unlisted_type_ = false;
    lines_.clear();
    for (KeyFilterBuilder* filter : {&ids_, &subjects_, &correlation_ids_}) filter->EndFrame();
    return Write({compressed_.data(), size});
  }

  // The filters and the index.
  absl::Status WriteEnd() {
    std::string filters;
    const uint64_t begin = written_ + kSkippedHeaderBytes;
    const auto build = [&filters, begin](const KeyFilterBuilder& builder, KeyFilter* filter) {
      filter->set_position(begin + filters.size());
      filter->set_rows(builder.rows());
      builder.Build(&filters);
    };
    build(ids_, index_.mutable_ids());
    build(subjects_, index_.mutable_subjects());
    build(correlation_ids_, index_.mutable_correlation_ids());
    if (filters.size() > std::numeric_limits<uint32_t>::max()) {
      return absl::InvalidArgumentError("the object has too many keys");
    }
    std::string header;
    AppendSkippedHeader(SkippedFrame::kFilters, static_cast<uint32_t>(filters.size()), &header);
    RETURN_IF_ERROR(Write(header));
    RETURN_IF_ERROR(Write(filters));

    index_.set_version(1);
    index_.set_hub(plan_.topic.identity.hub);
    index_.set_topic_id(plan_.topic.identity.id);
    index_.set_topic(plan_.topic.name);
    index_.set_sequence(plan_.sequence);
    index_.set_hour(plan_.hour);
    index_.set_raw_bytes(raw_bytes_);
    types_.AddTo(&index_);
    for (size_t i = 0; i < plan_.ranges.size(); ++i) {
      OffsetRange* const range = index_.add_ranges();
      range->set_partition(plan_.ranges[i].partition);
      range->set_begin(plan_.ranges[i].begin);
      range->set_end(plan_.ranges[i].end);
      range->set_events(range_events_[i]);
    }
    const std::string tail = EncodeTail(index_);
    record_.set_tail_bytes(static_cast<uint32_t>(tail.size()));
    return Write(tail);
  }

  ObjectRecord Record() {
    record_.set_sequence(plan_.sequence);
    record_.set_hour(plan_.hour);
    record_.set_hash(HashOfPlan(plan_));
    record_.set_bytes(written_);
    record_.set_raw_bytes(raw_bytes_);
    record_.set_sha256(sha256_.Finish());
    record_.set_events(events_);
    *record_.mutable_ranges() = index_.ranges();
    types_.AddTo(&record_);
    return record_;
  }

  absl::Status Write(absl::string_view bytes) {
    sha256_.Update(bytes);
    written_ += bytes.size();
    return sink_->Append(bytes);
  }

  const ObjectPlan plan_;
  const size_t frame_bytes_;
  const int64_t hour_begin_;
  const int64_t hour_end_;
  const std::unique_ptr<ObjectSink> sink_;
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context_;

  // The present frame.
  std::string lines_;
  Frame frame_;
  std::vector<uint32_t> frame_types_;
  bool has_unlisted_type_ = false;

  std::string compressed_;
  uint64_t written_ = 0;
  uint64_t raw_bytes_ = 0;  // Of complete frames.
  uint64_t events_ = 0;
  size_t range_ = 0;  // Of the last event, in the plan.
  int64_t last_offset_ = -1;
  std::vector<uint64_t> range_events_;
  TypeTable types_;
  KeyFilterBuilder ids_;
  KeyFilterBuilder subjects_;
  KeyFilterBuilder correlation_ids_;
  ObjectIndex index_;
  ObjectRecord record_;
  Sha256 sha256_;
  absl::Status status_;
};

ObjectWriter::ObjectWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ObjectWriter::~ObjectWriter() = default;

absl::StatusOr<std::unique_ptr<ObjectWriter>> ObjectWriter::Create(
    ObjectStore& store, const ObjectPlan& plan, const ObjectWriterOptions& options) {
  RETURN_IF_ERROR(CheckPlan(plan));
  if (options.compression_level < 1 || options.compression_level > 19) {
    return absl::InvalidArgumentError("the compression level must be from 1 to 19");
  }
  if (options.frame_bytes == 0 || options.frame_bytes > kMaxFrameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame must have 1 to ", kMaxFrameBytes, " bytes"));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<ObjectSink> sink, store.Create(ObjectName(plan)));
  return std::unique_ptr<ObjectWriter>(
      new ObjectWriter(std::make_unique<Impl>(std::move(sink), plan, options)));
}

absl::Status ObjectWriter::Add(const EventPosition& position, absl::string_view encoded) {
  return impl_->Add(position, encoded);
}
absl::Status ObjectWriter::AddLine(const EventPosition& position, absl::string_view line) {
  return impl_->AddLine(position, line);
}
absl::StatusOr<ObjectRecord> ObjectWriter::Finish() { return impl_->Finish(nullptr); }
absl::Status ObjectWriter::FinishAs(const ObjectRecord& expected) {
  return impl_->Finish(&expected).status();
}
uint64_t ObjectWriter::events() const { return impl_->events(); }
uint64_t ObjectWriter::raw_bytes() const { return impl_->raw_bytes(); }
uint64_t ObjectWriter::compressed_bytes() const { return impl_->compressed_bytes(); }

}  // namespace eventhub::lake
