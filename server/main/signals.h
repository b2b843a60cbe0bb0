// Waiting for the signals that end a service.
#pragma once

namespace eventhub {

// Blocks SIGTERM and SIGINT, to be called before any thread is started, and ignores SIGPIPE.
void BlockTerminationSignals();

// Waits for SIGTERM or SIGINT and returns which it was. A second one ends the process at once, the
// usual way.
int WaitForTermination();

}  // namespace eventhub
