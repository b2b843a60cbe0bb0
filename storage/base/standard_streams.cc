#include "storage/base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

namespace eventhub {

void ReserveStandardStreams() {
  // Each open returns the lowest free descriptor, so each stream gets its own. The descriptor is
  // opened for the opposite direction only, so reads and writes fail as on a closed one.
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace eventhub
