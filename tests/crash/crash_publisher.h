// A publisher that survives its hub: it records acknowledged requests, and retries the others or
// gives them up.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/hub_calls.h"

namespace eventhub {

// The position of an event: partition and offset.
using Place = std::pair<uint32_t, int64_t>;

// Returns an event whose content is derived from its id, so that the id is enough to check it.
v1::Event EventOf(const std::string& id);

// Publishes with an idempotent producer over PublishStream, keyed, with either durability.
// Thread-compatible.
class CrashPublisher {
 public:
  CrashPublisher(std::string name, std::string topic, uint32_t partitions, uint64_t seed)
      : name_(std::move(name)), topic_(std::move(topic)), partitions_(partitions), random_(seed) {}

  // Publishes until the hub dies. The next Run either retries the unacknowledged requests with the
  // same sequences, or gives them up and uses a new epoch.
  void Run(const std::string& address);

  // Publishes `requests` more requests and waits for all answers.
  void Finish(const std::string& address, int requests);

  // The ids of acknowledged events, by position.
  const std::map<Place, std::string>& acknowledged() const { return acknowledged_; }
  // The ids of events that may or may not exist.
  const std::set<std::string>& abandoned() const { return abandoned_; }
  const std::string& name() const { return name_; }

 private:
  struct Sent {
    v1::PublishStreamRequest request;
    std::vector<std::string> ids;
  };
  using Stream = grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>;

  void Resume();
  void AddRequest();
  // Sends and receives until the stream breaks, or until `limit` more requests were sent and
  // answered.
  void Exchange(Stream& stream, int limit);
  void Acknowledge(const v1::PublishStreamResponse& reply);

  const std::string name_;
  const std::string topic_;
  const uint32_t partitions_;
  std::mt19937_64 random_;
  uint64_t epoch_ = 0;
  uint64_t sequence_ = 0;
  std::deque<Sent> unanswered_;
  std::map<Place, std::string> acknowledged_;
  std::set<std::string> abandoned_;
};

}  // namespace eventhub
