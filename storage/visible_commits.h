// Which commits can be seen: one number, so that a commit becomes visible in all its parts at once.
#pragma once

#include <atomic>
#include <cstdint>

namespace eventhub {

// Commits have numbers in the order in which they are made, and become visible in that order, with
// everything that they contain: whoever sees a part of one sees all of it from then on. What keeps
// state of its own beside the log goes by the same number (CommitHook).
//
// Thread-safe but for the members that say otherwise.
class VisibleCommits {
 public:
  VisibleCommits() = default;
  VisibleCommits(const VisibleCommits&) = delete;
  VisibleCommits& operator=(const VisibleCommits&) = delete;

  // The last commit that is visible.
  int64_t last() const { return last_.load(std::memory_order_acquire); }

  // The last commit whose changes the store may have.
  int64_t written() const { return written_.load(std::memory_order_acquire); }

  // Commit thread only: the number of the next commit; before the commit is written.
  int64_t Begin() { return ++begun_; }
  void NoteWriting(int64_t commit) { written_.store(commit, std::memory_order_release); }

  // The thread that makes commits visible, only.
  void Advance(int64_t commit) { last_.store(commit, std::memory_order_release); }

 private:
  std::atomic<int64_t> last_{0};
  std::atomic<int64_t> written_{0};
  int64_t begun_ = 0;
};

}  // namespace eventhub
