// Counts the allocations of a test program.
#pragma once

namespace eventhub {

// Returns the number of calls of operator new by all threads. Linking this file replaces operator
// new.
int Allocations();

}  // namespace eventhub
