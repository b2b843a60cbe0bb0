#include "client/src/connection/keep_memory.h"

#include <cstddef>
#include <cstdlib>

namespace eventhub::client {
namespace {

// glibc then keeps up to twice this much at the end of a heap. It adapts to blocks of at most 32
// MiB.
constexpr size_t kLargestBlock = 16 << 20;

// Freeing a large block raises both of malloc's thresholds, because glibc assumes that the program
// will need such a block again. The block is never touched, and so uses no memory.
bool RaiseMallocThresholds() {
  void* volatile block = std::malloc(kLargestBlock);
  std::free(block);
  return block != nullptr;
}

}  // namespace

void KeepFreedMemory() { [[maybe_unused]] static const bool taught = RaiseMallocThresholds(); }

}  // namespace eventhub::client
