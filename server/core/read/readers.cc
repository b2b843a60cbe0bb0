#include "server/core/read/readers.h"

#include <optional>
#include <utility>

#include "server/core/base/errors.h"
#include "server/core/base/timestamps.h"
#include "server/core/read/latest_read.h"
#include "server/core/read/stop_time.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

constexpr absl::Duration kReaderRetry = absl::Seconds(1);

}  // namespace

Readers::Readers(const LogStore& store, LogWriter& writer, const Clock& clock,
                 const TopicCatalog& topics, Alarm& alarm, ReadCounters& counters,
                 HostShares& memory)
    : store_(store),
      writer_(writer),
      clock_(clock),
      topics_(topics),
      alarm_(alarm),
      counters_(counters),
      memory_(memory) {}

absl::StatusOr<std::unique_ptr<TopicReader>> Readers::Open(const Caller& caller,
                                                           const v1::ReadRequest& request) {
  ASSIGN_OR_RETURN(std::shared_ptr<Topic> topic, topics_.Require("topic", request.topic()));
  const size_t cost = TopicReader::Cost(request, *topic);
  std::optional<HostShares::Part> memory = memory_.Take(caller.host(), cost);
  if (!memory.has_value()) return TooMuchForReaders(cost, memory_.limit(), kReaderRetry);
  std::shared_ptr<StopTime> stop_at;
  if (request.follow() && request.has_stop_time()) {
    stop_at = StopTime::Start(ToTime(request.stop_time()), topic, clock_, alarm_, writer_);
  }
  return TopicReader::Open(request, std::move(topic), {store_, history_, counters_},
                           std::move(stop_at), *std::move(memory));
}

absl::StatusOr<v1::GetLatestResponse> Readers::Latest(const Caller& /*caller*/,
                                                      const v1::GetLatestRequest& request) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic, topics_.Require("topic", request.topic()));
  return ReadLatest(request, *topic, store_, writer_);
}

}  // namespace eventhub
