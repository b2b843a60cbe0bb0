// Handles the signals that end a service.
#pragma once

namespace eventhub {

// Blocks SIGTERM and SIGINT, and ignores SIGPIPE. Call before starting any thread.
void BlockTerminationSignals();

// Returns whether one of them has arrived.
bool TerminationArrived();

// Waits for SIGTERM or SIGINT and returns which it was. A second signal terminates the process at
// once, by its default action.
int WaitForTermination();

}  // namespace eventhub
