// The facade of reading: EventHubService.Read and GetLatest, without the network.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "eventhub/v1/hub.pb.h"
#include "server/core/base/alarm.h"
#include "server/core/base/caller.h"
#include "server/core/base/host_shares.h"
#include "server/core/read/topic_reader.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// Thread-safe. The arguments outlive this object and the readers that it opens.
class Readers {
 public:
  // `memory` is for the readers, without their frames.
  Readers(const LogStore& store, LogWriter& writer, const Clock& clock, const TopicCatalog& topics,
          Alarm& alarm, ReadCounters& counters, HostShares& memory);

  // The history of topics, if the hub has a lake. Called once, before the first Open.
  void SetHistory(History& history) { history_ = &history; }

  // Begins a read. May read from the disk.
  absl::StatusOr<std::unique_ptr<TopicReader>> Open(const Caller& caller,
                                                    const v1::ReadRequest& request);

  // Returns the latest event with a key; see EventHubService.GetLatest. Reads from the disk, and
  // may wait for a commit.
  absl::StatusOr<v1::GetLatestResponse> Latest(const Caller& caller,
                                               const v1::GetLatestRequest& request);

 private:
  const LogStore& store_;
  LogWriter& writer_;
  const Clock& clock_;
  const TopicCatalog& topics_;
  Alarm& alarm_;
  ReadCounters& counters_;
  HostShares& memory_;
  History* history_ = nullptr;
};

}  // namespace eventhub
