// Publishes when something has not happened: an order that is not paid in time expires, exactly
// once, despite crashes.
//
//   expire [address] [topic] [target] [directory] [seconds]
//
// Events of the topic are about the order that is their subject and partition key:
// `shop.order.placed` and `shop.order.paid`. The timer is a delayed event of the hub in the same
// topic: `shop.order.payment-due`. It arrives after all events about the order that were published
// before it was due, so the view of unpaid orders decides. It publishes `shop.order.expired` to the
// target.

#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "eventhub/processor/processor.h"
#include "eventhub/processor/rocksdb_view.h"
#include "eventhub/subscription_client.h"

using eventhub::client::Connect;
using eventhub::client::StartPosition;
using eventhub::client::SubscriptionClient;
using eventhub::client::SubscriptionKind;
using eventhub::processor::AnyPipeline;
using eventhub::processor::ColumnType;
using eventhub::processor::OpenRocksdbView;
using eventhub::processor::Pipeline;
using eventhub::processor::PipelineState;
using eventhub::processor::Processor;
using eventhub::processor::Row;
using eventhub::processor::View;
using eventhub::v1::Event;

namespace {

constexpr char kPlaced[] = "shop.order.placed";
constexpr char kPaid[] = "shop.order.paid";
constexpr char kDue[] = "shop.order.payment-due";

// Whether the order of an event is unpaid when the event is processed.
struct Unpaid {
  bool value = false;
};

std::optional<Row> UnpaidOrder(const Event& event) {
  if (event.type() == kPlaced) return Row{.key = event.subject(), .values = {event.id()}};
  if (event.type() == kPaid) return Row::Delete(event.subject());
  return std::nullopt;
}

AnyPipeline ExpireRule(const std::shared_ptr<View>& unpaid, const std::string& topic,
                       const std::string& target, int seconds) {
  return Pipeline("expire")
      .On({kPlaced, kPaid, kDue})
      .Materialize(unpaid, UnpaidOrder)
      .Publish(topic,
               [seconds](const Event& event) -> std::optional<Event> {
                 if (event.type() != kPlaced) return std::nullopt;
                 Event due;
                 due.set_type(kDue);
                 due.set_subject(event.subject());
                 due.mutable_deliver_after()->set_seconds(seconds);
                 return due;
               })
      .Map([unpaid](const Event& event) -> absl::StatusOr<Unpaid> {
        const auto row = unpaid->Get(event.subject());
        if (!row.ok()) return row.status();
        return Unpaid{row->has_value()};
      })
      .Publish(target, [](const Event& event, const Unpaid& is_unpaid) -> std::optional<Event> {
        if (event.type() != kDue || !is_unpaid.value) return std::nullopt;
        Event expired;
        expired.set_type("shop.order.expired");
        expired.set_subject(event.subject());
        return expired;
      });
}

}  // namespace

int main(int argc, char** argv) {
  const auto hub = Connect(argc > 1 ? argv[1] : "localhost:7070");
  const std::string topic = argc > 2 ? argv[2] : "orders";
  const std::string target = argc > 3 ? argv[3] : "expired";
  const std::string directory = argc > 4 ? argv[4] : "unpaid-orders";
  const int seconds = argc > 5 ? std::atoi(argv[5]) : 900;

  const auto created = SubscriptionClient(hub).CreateSubscription(
      {.name = "example-expire", .topic = topic, .kind = SubscriptionKind::kStream},
      StartPosition::Earliest());
  if (!created.ok() && created.status().code() != absl::StatusCode::kAlreadyExists) {
    std::cerr << created.status().message() << "\n";
    return 1;
  }
  const auto unpaid =
      OpenRocksdbView({.directory = directory,
                       .view = {.name = "unpaid", .columns = {{"placed_by", ColumnType::kText}}}});
  if (!unpaid.ok()) {
    std::cerr << unpaid.status().message() << "\n";
    return 1;
  }
  // Until SIGINT or SIGTERM, or an end for another reason: e.g. the subscription was deleted.
  const absl::Status stopped = Processor::RunUntilSignal(
      hub, {.subscription = "example-expire",
            .source = "/example/expire",
            .pipelines = {ExpireRule(*unpaid, topic, target, seconds)},
            .take_own_events = true,  // The timers.
            .hooks = {.on_state = [](const std::string& pipeline, const PipelineState& state) {
              std::cerr << pipeline << ": " << ToString(state) << "\n";
            }}});
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}
