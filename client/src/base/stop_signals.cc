#include "client/src/base/stop_signals.h"

#include <semaphore.h>
#include <signal.h>

#include <cerrno>
#include <cstddef>
#include <iterator>
#include <set>
#include <thread>
#include <utility>

#include "storage/base/mutex.h"

namespace eventhub::client {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};
constexpr int kMostCalls = 2;

// Posted by the handler: one of the few things that a signal handler may do.
sem_t signalled;

void Post(int) {
  const int saved = errno;
  sem_post(&signalled);
  errno = saved;
}

}  // namespace

// Shared by all objects of the process. Its thread and its handlers exist while there are objects.
class StopSignals::Watch {
 public:
  // Never destroyed: a signal may come at any time.
  static Watch& Get() {
    static Watch& watch = *new Watch;
    return watch;
  }

  void Add(StopSignals* object) {
    const MutexLock change(changing_);
    bool first = false;
    {
      MutexLock lock(mutex_);
      first = objects_.empty();
      objects_.insert(object);
    }
    if (first) Start();
  }

  void Remove(StopSignals* object) {
    const MutexLock change(changing_);
    bool last = false;
    {
      MutexLock lock(mutex_);
      objects_.erase(object);
      last = objects_.empty();
    }
    if (last) Stop();
  }

 private:
  Watch() { sem_init(&signalled, /*pshared=*/0, /*value=*/0); }

  void Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_) {
    {
      MutexLock lock(mutex_);
      for (size_t i = 0; i < std::size(kSignals); ++i) Install(i);
    }
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(changing_) {
    {
      MutexLock lock(mutex_);
      Restore();
    }
    sem_post(&signalled);  // The thread finds no objects.
    thread_.join();
    while (sem_trywait(&signalled) == 0) {  // Signals without a call.
    }
  }

  void Install(size_t i) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    struct sigaction action = {};
    action.sa_handler = Post;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_IGN) return;
    sigaction(kSignals[i], &action, nullptr);
    installed_ = true;
  }

  void Restore() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!std::exchange(installed_, false)) return;
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }

  void Run() {
    sigset_t signals;  // The program may block them in its own threads.
    sigemptyset(&signals);
    for (const int number : kSignals) sigaddset(&signals, number);
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    for (;;) {
      while (sem_wait(&signalled) != 0) {  // Interrupted by another signal.
      }
      // Held during the calls, so that Remove waits for them.
      MutexLock lock(mutex_);
      if (objects_.empty()) return;
      bool spent = true;
      for (StopSignals* const object : objects_) {
        if (object->count_ < kMostCalls) object->on_signal_(++object->count_);
        spent = spent && object->count_ == kMostCalls;
      }
      if (spent) Restore();
    }
  }

  Mutex changing_;  // Before mutex_: one thread at a time starts and stops.
  std::thread thread_ ABSL_GUARDED_BY(changing_);
  Mutex mutex_;
  std::set<StopSignals*> objects_ ABSL_GUARDED_BY(mutex_);
  struct sigaction before_[std::size(kSignals)] ABSL_GUARDED_BY(mutex_) = {};
  bool installed_ ABSL_GUARDED_BY(mutex_) = false;
};

StopSignals::StopSignals(std::function<void(int count)> on_signal)
    : on_signal_(std::move(on_signal)) {
  Watch::Get().Add(this);
}

StopSignals::~StopSignals() { Watch::Get().Remove(this); }

}  // namespace eventhub::client
