#include "storage/base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

namespace eventhub {

void ReserveStandardStreams() {
  // The lowest free descriptor is given, so each takes its own. Of a descriptor that is open for
  // the other direction only, reads and writes fail as of a closed one.
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace eventhub
