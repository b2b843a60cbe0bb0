#include "client/src/publish/batch.h"

#include <algorithm>
#include <cstring>

#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"

namespace eventhub::client {

size_t Batch::FieldSize(size_t event_size) { return 1 + wire::VarintSize(event_size) + event_size; }

void Batch::Append(const v1::Event& event, size_t size, Publisher::Callback done) {
  Reserve(FieldSize(size));
  char* out = buffer_.get() + size_;
  *out++ = wire::kEventsTag;
  out = wire::WriteVarint(size, out);
  event.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(out));
  size_ = static_cast<size_t>(out - buffer_.get()) + size;
  if (done) results.push_back({events_, std::move(done)});
  ++events_;
}

void Batch::Reserve(size_t more) {
  if (size_ + more <= capacity_) return;
  capacity_ = std::max({size_ + more, 2 * capacity_, expected_bytes_});
  std::shared_ptr<char[]> grown = std::make_shared_for_overwrite<char[]>(capacity_);
  if (size_ != 0) std::memcpy(grown.get(), buffer_.get(), size_);
  buffer_ = std::move(grown);
}

Publisher::Callback Batch::Remove(size_t index) {
  const std::string_view all(buffer_.get(), size_);
  wire::FieldReader event(all);
  for (size_t i = 0; i <= index; ++i) event.Next();
  const size_t begin = event.before().size();
  const size_t end = size_ - event.after().size();
  // Into a new buffer: the transport may still hold the old one.
  std::shared_ptr<char[]> rest = std::make_shared_for_overwrite<char[]>(size_);
  std::memcpy(rest.get(), all.data(), begin);
  std::memcpy(rest.get() + begin, all.data() + end, size_ - end);
  capacity_ = size_;
  size_ -= end - begin;
  --events_;
  buffer_ = std::move(rest);

  Publisher::Callback done;
  std::vector<PendingResult> kept;
  for (PendingResult& result : results) {
    if (result.index == index) {
      done = std::move(result.done);
    } else {
      kept.push_back({result.index - (result.index > index ? 1 : 0), std::move(result.done)});
    }
  }
  results = std::move(kept);
  return done;
}

}  // namespace eventhub::client
