// Brokers on in-memory stores, for fuzz targets.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "server/core/broker.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/caller.h"
#include "tests/support/gate_fs.h"

namespace eventhub {

inline constexpr char kMemoryDirectory[] = "/fuzz";

// Opens the existing data.
inline absl::StatusOr<std::unique_ptr<Broker>> OpenMemoryBroker(GatedMemory& memory) {
  BrokerOptions options;
  options.store.directory = kMemoryDirectory;
  options.store.env = memory.env();
  options.maintenance.reset();
  return Broker::Open(std::move(options));
}

// Must be created once, and never destroyed.
inline std::unique_ptr<Broker> NewMemoryBroker() {
  static GatedMemory* const memory = new GatedMemory;
  absl::StatusOr<std::unique_ptr<Broker>> broker = OpenMemoryBroker(*memory);
  FUZZ_CHECK(broker.ok());
  return *std::move(broker);
}

inline void CreateTopic(Broker& broker, const std::string& name, uint32_t partitions) {
  v1::Topic topic;
  topic.set_name(name);
  topic.set_partitions(partitions);
  topic.set_default_durability(v1::DURABILITY_WRITTEN);
  std::promise<bool> created;
  broker.topics().Create(kTester, topic, [&](const absl::StatusOr<v1::Topic>& result) {
    created.set_value(result.ok());
  });
  FUZZ_CHECK(created.get_future().get());
}

// The outcome of a publish.
inline absl::StatusOr<v1::PublishResult> Publish(Broker& broker, const PublishRequest& request) {
  std::promise<absl::StatusOr<v1::PublishResult>> outcome;
  broker.publishing().Publish(kTester, request, [&](absl::StatusOr<v1::PublishResult> result) {
    outcome.set_value(std::move(result));
  });
  return outcome.get_future().get();
}

}  // namespace eventhub
