// The streaming method EventHubService.TransactStream.
#pragma once

#include <cstdint>
#include <memory>

#include "server/core/transaction/transactions.h"
#include "server/rpc/pipelined_stream.h"

namespace eventhub {

// One stream.
class TransactStream final : public PipelinedStream {
 public:
  static TransactStream* Start(Transactions& transactions, PublishLimits& limits,
                               StreamRegistry& registry, Caller caller, StreamLimits::Place place);

 private:
  TransactStream(Transactions& transactions, PublishLimits& limits, StreamRegistry& registry,
                 Caller caller, StreamLimits::Place place);

  absl::Status Submit(const SharedBytes& message, uint64_t number) override;
  void Refuse(uint64_t number, const absl::Status& status) override;

  Transactions& transactions_;
};

}  // namespace eventhub
