#include "server/core/subscription/dispatch/consumer_info.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "google/protobuf/util/time_util.h"

namespace eventhub {
namespace {

using google::protobuf::util::TimeUtil;

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(time));
}

v1::Credit ToCredit(const Usage& usage) {
  v1::Credit credit;
  credit.set_events(static_cast<uint32_t>(std::max<int64_t>(0, usage.events)));
  credit.set_bytes(static_cast<uint64_t>(std::max<int64_t>(0, usage.bytes)));
  return credit;
}

v1::ConsumerInfo Describe(const Consumer& consumer) {
  v1::ConsumerInfo info;
  info.set_name(consumer.options.name);
  info.set_address(consumer.options.address);
  *info.mutable_connect_time() = ToTimestamp(consumer.connect_time);
  *info.mutable_credit() = ToCredit(consumer.credit);
  *info.mutable_in_use() = ToCredit(consumer.out);
  info.set_acked_events(consumer.acked);
  info.set_nacked_events(consumer.nacked);
  info.set_leaving(consumer.leaving);
  info.set_stalled(consumer.stalled);
  if (consumer.last_ack != absl::InfinitePast()) {
    *info.mutable_last_ack_time() = ToTimestamp(consumer.last_ack);
  }
  return info;
}

}  // namespace

std::vector<v1::ConsumerInfo> DescribeConsumers(const DispatchContext& shared) {
  std::vector<v1::ConsumerInfo> infos;
  infos.reserve(shared.consumers.size());
  absl::flat_hash_map<ConsumerId, v1::ConsumerInfo*> info_of;
  for (const auto& [id, consumer] : shared.consumers.members()) {
    infos.push_back(Describe(*consumer));
    info_of[id] = &infos.back();
  }
  for (const auto& cursor : shared.cursors) {
    const auto owner = info_of.find(cursor->owner);
    if (owner != info_of.end()) owner->second->add_partitions(cursor->id().value());
  }
  std::sort(infos.begin(), infos.end(), [](const auto& a, const auto& b) {
    return std::pair(a.name(), a.address()) < std::pair(b.name(), b.address());
  });
  return infos;
}

}  // namespace eventhub
