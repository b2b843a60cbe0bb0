// The interface of the sender to the storage of requests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/outbox/state.h"
#include "client/outbox/stored.h"

namespace eventhub::client::outbox {

// Stores requests: in the directory of an outbox, or in a table of the service's own database.
class RequestKeeper {
 public:
  virtual ~RequestKeeper() = default;

  // The name of the producer, under which the hub knows the requests.
  virtual const std::string& producer() const = 0;

  // The parts of a stored request in order, for the sender's thread. An error if the request cannot
  // be found.
  virtual absl::StatusOr<std::vector<StoredPart>> ReadParts(TopicNumber topic,
                                                            uint64_t request) const = 0;

  // Takes one event out of the first request of the topic, as Lane::set_aside() says. Called as
  // work of the state, like Salvage.
  virtual void SetAside(Topic& topic) = 0;

  // Takes the damaged parts out of the first request of the topic, no attempt of which awaits a
  // reply.
  virtual void Salvage(Topic& topic, uint64_t request) = 0;
};

}  // namespace eventhub::client::outbox
