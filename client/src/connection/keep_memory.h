#pragma once

namespace eventhub::client {

// Makes glibc's malloc keep the memory of one response for the next, unless the program configured
// malloc itself (mallopt, or MALLOC_ variables). By default malloc returns the memory to the
// kernel, and faulting it in again, page by page, takes longer than receiving the response. Has no
// effect with other allocators.
void KeepFreedMemory();

}  // namespace eventhub::client
