// Standard input, output and error of a process that may have been started without them.
#pragma once

namespace eventhub {

// Makes sure that the descriptors 0 to 2 are in use. Otherwise a connection or data file that the
// process opens later may get one of them, and receive the output meant for it. A stream that was
// closed can be neither read nor written afterwards. Call before opening anything.
void ReserveStandardStreams();

}  // namespace eventhub
