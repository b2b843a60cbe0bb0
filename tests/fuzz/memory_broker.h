// A broker on a store in memory, for fuzz targets; made once, and never destroyed.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "server/core/broker.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/gate_fs.h"

namespace eventhub {

inline std::unique_ptr<Broker> NewMemoryBroker() {
  BrokerOptions options;
  options.store.directory = "/fuzz";
  static GatedMemory* const memory = new GatedMemory;
  options.store.env = memory->env();
  options.maintenance.reset();
  absl::StatusOr<std::unique_ptr<Broker>> broker = Broker::Open(std::move(options));
  FUZZ_CHECK(broker.ok());
  return *std::move(broker);
}

inline void CreateTopic(Broker& broker, const std::string& name, uint32_t partitions) {
  v1::Topic topic;
  topic.set_name(name);
  topic.set_partitions(partitions);
  topic.set_default_durability(v1::DURABILITY_WRITTEN);
  std::promise<bool> created;
  broker.CreateTopic(
      topic, [&](const absl::StatusOr<v1::Topic>& result) { created.set_value(result.ok()); });
  FUZZ_CHECK(created.get_future().get());
}

// The outcome of a publish.
inline absl::StatusOr<v1::PublishResult> Publish(Broker& broker, const PublishRequest& request) {
  std::promise<absl::StatusOr<v1::PublishResult>> outcome;
  broker.Publish(request, [&](absl::StatusOr<v1::PublishResult> result) {
    outcome.set_value(std::move(result));
  });
  return outcome.get_future().get();
}

}  // namespace eventhub
