#include "tests/benchmark/hub_event.h"

#include "absl/strings/str_cat.h"
#include "tests/benchmark/orders.h"

namespace eventhub::benchmark {
namespace {

constexpr size_t kIdDigits = 12;
constexpr size_t kKeyDigits = 6;
constexpr size_t kTypeDigits = 4;

// More than a compressor of the lake remembers.
constexpr size_t kJsonData = 4096;

// Keys follow each other without a pattern: steps of a prime, modulo their number.
constexpr uint64_t kKeyStep = 7919;

// Writes `number` in decimal into the last `digits` characters of `text`.
void WriteDigits(uint64_t number, size_t digits, std::string& text) {
  for (size_t i = 0; i < digits; ++i, number /= 10) {
    text[text.size() - 1 - i] = static_cast<char>('0' + number % 10);
  }
}

}  // namespace

std::string TypeName(int i) {
  std::string name = absl::StrCat("benchmark.", std::string(kTypeDigits, '0'));
  WriteDigits(static_cast<uint64_t>(i), kTypeDigits, name);
  return name;
}

EventMaker::EventMaker(const EventShape& shape, int producer) : shape_(shape) {
  event_.set_id(absl::StrCat(producer, "-", std::string(kIdDigits, '0')));
  event_.set_source("/benchmark");
  event_.set_type(TypeName(0));
  if (shape.keys > 0) event_.set_partition_key(absl::StrCat("k", std::string(kKeyDigits, '0')));
}

absl::StatusOr<EventMaker> EventMaker::Create(const EventShape& shape, int producer) {
  EventMaker maker(shape, producer);
  if (shape.json) {
    Orders orders(shape.bytes);
    for (size_t i = 0; i < kJsonData; ++i) maker.data_.push_back(orders.NextData());
    maker.event_.set_data_content_type("application/json");
    return maker;
  }
  // The length of the data takes one byte or more, so the remaining size is found by trial.
  const size_t bare = maker.event_.ByteSizeLong();
  for (size_t data = 1; bare + data < shape.bytes; ++data) {
    if (shape.bytes - bare - data > 8) data = shape.bytes - bare - 8;
    maker.event_.set_data(std::string(data, 'x'));
    if (maker.event_.ByteSizeLong() == shape.bytes) return maker;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no event has ", shape.bytes, " bytes; the least is about ", bare + 3));
}

const v1::Event& EventMaker::Next() {
  WriteDigits(count_, kIdDigits, *event_.mutable_id());
  if (shape_.keys > 0) {
    WriteDigits(count_ * kKeyStep % static_cast<uint64_t>(shape_.keys), kKeyDigits,
                *event_.mutable_partition_key());
  }
  if (shape_.types > 1) {
    const uint64_t run = count_ / static_cast<uint64_t>(shape_.type_run);
    WriteDigits(run % static_cast<uint64_t>(shape_.types), kTypeDigits, *event_.mutable_type());
  }
  if (!data_.empty()) event_.set_data(data_[count_ % data_.size()]);
  ++count_;
  return event_;
}

}  // namespace eventhub::benchmark
