// Handlers of a subscriber by type of event, which are given the data decoded.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/event_batch.h"
#include "eventhub/settler.h"
#include "eventhub/subscriber.h"
#include "eventhub/v1/event.pb.h"
#include "google/protobuf/message.h"

namespace eventhub::client {

// Decodes the data of an event into a T. This header supports protobuf messages, and
// eventhub/json_data.h the types that nlohmann::json converts to. Specialize it for other types.
//
//   static absl::Status Decode(const v1::Event& event, T& data);
template <typename T>
struct DataDecoder;

// Decodes the data of `event` as `data_content_type` says:
//
//   application/protobuf, application/x-protobuf, or none   the binary encoding
//   application/json, or ending in +json                    the JSON encoding; unknown fields are
//                                                           skipped, as in the binary one
//
// INVALID_ARGUMENT for other types, and for data that is not such a message.
absl::Status DecodeMessage(const v1::Event& event, google::protobuf::Message& data);

// INVALID_ARGUMENT unless `data_content_type` is that of JSON (application/json, text/json, or
// ending in +json) or absent, which means JSON to CloudEvents.
absl::Status CheckIsJson(const v1::Event& event);

template <std::derived_from<google::protobuf::Message> T>
struct DataDecoder<T> {
  static absl::Status Decode(const v1::Event& event, T& data) { return DecodeMessage(event, data); }
};

// Returns the decoded data of `event`, e.g. as a step of a processor: `.Map(DecodeData<Order>)`.
template <typename T>
absl::StatusOr<T> DecodeData(const v1::Event& event) {
  T data{};
  const absl::Status decoded = DataDecoder<T>::Decode(event, data);
  if (!decoded.ok()) return decoded;
  return data;
}

// An event with its decoded data. A handler that returns an outcome may use `received` until it
// returns; an asynchronous one until its settler settles.
template <typename T>
struct TypedEvent {
  T data;
  v1::Event event;
  ReceivedEvent received;
};

// The outcome of events whose type has no handler.
enum class Unhandled {
  // They are settled as not processed, which the hub counts and shows. New types of a topic then do
  // no harm to consumers that do not know them yet, and are not taken for work that was done.
  kSkip,
  // They are acked, as if they had been processed.
  kAck,
  // They become dead letters, with the reason "no handler for type …".
  kPark,
};

// The handlers of a Subscriber, by CloudEvents `type`. Fill it in, then assign it to
// SubscriberOptions::on_event. Copies may run concurrently, as handlers do.
//
// Data that cannot be decoded does not reach its handler: the event becomes a dead letter with the
// reason. To retry would not help.
//
// Example:
//
//     TypedHandlers handlers;
//     handlers.On<shop::Order>("shop.order.placed", [](const TypedEvent<shop::Order>& order) {
//       return Bill(order.data) ? Outcome::Ack() : Outcome::Retry("the bank does not respond");
//     });
//     options.on_event = handlers;
class TypedHandlers {
 public:
  explicit TypedHandlers(Unhandled unhandled = Unhandled::kSkip) : unhandled_(unhandled) {}

  // Sets the handler of `type`, which replaces an earlier one. `handler` is called like
  // Outcome(const TypedEvent<T>&); T must be default-constructible.
  template <typename T, typename Handler>
  TypedHandlers& On(std::string type, Handler handler) {
    handlers_[std::move(type)] = [handler = std::move(handler)](const ReceivedEvent& received,
                                                                v1::Event event) {
      TypedEvent<T> typed{.data = {}, .event = std::move(event), .received = received};
      const absl::Status decoded = DataDecoder<T>::Decode(typed.event, typed.data);
      return decoded.ok() ? Outcome(handler(std::as_const(typed))) : Outcome::Park(Reason(decoded));
    };
    return *this;
  }

  // Sets a function that changes each event before its data is decoded, e.g. to get large data from
  // where it is (eventhub/claim_check.h). An error that may pass (UNAVAILABLE, DEADLINE_EXCEEDED,
  // RESOURCE_EXHAUSTED, ABORTED, CANCELLED) retries the event; others make it a dead letter.
  TypedHandlers& Prepare(std::function<absl::Status(v1::Event& event)> prepare) {
    prepare_ = std::move(prepare);
    return *this;
  }

  // The handler for SubscriberOptions::on_event.
  Outcome operator()(const ReceivedEvent& received) const;

 private:
  friend class AsyncTypedHandlers;
  using Handler = std::function<Outcome(const ReceivedEvent& received, v1::Event event)>;
  using PrepareEvent = std::function<absl::Status(v1::Event& event)>;

  static std::string Reason(const absl::Status& status);
  // Parses and prepares the event; on failure, returns its outcome.
  static std::optional<Outcome> ToEvent(const ReceivedEvent& received, const PrepareEvent& prepare,
                                        v1::Event& event);

  Unhandled unhandled_;
  PrepareEvent prepare_;
  std::map<std::string, Handler, std::less<>> handlers_;
};

// The same for SubscriberOptions::on_event_async: handlers return at once and settle later.
//
// Example:
//
//     AsyncTypedHandlers handlers;
//     handlers.On<shop::Order>("shop.order.placed",
//                              [&](TypedEvent<shop::Order> order, Settler settler) {
//                                bank.ChargeAsync(order.data, std::move(settler));
//                              });
//     options.on_event_async = handlers;
class AsyncTypedHandlers {
 public:
  explicit AsyncTypedHandlers(Unhandled unhandled = Unhandled::kSkip) : unhandled_(unhandled) {}

  // `handler` is called like void(TypedEvent<T>, Settler).
  template <typename T, typename Handler>
  AsyncTypedHandlers& On(std::string type, Handler handler) {
    handlers_[std::move(type)] = [handler = std::move(handler)](ReceivedEvent received,
                                                                v1::Event event, Settler settler) {
      TypedEvent<T> typed{.data = {}, .event = std::move(event), .received = received};
      const absl::Status decoded = DataDecoder<T>::Decode(typed.event, typed.data);
      if (!decoded.ok()) {
        settler.Park(TypedHandlers::Reason(decoded));
        return;
      }
      handler(std::move(typed), std::move(settler));
    };
    return *this;
  }

  // As above.
  AsyncTypedHandlers& Prepare(std::function<absl::Status(v1::Event& event)> prepare) {
    prepare_ = std::move(prepare);
    return *this;
  }

  // The handler for SubscriberOptions::on_event_async.
  void operator()(ReceivedEvent received, Settler settler) const;

 private:
  using Handler = std::function<void(ReceivedEvent received, v1::Event event, Settler settler)>;

  Unhandled unhandled_;
  TypedHandlers::PrepareEvent prepare_;
  std::map<std::string, Handler, std::less<>> handlers_;
};

}  // namespace eventhub::client
