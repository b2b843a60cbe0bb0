// The streaming method EventHubService.PublishStream.
#pragma once

#include <cstdint>
#include <memory>

#include "server/core/broker.h"
#include "server/rpc/pipelined_stream.h"

namespace eventhub {

// One stream.
class PublishStream final : public PipelinedStream {
 public:
  static PublishStream* Start(Broker& broker, PublishLimits& limits, StreamRegistry& registry,
                              Caller caller, StreamLimits::Place place);

 private:
  PublishStream(Broker& broker, PublishLimits& limits, StreamRegistry& registry, Caller caller,
                StreamLimits::Place place);

  absl::Status Submit(const SharedBytes& message, uint64_t number) override;
  void Refuse(uint64_t number, const absl::Status& status) override;

  Broker& broker_;
};

}  // namespace eventhub
