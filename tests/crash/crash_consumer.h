// A consumer that settles what it receives, gives up some events, and records what was confirmed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/crash/crash_publisher.h"

namespace eventhub {

// Returns whether every consumer fails to process this event, so that it becomes a dead letter.
bool IsPoisoned(const std::string& id);

// Callbacks for what a consumer sees, in order, on its thread.
struct ConsumerEvents {
  std::function<void(const Place&, uint32_t attempt)> delivered;
  std::function<void(const Place&, uint32_t attempt)> settled;  // The ack was confirmed.
  std::function<void(const Place&, uint32_t attempt)> nacked;   // The nack was confirmed.
};

// In a QUEUE it nacks poisoned events until the hub parks them; in a STREAM it parks them at once.
// Some of its acks are late, so that some events are always in flight. Thread-compatible.
class CrashConsumer {
 public:
  CrashConsumer(std::string subscription, ConsumerEvents events, uint64_t seed)
      : subscription_(std::move(subscription)), events_(std::move(events)), random_(seed) {}

  // Consumes until the stream breaks; returns the stream's status.
  grpc::Status Run(const std::string& address);

 private:
  using Stream = grpc::ClientReaderWriter<v1::ConsumeRequest, v1::ConsumeResponse>;
  struct Confirmed {
    std::vector<std::pair<Place, uint32_t>> acked;
    std::vector<std::pair<Place, uint32_t>> nacked;
  };

  void Take(const v1::EventBatch& batch);
  // These return whether the stream still accepts requests.
  bool Extend(Stream& stream);
  bool Flush(Stream& stream);
  bool Send(Stream& stream, v1::ConsumeRequest& request, Confirmed confirmed);
  void Confirm(const v1::Settlement& settlement);

  const std::string subscription_;
  const ConsumerEvents events_;
  std::mt19937_64 random_;
  // State of one run.
  bool queue_ = false;
  uint64_t next_request_ = 1;
  std::map<uint64_t, Confirmed> unsettled_;
  v1::ConsumeRequest nacks_;
  v1::ConsumeRequest acks_;
  Confirmed held_;
};

}  // namespace eventhub
