#include "client/src/read/position_proto.h"

#include "client/src/base/proto_time.h"

namespace eventhub::client {

void ToProto(const StartPosition& start, v1::StartPosition& proto) {
  switch (start.kind) {
    case StartPosition::Kind::kEarliest:
      proto.set_earliest(true);
      break;
    case StartPosition::Kind::kLatest:
      proto.set_latest(true);
      break;
    case StartPosition::Kind::kOffset:
      proto.set_offset(start.offset);
      break;
    case StartPosition::Kind::kTimestamp:
      ToProto(start.timestamp, *proto.mutable_timestamp());
      break;
    case StartPosition::Kind::kRetained:
      proto.set_retained(true);
      break;
  }
}

StartPosition FromProto(const v1::StartPosition& proto) {
  switch (proto.position_case()) {
    case v1::StartPosition::kLatest:
      return StartPosition::Latest();
    case v1::StartPosition::kOffset:
      return StartPosition::Offset(proto.offset());
    case v1::StartPosition::kTimestamp:
      return StartPosition::Timestamp(FromProto(proto.timestamp()));
    case v1::StartPosition::kRetained:
      return StartPosition::Retained();
    case v1::StartPosition::kEarliest:
    case v1::StartPosition::POSITION_NOT_SET:
      break;
  }
  return StartPosition::Earliest();
}

void ToProto(const PartitionOffset& position, v1::PartitionOffset& proto) {
  proto.set_partition(position.partition);
  proto.set_offset(position.offset);
  proto.set_run(position.run);
}

PartitionOffset FromProto(const v1::PartitionOffset& proto) {
  return {.partition = proto.partition(), .offset = proto.offset(), .run = proto.run()};
}

PartitionRange FromProto(const v1::TrimmedRange& proto) {
  return {.partition = proto.partition(),
          .range = {.start = proto.range().start(), .end = proto.range().end()}};
}

}  // namespace eventhub::client
