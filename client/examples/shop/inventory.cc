// Keeps the stock of each article in a SQLite database, and reserves articles for each order.
//
//   inventory HUB DATABASE
//   sqlite3 stock.db "SELECT * FROM stock"
//
// The table `orders` is a view of the state of each order. `stock` and `bookings` are tables of
// this program, which change in the same transactions as the view. A lost database is rebuilt from
// the topic, with the same decisions: all events about an article are in one partition, in order,
// because a route to the topic `inventory` replaces the key by the article.

#include <sqlite3.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/examples/shop/shop.h"
#include "eventhub/processor/sqlite_view.h"

using eventhub::client::Connect;
using eventhub::processor::ColumnType;
using eventhub::processor::OpenSqliteView;
using eventhub::processor::Pipeline;
using eventhub::processor::Reply;
using eventhub::processor::Row;
using shop::Event;

namespace {

constexpr char kArrived[] = "shop.stock.arrived";

// The rules of the stock. A repeated event finds its booking, and changes nothing.
constexpr char kTables[] = R"sql(
  CREATE TABLE IF NOT EXISTS stock (
    sku TEXT PRIMARY KEY, available INTEGER NOT NULL CHECK (available >= 0));
  CREATE TABLE IF NOT EXISTS bookings (
    id TEXT PRIMARY KEY, sku TEXT NOT NULL, quantity INTEGER NOT NULL, state TEXT NOT NULL);
  CREATE TRIGGER IF NOT EXISTS arrive AFTER INSERT ON bookings WHEN new.state = 'arrived' BEGIN
    INSERT INTO stock SELECT new.sku, 0 WHERE NOT EXISTS (SELECT 1 FROM stock WHERE sku = new.sku);
    UPDATE stock SET available = available + new.quantity WHERE sku = new.sku;
  END;
  CREATE TRIGGER IF NOT EXISTS reserve AFTER INSERT ON bookings WHEN new.state = 'reserved' BEGIN
    UPDATE stock SET available = available - new.quantity WHERE sku = new.sku;
  END;
  CREATE TRIGGER IF NOT EXISTS release AFTER UPDATE ON bookings
      WHEN old.state = 'reserved' AND new.state = 'released' BEGIN
    UPDATE stock SET available = available + new.quantity WHERE sku = new.sku;
  END;
)sql";
constexpr char kArrive[] =
    "INSERT INTO bookings SELECT ?1, ?2, ?3, 'arrived' WHERE true ON CONFLICT (id) DO NOTHING";
constexpr char kReserve[] =
    "INSERT INTO bookings SELECT ?1, ?2, ?3, CASE WHEN EXISTS "
    "(SELECT 1 FROM stock WHERE sku = ?2 AND available >= ?3) THEN 'reserved' ELSE 'sold out' END "
    "WHERE true ON CONFLICT (id) DO NOTHING";
constexpr char kShip[] =
    "UPDATE bookings SET state = 'shipped' WHERE id = ?1 AND state = 'reserved'";
constexpr char kRelease[] =
    "UPDATE bookings SET state = 'released' WHERE id = ?1 AND state = 'reserved'";

const char* StatementFor(const std::string& type) {
  if (type == kArrived) return kArrive;
  if (type == shop::kPlaced) return kReserve;
  return type == shop::kShipped ? kShip : kRelease;
}

// A delivery of an article, or the articles of an order.
struct Booking {
  std::string id;
  std::string sku;
  int64_t quantity = 0;
};

void from_json(const nlohmann::json& json, Booking& booking) {
  json.at("id").get_to(booking.id);
  json.at("sku").get_to(booking.sku);
  json.at("quantity").get_to(booking.quantity);
}

absl::StatusOr<Booking> BookingOf(const Event& event) {
  auto booking = eventhub::client::DecodeData<Booking>(event);
  if (booking.ok() && (booking->id.empty() || booking->quantity <= 0)) {
    return absl::InvalidArgumentError("the booking has no id or no quantity");
  }
  return booking;
}

