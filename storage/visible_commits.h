// Tracks which commits are visible, as one number, so that a commit becomes visible in all its
// parts at once.
#pragma once

#include <atomic>
#include <cstdint>

namespace eventhub {

// Commits are numbered in the order in which they are made, and become visible in that order, each
// as a whole: a reader that sees one part of a commit sees all of it from then on. State kept
// outside the log becomes visible by the same number (CommitHook).
//
// Thread-safe, except where noted.
class VisibleCommits {
 public:
  VisibleCommits() = default;
  VisibleCommits(const VisibleCommits&) = delete;
  VisibleCommits& operator=(const VisibleCommits&) = delete;

  // The last visible commit.
  int64_t last() const { return last_.load(std::memory_order_acquire); }

  // The last commit whose changes the store may contain.
  int64_t written() const { return written_.load(std::memory_order_acquire); }

  // Commit thread only. Begin() returns the number of the next commit; NoteWriting() must be called
  // before that commit is written.
  int64_t Begin() { return ++begun_; }
  void NoteWriting(int64_t commit) { written_.store(commit, std::memory_order_release); }

  // Only for the thread that makes commits visible.
  void Advance(int64_t commit) { last_.store(commit, std::memory_order_release); }

 private:
  std::atomic<int64_t> last_{0};
  std::atomic<int64_t> written_{0};
  int64_t begun_ = 0;
};

// A number that commits change. A reader that sees a commit sees the number as of that commit;
// nobody sees it earlier. Two slots are enough, because a commit is staged only when the previous
// one is visible.
//
// Thread-safe, except where noted.
class VisibleNumber {
 public:
  explicit VisibleNumber(int64_t value = 0) : before_(value), staged_(value) {}
  VisibleNumber(const VisibleNumber&) = delete;
  VisibleNumber& operator=(const VisibleNumber&) = delete;

  int64_t Get(const VisibleCommits& commits) const {
    // The order of these loads matters; see Stage(). A value staged by a later commit must not be
    // mistaken for that of an earlier one.
    const int64_t staged = staged_.load(std::memory_order_acquire);
    if (staged_in_.load(std::memory_order_acquire) <= commits.last()) return staged;
    return before_.load(std::memory_order_acquire);
  }

  // Only for the thread that makes commits visible:

  // The value staged last.
  int64_t staged() const { return staged_.load(std::memory_order_relaxed); }
  // Sets the value as of `commit`. All changes of a commit must be staged before
  // VisibleCommits::Advance. If a number is staged twice in a commit, readers may see the first
  // value too.
  void Stage(int64_t value, int64_t commit) {
    if (staged_in_.load(std::memory_order_relaxed) != commit) {
      before_.store(staged(), std::memory_order_release);
    }
    // The commit is stored before its value: a reader that sees the value also sees that it belongs
    // to a later commit.
    staged_in_.store(commit, std::memory_order_release);
    staged_.store(value, std::memory_order_release);
  }

  // Call before the first reader, and before any commit changes the number.
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
