#include "eventhub/settler.h"

#include <utility>

#include "client/src/subscribe/turn.h"

namespace eventhub::client {

void Settler::Pending::Settle(Outcome outcome) const {
  Turn::Settle({.events = events, .first = index, .count = 1, .outcome = std::move(outcome)});
}

Settler::Settler() = default;

Settler::Settler(Pending event) : event_(std::move(event)) {}

Settler::Settler(Settler&&) noexcept = default;

Settler& Settler::operator=(Settler&& other) noexcept {
  if (this != &other) {
    if (*this) Retry("the event's settler was replaced");
    event_ = std::move(other.event_);
  }
  return *this;
}

// Most are moved from: no reason is made for those.
Settler::~Settler() {
  if (*this) Retry("the event's settler was destroyed");
}

void Settler::Settle(Outcome outcome) {
  // Cleared first, so that code called by Settle finds the event settled.
  const Pending event = std::exchange(event_, {});
  if (event.events != nullptr) event.Settle(std::move(outcome));
}

void Settler::Ack() { Settle(Outcome::Ack()); }

void Settler::Retry(std::string reason, std::optional<absl::Duration> delay) {
  if (*this) Settle(Outcome::Retry(std::move(reason), delay));
}

void Settler::Park(std::string reason) { Settle(Outcome::Park(std::move(reason))); }

void Settler::Skip(std::string reason) { Settle(Outcome::Skip(std::move(reason))); }

}  // namespace eventhub::client
