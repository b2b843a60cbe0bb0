// Holds the process to its memory limit: what the budgets do not see, or see too late.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace eventhub {

// What the guard looks at, and what it can do.
struct MemoryGuardActions {
  // Memory of the process that the kernel cannot take away by itself. Bytes.
  absl::AnyInvocable<size_t()> used;
  // How much of that the program did not ask for, or freed. Bytes. Takes some milliseconds.
  absl::AnyInvocable<size_t()> surplus;
  // Gives freed memory back to the system.
  absl::AnyInvocable<void()> give_back;
  // Has the caches hold this part of what they may.
  absl::AnyInvocable<void(double share)> size_caches;
  // Looks at what came in, and from where.
  absl::AnyInvocable<void()> sample;
  // Cuts off who takes memory for nothing; returns how many.
  absl::AnyInvocable<size_t()> shed;
  // The last resort: cuts off whoever has most connections; returns how many.
  absl::AnyInvocable<size_t()> shed_host;
  // Ends readers that do not read, if others wait for the memory.
  absl::AnyInvocable<void()> evict;
  // Has nobody come in, or anybody again.
  absl::AnyInvocable<void(bool closed)> close;
};

// The budgets bound what the hub holds for its clients. Memory beside them is the allocator's, and
// gRPC's: of the latter, clients can make it take any amount, by headers without an end, streams
// that are reset at once, or messages that are never completed. So the guard goes by what the
// process really takes. As that nears the limit, caches shrink and freed memory is given back; near
// the end, the connections are cut off whose bytes became no request, and no new ones come in. If
// that does not help, those of the host that has most go.
//
// Decides without a thread or a clock of its own (Look), so that tests can.
class MemoryGuard {
 public:
  MemoryGuard(size_t limit, MemoryGuardActions actions)
      : limit_(limit), actions_(std::move(actions)) {}

  // One look, at a monotonic time; returns after how long to look again.
  absl::Duration Look(absl::Duration now);

 private:
  void SizeCaches(double share);
  void Close(bool closed);

  const size_t limit_;
  MemoryGuardActions actions_;
  double cache_share_ = 1;
  bool closed_ = false;
  absl::Duration last_sample_ = -absl::InfiniteDuration();
  absl::Duration last_give_back_ = -absl::InfiniteDuration();
  absl::Duration last_resort_ = -absl::InfiniteDuration();
};

// Memory of this process that is in no file: the kernel cannot take it away. Bytes.
size_t AnonymousBytes();
// Of that, what the allocator holds without use.
size_t AllocatorSurplus();

void GiveBackSurplus();

// Calls a guard from construction to destruction.
class MemoryGuardThread {
 public:
  explicit MemoryGuardThread(std::unique_ptr<MemoryGuard> guard);
  ~MemoryGuardThread();

 private:
  void Run();

  const std::unique_ptr<MemoryGuard> guard_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses what is above.
};

}  // namespace eventhub
