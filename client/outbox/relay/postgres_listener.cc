#include "client/outbox/relay/postgres_listener.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eventhub::client::outbox {
namespace {

constexpr int kReconnectMillis = 1000;

struct FinishConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};

}  // namespace

PostgresListener::PostgresListener(std::string connection, std::string channel,
                                   std::function<void()> wake)
    : connection_(std::move(connection)),
      channel_(std::move(channel)),
      wake_(std::move(wake)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

PostgresListener::~PostgresListener() {
  ::eventfd_write(stop_, 1);
  thread_.join();
  ::close(stop_);
}

bool PostgresListener::Await(int socket, int timeout_millis) const {
  std::array<pollfd, 2> fds = {pollfd{stop_, POLLIN, 0}, pollfd{socket, POLLIN, 0}};
  ::poll(fds.data(), socket < 0 ? 1 : 2, timeout_millis);
  return fds[0].revents == 0;
}

void PostgresListener::Run() {
  do {
    Listen();
  } while (Await(-1, kReconnectMillis));
}

void PostgresListener::Listen() {
  const std::unique_ptr<PGconn, FinishConnection> connection(PQconnectdb(connection_.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) return;
  PGresult* const result = PQexec(connection.get(), absl::StrCat("LISTEN ", channel_).c_str());
  const bool listening = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  if (!listening) return;
  wake_();  // For what was committed before.
  while (Await(PQsocket(connection.get()), -1)) {
    if (PQconsumeInput(connection.get()) == 0) return;
    bool notified = false;
    while (PGnotify* const notification = PQnotifies(connection.get())) {
      PQfreemem(notification);
      notified = true;
    }
    if (notified) wake_();
  }
}

}  // namespace eventhub::client::outbox
