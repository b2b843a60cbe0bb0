// Looks up the latest event of a key, in topics that keep it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventhub/connection.h"
#include "eventhub/v1/event.pb.h"

namespace eventhub::client {

// The latest event with a key.
struct LatestEvent {
  v1::Event event{};
  uint32_t partition = 0;
  int64_t offset = 0;
  absl::Time append_time = absl::InfinitePast();  // By the hub's clock.
  uint64_t run = 0;                               // See PartitionOffset.
};

struct LatestReaderOptions {
  // A topic with Topic::latest_per_key.
  std::string topic{};
  // For each call, including the wait for a connection.
  absl::Duration timeout = absl::Seconds(10);
};

// Reads state, configuration or views by key, without reading the topic. Thread-safe. While the hub
// cannot be reached, a call waits for it until the timeout, and then returns UNAVAILABLE with the
// cause.
//
// Example:
//
//     LatestReader prices(Connect("localhost:7070"), {.topic = "prices"});
//     absl::StatusOr<LatestEvent> price = prices.Get("sku-7");
//     if (absl::IsNotFound(price.status())) …
class LatestReader {
 public:
  // Runs on a thread of the connection's: must be quick and must not block. May call GetAsync, and
  // may destroy the reader.
  using Callback = LatestCalls::Callback;

  LatestReader(std::shared_ptr<Connection> connection, LatestReaderOptions options);

  // Blocks. Returns the event that was the latest with the key at some moment during the call.
  // NOT_FOUND if
  // there is none (kKeyNotFound), if it is a delete marker (likewise), or if the topic or the
  // partition does not exist; FAILED_PRECONDITION if the topic does not keep the latest per key.
  // `partition`: where to look; nullopt: where events with the key go unless their publisher names
  // a partition.
  absl::StatusOr<LatestEvent> Get(const std::string& key,
                                  std::optional<uint32_t> partition = std::nullopt);

  // The same without blocking: calls `done` once, with what Get would return, also after the reader
  // is destroyed. Any number may be out. The connection sends 64 to the hub at a time; the others
  // wait in the order in which they came, and their timeouts run.
  void GetAsync(const std::string& key, Callback done,
                std::optional<uint32_t> partition = std::nullopt);

 private:
  const std::shared_ptr<Connection> connection_;
  const LatestReaderOptions options_;
};

}  // namespace eventhub::client
