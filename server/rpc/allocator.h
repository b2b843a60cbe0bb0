// The memory of the process, and the unused memory that its allocator, glibc's malloc, keeps.
#pragma once

#include <cstddef>

namespace eventhub {

// Sets up the allocator of a daemon with this memory limit; called once, before threads start.
void TuneAllocator(size_t memory_limit);

// The process's memory that is not backed by a file: the kernel cannot reclaim it. Bytes.
size_t AnonymousBytes();
// The part of it that the allocator holds unused.
size_t AllocatorSurplus();

// Returns unused memory of the allocator to the system. Takes some milliseconds. One thread at a
// time.
void GiveBackSurplus();

}  // namespace eventhub
