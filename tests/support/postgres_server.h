// A PostgreSQL server for the tests of a whole program, on a socket of its own.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_directory.h"

namespace eventhub {

// A server with an empty database, while this object exists. It may not be run by root, so root
// runs it as nobody.
class PostgresServer {
 public:
  PostgresServer() {
    const std::string data = directory_ / "data";
    ::chmod(directory_.path().c_str(), 0777);
    running_ =
        Run(absl::StrCat("initdb --auth=trust --no-sync --username=test -D ", data)) &&
        Run(absl::StrCat("pg_ctl start --wait -D ", data, " -l ", directory_ / "log",
                         " -o \"-c listen_addresses='' -c fsync=off -k ", directory_.path(), "\""));
  }
  ~PostgresServer() {
    if (running_) Run(absl::StrCat("pg_ctl stop --mode=immediate -D ", directory_ / "data"));
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // False if this machine has no PostgreSQL.
  bool running() const { return running_; }
  std::string options() const {
    return absl::StrCat("host=", directory_.path(), " user=test dbname=postgres");
  }

  // Ends all connections, as a restart does.
  void Disconnect() {
    Run(absl::StrCat("psql -q -h ", directory_.path(),
                     " -U test postgres -c \"SELECT pg_terminate_backend(pid) FROM "
                     "pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'\""));
  }

 private:
  static bool Run(const std::string& command) {
    const std::string user =
        ::getuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : "";
    return std::system(absl::StrCat("cd / && PATH=/usr/lib/postgresql/15/bin:$PATH ", user, command,
                                    " >/dev/null 2>&1")
                           .c_str()) == 0;
  }

  TempDirectory directory_;
  bool running_ = false;
};

}  // namespace eventhub
