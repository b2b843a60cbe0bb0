// The outcome of an event, given later and from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace eventhub::client {

struct Outcome;
class HandedOut;

// Settles one event that SubscriberOptions::on_event_async was given.
//
// The first call of a Settle method decides; later calls have no effect. A settler that is
// destroyed before that settles its event as Outcome::Retry, so no event is lost when a program
// drops one. A settler may outlive its subscriber; once that has ended, or the lease of the event
// has, settling has no effect: the event is delivered again.
//
// Settling never blocks on the network and may be done inside the handler. Thread-compatible: one
// thread at a time uses a settler; different settlers are independent.
//
// Example:
//
//     .on_event_async = [&](ReceivedEvent event, Settler settler) {
//       bank.ChargeAsync(InvoiceOf(event), [settler = std::move(settler)](bool charged) mutable {
//         charged ? settler.Ack() : settler.Retry("the bank does not respond");
//       });
//     }
class Settler {
 public:
  // Holds no event.
  Settler();
  Settler(Settler&&) noexcept;
  // Retries the event that this settler held, as the destructor does.
  Settler& operator=(Settler&&) noexcept;
  ~Settler();

  // Whether it holds an event that it has not settled.
  explicit operator bool() const { return event_.events != nullptr; }

  // Releases the memory of the event: a ReceivedEvent must not be used afterwards.
  void Settle(Outcome outcome);
  // Settle with the Outcome of that name.
  void Ack();
  void Retry(std::string reason, std::optional<absl::Duration> delay = std::nullopt);
  void Park(std::string reason);
  void Skip(std::string reason);

 private:
  friend class SubscriberCore;

  // An event of those that were handed out together.
  struct Pending {
    std::shared_ptr<HandedOut> events{};
    size_t index = 0;

    void Settle(Outcome outcome) const;
  };
  explicit Settler(Pending event);

  Pending event_;
};

}  // namespace eventhub::client
