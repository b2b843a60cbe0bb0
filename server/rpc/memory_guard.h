// Keeps the process within its memory limit, including memory that the budgets do not count or
// count too late.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace eventhub {

// From this part of the limit on, connections that send no requests are cut off, and new ones are
// refused, except for a few.
inline constexpr double kCriticalPart = 0.7;

// The guard's inputs and actions.
struct MemoryGuardActions {
  // The memory of the process that the kernel cannot reclaim. Bytes.
  absl::AnyInvocable<size_t()> used;
  // The part of it that the program did not allocate, or freed. Bytes. Takes some milliseconds.
  absl::AnyInvocable<size_t()> surplus;
  // Returns freed memory to the system.
  absl::AnyInvocable<void()> give_back;
  // Limits the caches to this part of their configured sizes.
  absl::AnyInvocable<void(double share)> size_caches;
  // Measures the bytes received per connection.
  absl::AnyInvocable<void()> sample;
  // Cuts off connections that take memory without sending requests; returns their number.
  absl::AnyInvocable<size_t()> shed;
  // The last resort: cuts off all connections of the host with the most; returns their number.
  absl::AnyInvocable<size_t()> shed_host;
  // Ends readers that do not read, if others wait for memory.
  absl::AnyInvocable<void()> evict;
  // Refuses new connections except for a few, or admits all of them again.
  absl::AnyInvocable<void(bool closed)> close;
  // Tells the operator about the same; called once for a state that comes and goes. `used`: as
  // above.
  absl::AnyInvocable<void(bool closed, size_t used)> report;
};

// The budgets bound the memory that the hub holds for its clients. The rest is the allocator's and
// gRPC's. Clients can make gRPC take any amount: by endless headers, streams that are reset at
// once, or messages that are never completed. So the guard watches the actual memory of the
// process. As it nears the limit, caches shrink and freed memory is returned; near the end,
// connections whose bytes became no request are cut off, and new ones are admitted one by one, so
// that an operator can find out what holds the memory, and release it. If that does not help, all
// connections of the host with the most are cut off.
//
// Decides without a thread or a clock of its own (Look), so that tests can drive it.
class MemoryGuard {
 public:
  MemoryGuard(size_t limit, MemoryGuardActions actions)
      : limit_(limit), actions_(std::move(actions)) {}

  // Takes one look, at a monotonic time; returns the time until the next look.
  absl::Duration Look(absl::Duration now);

 private:
  void SizeCaches(double share);
  void Close(bool closed, size_t used, absl::Duration now);

  const size_t limit_;
  MemoryGuardActions actions_;
  double cache_share_ = 1;
  bool closed_ = false;
  bool reported_closed_ = false;
  absl::Duration last_closed_ = -absl::InfiniteDuration();
  absl::Duration last_sample_ = -absl::InfiniteDuration();
  absl::Duration last_give_back_ = -absl::InfiniteDuration();
  absl::Duration last_resort_ = -absl::InfiniteDuration();
};

// Runs a guard from construction to destruction.
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
  std::thread thread_;  // Last: it uses the members above.
};

}  // namespace eventhub
