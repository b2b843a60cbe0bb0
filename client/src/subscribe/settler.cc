#include "eventhub/settler.h"

#include <utility>

#include "client/src/subscribe/pending_event.h"
#include "client/src/subscribe/subscriber_core.h"

namespace eventhub::client {

void PendingEvent::Settle(Outcome outcome) {
  if (const auto core = core_.lock()) core->SettleOne(event_, std::move(outcome));
}

Settler::Settler() = default;

Settler::Settler(std::unique_ptr<PendingEvent> event) : event_(std::move(event)) {}

Settler::Settler(Settler&&) noexcept = default;

Settler& Settler::operator=(Settler&& other) noexcept {
  if (this != &other) {
    if (event_ != nullptr) Retry("the event's settler was replaced");
    event_ = std::move(other.event_);
  }
  return *this;
}

// Most are moved from: no reason is made for those.
Settler::~Settler() {
  if (event_ != nullptr) Retry("the event's settler was destroyed");
}

void Settler::Settle(Outcome outcome) {
  // Cleared first, so that code called by Settle finds the event settled.
  const std::unique_ptr<PendingEvent> event = std::move(event_);
  if (event != nullptr) event->Settle(std::move(outcome));
}

void Settler::Ack() { Settle(Outcome::Ack()); }

void Settler::Retry(std::string reason, std::optional<absl::Duration> delay) {
  if (event_ != nullptr) Settle(Outcome::Retry(std::move(reason), delay));
}

void Settler::Park(std::string reason) { Settle(Outcome::Park(std::move(reason))); }

void Settler::Skip(std::string reason) { Settle(Outcome::Skip(std::move(reason))); }

}  // namespace eventhub::client
