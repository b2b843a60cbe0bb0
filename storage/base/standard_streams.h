// Standard input, output and error of a process that may have been started without them.
#pragma once

namespace eventhub {

// Makes sure that the descriptors 0 to 2 are taken: what the process opens later, a connection or a
// file of data, could else be one of them, and get what is printed. One that was closed can be
// neither read nor written from now on. Called before anything is opened.
void ReserveStandardStreams();

}  // namespace eventhub
