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

// A number that commits change: who sees a commit sees the number that it left, and nobody sees it
// before. It has two places, for a commit is staged only when the one before is visible.
//
// Thread-safe but for the members that say otherwise.
class VisibleNumber {
 public:
  explicit VisibleNumber(int64_t value = 0) : before_(value), staged_(value) {}
  VisibleNumber(const VisibleNumber&) = delete;
  VisibleNumber& operator=(const VisibleNumber&) = delete;

  int64_t Get(const VisibleCommits& commits) const {
    // In this order, see Stage: what is staged with a later commit is not taken for what an earlier
    // one left.
    const int64_t staged = staged_.load(std::memory_order_acquire);
    if (staged_in_.load(std::memory_order_acquire) <= commits.last()) return staged;
    return before_.load(std::memory_order_acquire);
  }

  // The thread that makes commits visible, only.

  // What was staged last.
  int64_t staged() const { return staged_.load(std::memory_order_relaxed); }
  // What there is from `commit` on. All that a commit changes is staged before
  // VisibleCommits::Advance; of a number that is staged twice, the first value may be seen, too.
  void Stage(int64_t value, int64_t commit) {
    if (staged_in_.load(std::memory_order_relaxed) != commit) {
      before_.store(staged(), std::memory_order_release);
    }
    // The commit before its value: who sees the value sees that the commit is a later one.
    staged_in_.store(commit, std::memory_order_release);
    staged_.store(value, std::memory_order_release);
  }

  // Before anybody looks, and no commit has changed it.
  void Load(int64_t value) {
    before_.store(value, std::memory_order_release);
    staged_.store(value, std::memory_order_release);
  }

 private:
  std::atomic<int64_t> before_;
  std::atomic<int64_t> staged_;
  std::atomic<int64_t> staged_in_{0};
};

}  // namespace eventhub
