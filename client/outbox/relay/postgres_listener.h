// Notifications of PostgreSQL.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "client/outbox/relay/sql_database.h"

struct pg_conn;

namespace eventhub::client::outbox {

// A thread and a connection that wait for NOTIFY. A connection that breaks is opened again every
// second; meanwhile, rows are found by polling.
class PostgresListener final : public SqlListener {
 public:
  PostgresListener(std::string connection, std::string channel, std::function<void()> wake);
  ~PostgresListener() override;

 private:
  void Run();
  // Connects, and waits until the connection breaks or the listener stops.
  void Listen();
  // Waits for `socket` (-1: none) to become readable; false: stop. At most `timeout_millis`, or for
  // ever if that is -1.
  bool Await(int socket, int timeout_millis) const;

  const std::string connection_;
  const std::string channel_;
  const std::function<void()> wake_;
  const int stop_;  // An eventfd, which becomes readable when the listener stops.
  std::thread thread_;
};

}  // namespace eventhub::client::outbox
