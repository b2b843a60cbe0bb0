// Code that the services of the shop share: the facts that they exchange, and how they run.
#pragma once

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "eventhub/connection.h"
#include "eventhub/json_data.h"
#include "eventhub/processor/processor.h"
#include "nlohmann/json.hpp"

namespace shop {

using eventhub::v1::Event;

// The topic of all facts about orders. Their key is the id of the order, so the facts of an order
// are in the sequence in which they were published.
inline constexpr char kOrders[] = "orders";

// The action of a customer.
inline constexpr char kPlaced[] = "shop.order.placed";
// The results of the services, each on its own.
inline constexpr char kReserved[] = "shop.stock.reserved";
inline constexpr char kSoldOut[] = "shop.stock.sold-out";
inline constexpr char kCharged[] = "shop.payment.charged";
inline constexpr char kDeclined[] = "shop.payment.declined";
inline constexpr char kRefunded[] = "shop.payment.refunded";
inline constexpr char kCleared[] = "shop.fraud.cleared";
inline constexpr char kSuspected[] = "shop.fraud.suspected";
// The end of an order: one of these for each.
inline constexpr char kShipped[] = "shop.order.shipped";
inline constexpr char kRejected[] = "shop.order.rejected";
inline constexpr char kExpired[] = "shop.order.expired";

// The data of each fact, as JSON.
struct Order {
  std::string id;
  std::string customer;
  std::string sku;
  int64_t quantity = 0;
  int64_t cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, id, customer, sku, quantity, cents)

// The order of an event. INVALID_ARGUMENT if its data is not a valid order.
inline absl::StatusOr<Order> OrderOf(const Event& event) {
  auto order = eventhub::client::DecodeData<Order>(event);
  if (order.ok() && (order->id.empty() || order->quantity <= 0 || order->cents < 0)) {
    return absl::InvalidArgumentError("the order has no id, no quantity or a negative price");
  }
  return order;
}

// A fact that follows from another one about the same order. A processor adds id, source and cause.
inline Event Fact(const char* type, const Event& cause) {
  Event fact;
  fact.set_type(type);
  fact.set_subject(cause.subject());
  fact.set_partition_key(cause.subject());
  fact.set_data_content_type(cause.data_content_type());
  fact.set_data(cause.data());
  const auto sku = cause.attributes().find("sku");
  if (sku != cause.attributes().end()) fact.mutable_attributes()->insert(*sku);
  return fact;
}

// Runs a processor until SIGTERM; returns the exit code of the program.
inline int Serve(std::shared_ptr<eventhub::client::Connection> hub,
                 eventhub::processor::ProcessorOptions options) {
  options.hooks.on_state = [](const std::string& pipeline, const auto& state) {
    std::cerr << pipeline << ": " << ToString(state) << std::endl;
  };
  options.hooks.on_fault = [](const auto& fault) { std::cerr << ReasonOf(fault) << std::endl; };
  const absl::Status stopped =
      eventhub::processor::Processor::RunUntilSignal(std::move(hub), std::move(options));
  if (!stopped.ok()) std::cerr << stopped << std::endl;
  return stopped.ok() ? 0 : 1;
}

}  // namespace shop
