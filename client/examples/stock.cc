// Keeps the stock of each article in a table of a SQLite database, which any program can read while
// this one runs:
//
//   stock [address] [topic] [database] [subscription]
//   sqlite3 stock.db "SELECT * FROM stock"
//
// An event `shop.stock.counted` has the article as its subject, and the quantity as its data. An
// older count never replaces a newer one. If the database is deleted, it is rebuilt from the topic.

#include <charconv>
#include <iostream>
#include <string>

#include "eventhub/processor/processor.h"
#include "eventhub/processor/sqlite_view.h"
#include "eventhub/subscription_client.h"

using eventhub::client::Connect;
using eventhub::client::StartPosition;
using eventhub::client::SubscriptionClient;
using eventhub::client::SubscriptionKind;
using eventhub::processor::ColumnType;
using eventhub::processor::OpenSqliteView;
using eventhub::processor::Pipeline;
using eventhub::processor::PipelineState;
using eventhub::processor::Processor;
using eventhub::processor::Row;

namespace {

absl::StatusOr<Row> StockOf(const eventhub::v1::Event& counted) {
  int64_t quantity = 0;
  const std::string& data = counted.data();
  const auto [end, error] = std::from_chars(data.data(), data.data() + data.size(), quantity);
  if (error != std::errc() || end != data.data() + data.size()) {
    return absl::InvalidArgumentError("the quantity is not a number");
  }
  if (quantity == 0) return Row::Delete(counted.subject());
  return Row{.key = counted.subject(), .values = {quantity}};
}

}  // namespace

int main(int argc, char** argv) {
  const auto hub = Connect(argc > 1 ? argv[1] : "localhost:7070");
  const std::string topic = argc > 2 ? argv[2] : "stock";
  const std::string database = argc > 3 ? argv[3] : "stock.db";
  const std::string name = argc > 4 ? argv[4] : "example-stock";

  const auto created = SubscriptionClient(hub).CreateSubscription(
      {.name = name, .topic = topic, .kind = SubscriptionKind::kStream}, StartPosition::Earliest());
  if (!created.ok() && created.status().code() != absl::StatusCode::kAlreadyExists) {
    std::cerr << created.status().message() << "\n";
    return 1;
  }
  const auto stock =
      OpenSqliteView({.path = database,
                      .view = {.name = "stock", .columns = {{"quantity", ColumnType::kInteger}}}});
  if (!stock.ok()) {
    std::cerr << stock.status().message() << "\n";
    return 1;
  }
  // Until SIGINT or SIGTERM, or an end for another reason: e.g. the subscription was deleted.
  const absl::Status stopped = Processor::RunUntilSignal(
      hub,
      {.subscription = name,
       .source = "/example/stock",
       .pipelines = {Pipeline("stock").On({"shop.stock.counted"}).Materialize(*stock, StockOf)},
       .hooks = {.on_state = [](const std::string& pipeline, const PipelineState& state) {
         std::cerr << pipeline << ": " << ToString(state) << "\n";
       }}});
  if (!stopped.ok()) std::cerr << stopped << "\n";
  return stopped.ok() ? 0 : 1;
}