struct Decision {
  bool reserved = false;
};

// A connection to the database. Thread-safe.
class Bookings {
 public:
  explicit Bookings(const std::string& path) {
    sqlite3_open(path.c_str(), &database_);
    sqlite3_busy_timeout(database_, 50);  // A read that was in vain is repeated.
  }
  ~Bookings() { sqlite3_close(database_); }
  Bookings(const Bookings&) = delete;
  Bookings& operator=(const Bookings&) = delete;

  absl::Status CreateTables() {
    const int code = sqlite3_exec(database_, kTables, nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : Error(database_);
  }

  // The decision about an order. (The order may have ended since.)
  absl::StatusOr<Decision> DecisionOf(const std::string& id) const {
    const Statement find(database_, "SELECT state <> 'sold out' FROM bookings WHERE id = ?1", id);
    if (sqlite3_step(find.get()) != SQLITE_ROW) return Error(database_);
    return Decision{sqlite3_column_int(find.get(), 0) != 0};
  }

  // Books rows of the view, in the transaction that writes them.
  static absl::Status Book(sqlite3* database, const std::vector<const Row*>& rows) {
    for (const Row* const row : rows) {
      const auto& sku = std::get<std::string>(row->values[0]);
      const Statement book(database, StatementFor(std::get<std::string>(row->values[2])), row->key);
      sqlite3_bind_text(book.get(), 2, sku.data(), static_cast<int>(sku.size()), SQLITE_STATIC);
      sqlite3_bind_int64(book.get(), 3, std::get<int64_t>(row->values[1]));
      if (sqlite3_step(book.get()) != SQLITE_DONE) return Error(database);
    }
    return absl::OkStatus();
  }

 private:
  // A statement about the booking `id`, which must not change until the statement has run.
  class Statement {
   public:
    Statement(sqlite3* database, const char* sql, const std::string& id) {
      sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr);
      sqlite3_bind_text(statement_, 1, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    sqlite3_stmt* get() const { return statement_; }

   private:
    sqlite3_stmt* statement_ = nullptr;
  };

  static absl::Status Error(sqlite3* database) {
    const bool refused = sqlite3_errcode(database) == SQLITE_CONSTRAINT;
    return absl::Status(
        refused ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kUnavailable,
        sqlite3_errmsg(database));
  }

  sqlite3* database_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: inventory HUB DATABASE\n";
    return 2;
  }
  const std::string path = argv[2];
  const auto orders = OpenSqliteView({.path = path,
                                      .view = {.name = "orders",
                                               .columns = {{"sku", ColumnType::kText},
                                                           {"quantity", ColumnType::kInteger},
                                                           {"state", ColumnType::kText}}},
                                      .in_transaction = Bookings::Book});
  if (!orders.ok()) {
    std::cerr << orders.status() << "\n";
    return 1;
  }
  Bookings bookings(path);
  if (const absl::Status created = bookings.CreateTables(); !created.ok()) {
    std::cerr << created << "\n";
    return 1;
  }
  const auto rule =
      Pipeline("inventory")
          .Map(BookingOf)
          .Materialize(*orders,
                       [](const Event& event, const Booking& booking) {
                         return Row{.key = booking.id,
                                    .values = {booking.sku, booking.quantity, event.type()}};
                       })
          .Filter([](const Event& event) { return event.type() == shop::kPlaced; })
          .Map([&](const Booking& booking) { return bookings.DecisionOf(booking.id); })
          .Publish(shop::kOrders, [](const Event& placed, const Decision& decision) {
            return shop::Fact(decision.reserved ? shop::kReserved : shop::kSoldOut, placed);
          });
  return shop::Serve(
      Connect(argv[1]),
      {.subscription = "inventory", .source = "/shop/inventory", .pipelines = {rule}});
}
