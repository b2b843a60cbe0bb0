// Memory that is freed goes back to the system.
#include "server/rpc/allocator.h"

#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/sanitizers.h"

namespace eventhub {
namespace {

constexpr size_t kMebibyte = size_t{1} << 20;

// A burst on a thread that has ended, whose arena nobody uses afterwards.
TEST(AllocatorTest, GivesBackWhatIsFreeAtTheEndOfAnArena) {
  if (kAddressSanitizer || kThreadSanitizer) GTEST_SKIP() << "the sanitizer has its own allocator";
  TuneAllocator(1024 * kMebibyte);
  const size_t before = AnonymousBytes();
  std::vector<void*> blocks;
  std::thread([&blocks] {
    for (int i = 0; i < 50; ++i) {
      blocks.push_back(std::malloc(kMebibyte));
      std::memset(blocks.back(), 1, kMebibyte);
    }
  }).join();
  EXPECT_GT(AnonymousBytes(), before + 40 * kMebibyte);
  for (void* block : blocks) std::free(block);
  EXPECT_GT(AllocatorSurplus(), 40 * kMebibyte);
  GiveBackSurplus();
  EXPECT_LT(AnonymousBytes(), before + 8 * kMebibyte);
}

}  // namespace
}  // namespace eventhub
