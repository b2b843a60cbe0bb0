// The streaming method EventHubService.PublishStream.
#pragma once

#include <cstdint>
#include <memory>

#include "server/core/publish/publishing.h"
#include "server/rpc/pipelined_stream.h"

namespace eventhub {

// One stream.
class PublishStream final : public PipelinedStream {
 public:
  static PublishStream* Start(Publishing& publishing, PublishLimits& limits,
                              StreamRegistry& registry, Caller caller, StreamLimits::Place place);

 private:
  PublishStream(Publishing& publishing, PublishLimits& limits, StreamRegistry& registry,
                Caller caller, StreamLimits::Place place);

  absl::Status Submit(const SharedBytes& message, uint64_t number) override;
  void Refuse(uint64_t number, const absl::Status& status) override;

  Publishing& publishing_;
};

}  // namespace eventhub
