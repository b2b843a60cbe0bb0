#include "client/src/connection/keep_memory.h"

#include <cstddef>
#include <cstdlib>

namespace eventhub::client {
namespace {

// Kept then is up to twice as much at the end of a heap. glibc learns from at most 32 MiB.
constexpr size_t kLargestBlock = 16 << 20;

// A large block that is freed raises both of malloc's thresholds: what the program needed once, it
// will need again. It is never touched, and so takes no memory.
bool Teach() {
  void* volatile block = std::malloc(kLargestBlock);
  std::free(block);
  return block != nullptr;
}

}  // namespace

void KeepFreedMemory() { [[maybe_unused]] static const bool taught = Teach(); }

}  // namespace eventhub::client
