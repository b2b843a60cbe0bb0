// Counts what a test program allocates.
#pragma once

namespace eventhub {

// How often operator new was called in this program, by any thread. Linking this replaces it.
int Allocations();

}  // namespace eventhub
