#include "server/rpc/allocator.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace eventhub {
namespace {

// glibc's default is 8 for each core: more than any machine needs here.
constexpr unsigned kMaxArenas = 32;

// Beyond this, the free end of an arena is returned.
size_t trim_threshold = size_t{128} << 10;

unsigned Arenas() {
  return std::min(8 * std::max(std::thread::hardware_concurrency(), 1U), kMaxArenas);
}

void SetTrimThreshold(size_t bytes) { mallopt(M_TRIM_THRESHOLD, static_cast<int>(bytes)); }

// malloc_trim returns the free blocks of all arenas, but not their free ends, which are most of the
// free memory after a burst. glibc returns an end when a block next to it is freed, if the end
// exceeds the threshold. It gives new threads the arenas in turn: so one thread for each arena,
// all at once, allocates a block and frees it.
void TrimEnds() {
  constexpr size_t kBlock = size_t{96} << 10;
  constexpr size_t kKeep = size_t{256} << 10;
  SetTrimThreshold(kKeep);
  absl::Notification all_have_one;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < Arenas(); ++i) {
    std::promise<void> has_one;
    try {
      threads.emplace_back([&] {
        void* volatile block = std::malloc(kBlock);
        has_one.set_value();
        all_have_one.WaitForNotification();
        std::free(block);
      });
    } catch (const std::system_error&) {
      break;  // No more threads can start; those that did return what they can.
    }
    has_one.get_future().wait();
  }
  all_have_one.Notify();
  for (std::thread& thread : threads) thread.join();
  SetTrimThreshold(trim_threshold);
}

}  // namespace

// glibc returns freed memory to the kernel after each large request, and page-faults it in again
// for the next; as measured, that halves the throughput. Setting either limit disables the
// automatic adjustment of the other, so both are set.
void TuneAllocator(size_t memory_limit) {
  trim_threshold = std::min<size_t>(memory_limit / 8, size_t{256} << 20);
  SetTrimThreshold(trim_threshold);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_ARENA_MAX, static_cast<int>(Arenas()));
}

size_t AnonymousBytes() {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[128];
  const ssize_t size = read(fd, text, sizeof(text) - 1);
  close(fd);
  text[std::max<ssize_t>(size, 0)] = '\0';
  size_t resident = 0;
  size_t shared = 0;
  if (std::sscanf(text, "%*u %zu %zu", &resident, &shared) != 2) return 0;
  return (resident - std::min(shared, resident)) * page;
}

size_t AllocatorSurplus() {
  const struct mallinfo2 info = mallinfo2();
  const size_t asked_for = info.uordblks + info.hblkhd;
  const size_t used = AnonymousBytes();
  return used - std::min(used, asked_for);
}

void GiveBackSurplus() {
  TrimEnds();
  malloc_trim(0);
}

}  // namespace eventhub
