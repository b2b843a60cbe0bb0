// Read requests with any content, on a small topic: a read is refused, or delivers contiguous
// offsets within its limits and ends.
#include <map>
#include <string>

#include "server/core/read/topic_reader.h"
#include "tests/fuzz/memory_broker.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

constexpr uint32_t kPartitions = 3;
constexpr int kRequests = 40;

Broker* MakeBroker() {
  Broker* const broker = NewMemoryBroker().release();
  CreateTopic(*broker, "t", kPartitions);
  for (int i = 0; i < kRequests; ++i) {
    v1::PublishRequest request;
    request.set_topic("t");
    request.set_partition(static_cast<uint32_t>(i) % kPartitions);
    for (int e = 0; e < 5; ++e) {
      v1::Event& event = *request.add_events();
      event.set_id(std::to_string(e));
      event.set_source("/fuzz");
      event.set_type("fuzz");
      event.set_data(std::string(300, 'x'));
    }
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString()));
    FUZZ_CHECK(parsed.ok() && Publish(*broker, *parsed).ok());
  }
  return broker;
}

void CheckFrame(const Frame& frame, const v1::ReadRequest& request,
                std::map<uint32_t, int64_t>* next) {
  for (const LogPlace& place : frame.start) (*next)[place.partition.value()] = place.offset.value();
  size_t bytes = 0;
  for (const Delivery& delivery : frame.deliveries) {
    int64_t& expected = (*next)[delivery.partition.value()];
    FUZZ_CHECK(delivery.count > 0 && delivery.base.value() == expected);
    expected += delivery.count;
    if (request.has_stop_offset()) FUZZ_CHECK(expected <= request.stop_offset());
    size_t in_delivery = 0;
    for (const SharedBytes& chunk : delivery.events) in_delivery += chunk.size();
    FUZZ_CHECK(in_delivery == delivery.bytes);
    bytes += in_delivery;
  }
  FUZZ_CHECK(bytes == frame.bytes);
  const size_t limit = request.max_response_bytes() != 0 ? request.max_response_bytes() : 1 << 20;
  FUZZ_CHECK(bytes <= limit);  // Every event is smaller than the smallest limit.
}

void Check(v1::ReadRequest request) {
  static Broker* const broker = MakeBroker();
  request.set_topic("t");
  const auto reader = broker->readers().Open(kTester, request);
  if (!reader.ok()) return;
  std::map<uint32_t, int64_t> next;
  for (int step = 0;; ++step) {
    FUZZ_CHECK(step < 1000);
    Frame frame;
    const absl::StatusOr<TopicReader::Step> poll = (*reader)->Poll(&frame);
    FUZZ_CHECK(poll.ok());
    if (*poll == TopicReader::Step::kCold) FUZZ_CHECK((*reader)->ReadCold(&frame).ok());
    if (*poll == TopicReader::Step::kEnd) break;
    if (*poll == TopicReader::Step::kWait) {
      FUZZ_CHECK(request.follow());
      break;
    }
    FUZZ_CHECK(!frame.empty());
    CheckFrame(frame, request, &next);
  }
}

}  // namespace
}  // namespace eventhub

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  eventhub::v1::ReadRequest request;
  if (request.ParseFromArray(data, static_cast<int>(size))) eventhub::Check(std::move(request));
  return 0;
}
