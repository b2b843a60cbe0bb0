#include "tests/benchmark/hub_event.h"

#include "absl/strings/str_cat.h"

namespace eventhub::benchmark {
namespace {

constexpr size_t kIdDigits = 12;
constexpr size_t kKeyDigits = 6;

// Keys come in an order without a pattern: steps of a prime, modulo their number.
constexpr uint64_t kKeyStep = 7919;

// Writes `number` in decimal into the last `digits` characters of `text`.
void WriteDigits(uint64_t number, size_t digits, std::string& text) {
  for (size_t i = 0; i < digits; ++i, number /= 10) {
    text[text.size() - 1 - i] = static_cast<char>('0' + number % 10);
  }
}

}  // namespace

EventMaker::EventMaker(int producer, int keys) : keys_(keys) {
  event_.set_id(absl::StrCat(producer, "-", std::string(kIdDigits, '0')));
  event_.set_source("/benchmark");
  event_.set_type("benchmark.made");
  if (keys > 0) event_.set_partition_key(absl::StrCat("k", std::string(kKeyDigits, '0')));
}

absl::StatusOr<EventMaker> EventMaker::Create(size_t encoded_bytes, int producer, int keys) {
  EventMaker maker(producer, keys);
  // The data's length takes one byte or more, so the rest is found by trying.
  const size_t bare = maker.event_.ByteSizeLong();
  for (size_t data = 1; bare + data < encoded_bytes; ++data) {
    if (encoded_bytes - bare - data > 8) data = encoded_bytes - bare - 8;
    maker.event_.set_data(std::string(data, 'x'));
    if (maker.event_.ByteSizeLong() == encoded_bytes) return maker;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no event has ", encoded_bytes, " bytes; the least is about ", bare + 3));
}

const v1::Event& EventMaker::Next() {
  WriteDigits(count_, kIdDigits, *event_.mutable_id());
  if (keys_ > 0) {
    WriteDigits(count_ * kKeyStep % static_cast<uint64_t>(keys_), kKeyDigits,
                *event_.mutable_partition_key());
  }
  ++count_;
  return event_;
}

}  // namespace eventhub::benchmark
