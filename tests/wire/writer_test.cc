#include "proto/wire/writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "eventhub/v1/event.pb.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub {
namespace {

TEST(WriterTest, MatchesProtobuf) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128},
                               uint64_t{1} << 35, uint64_t{std::numeric_limits<int64_t>::max()}}) {
    v1::EventBatch batch;
    batch.set_base_offset(static_cast<int64_t>(value));
    batch.set_run(value);
    batch.add_events()->set_id(std::string(value % 1000, 'x'));
    std::string written;
    wire::AppendNumber(v1::EventBatch::kBaseOffsetFieldNumber, value, &written);
    wire::AppendFixed64(v1::EventBatch::kRunFieldNumber, value, &written);
    wire::AppendBytes(v1::EventBatch::kEventsFieldNumber, batch.events(0).SerializeAsString(),
                      &written);
    EXPECT_EQ(written, batch.SerializeAsString()) << value;
    std::string varint;
    wire::AppendVarint(value, &varint);
    EXPECT_EQ(varint.size(), wire::VarintSize(value));
  }
}

}  // namespace
}  // namespace eventhub
