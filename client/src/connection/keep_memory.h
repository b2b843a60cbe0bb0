#pragma once

namespace eventhub::client {

// Makes glibc's malloc keep the memory of one response for the next, unless the program has told it
// what to do (mallopt, or MALLOC_ variables). As it comes, it gives the memory back to the kernel,
// which is faulted in again page by page: that takes longer than to receive the response. Without
// effect with other allocators.
void KeepFreedMemory();

}  // namespace eventhub::client
