// Archives the topics of a hub in its lake, on threads of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/archive/archive_target.h"
#include "server/core/archive/archives.h"
#include "server/lake/archive/pacer.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Called when archiving a topic fails, with the reason, and when it succeeds again, with OK; on any
// thread.
using ArchiveReport = std::function<void(absl::string_view topic, const absl::Status& status)>;

struct ArchiverOptions {
  int threads = 2;
  // How often topics are looked at.
  absl::Duration look_interval = absl::Seconds(1);
  // What is read from topics, in all; 0: without limit. Encoded bytes per second.
  uint64_t bytes_per_second = 0;
  // After a failure, a topic waits for a time between half of this and this, which doubles with
  // each further failure up to the maximum.
  absl::Duration retry = absl::Seconds(2);
  absl::Duration max_retry = absl::Minutes(1);
  // Asks what the hub consists of; answers later, on any thread. Null: the lake is not told.
  std::function<void(absl::AnyInvocable<void(HubSettings)> done)> ask_settings{};
  // How often that is asked for; after topics were created or deleted, at once.
  absl::Duration settings_interval = absl::Minutes(1);
  ArchiveReport report = [](absl::string_view, const absl::Status&) {};
  // Called with what is to be said of the lake itself, when that changes; on any thread.
  std::function<void(const std::vector<std::string>& findings)> report_upkeep =
      [](const std::vector<std::string>&) {};
};

// Topics that are due take turns, one object at a time. A topic that fails does not stop others,
// as far as there are threads that do not wait for the lake.
//
// Thread-safe. Runs from construction to Interrupt().
class Archiver {
 public:
  // The arguments outlive this object.
  Archiver(Archives& archives, ArchiveTarget& lake, const Clock& clock, ArchiverOptions options);
  // Waits for the attempts in progress; the lake may make that take as long as one call of it. The
  // log's writer must run until then.
  ~Archiver();

  Archiver(const Archiver&) = delete;
  Archiver& operator=(const Archiver&) = delete;

  // Ends the attempts in progress soon, which continue after the next start, and begins no others.
  void Interrupt();

 private:
  // The answer to ask_settings, which may come after the archiver ended.
  struct AskedSettings {
    Mutex mutex;
    std::optional<HubSettings> answer ABSL_GUARDED_BY(mutex);
  };
  struct Failure {
    absl::Duration wait;      // Before the next attempt.
    absl::Duration retry_at;  // Monotonic.
    std::string reason;
  };

  void Run();
  // Returns the next topic that is due, null if the archiver stops. The topic is then busy.
  std::shared_ptr<TopicArchive> Next();
  // Tells the lake which topics are deleted, and what the hub consists of.
  void TellPresent();
  void TellSettings();
  // Takes over what the lake says of its upkeep.
  void TakeUpkeep();
  // Puts the topics that are due into the queue.
  void Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(const std::shared_ptr<TopicArchive>& archive, const absl::Status& status);

  Archives& archives_;
  ArchiveTarget& lake_;
  const Clock& clock_;
  const ArchiverOptions options_;
  Pacer pacer_;  // Of what is read.

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool looking_ ABSL_GUARDED_BY(mutex_) = false;
  bool flush_ ABSL_GUARDED_BY(mutex_) = false;  // A flush began: look now.
  absl::Duration look_at_ ABSL_GUARDED_BY(mutex_);
  // The topics that the lake was told of, by the thread that looks.
  Archives::Present told_;
  // Likewise.
  std::optional<HubSettings> told_settings_;
  std::shared_ptr<AskedSettings> asked_;  // Null: there is no question.
  absl::Duration ask_at_;                 // Monotonic.
  std::vector<std::string> findings_;     // Of the lake, as reported; by the same thread.
  std::deque<std::shared_ptr<TopicArchive>> queue_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<const TopicArchive*> busy_ ABSL_GUARDED_BY(mutex_);  // Or in the queue.
  absl::flat_hash_map<TopicId, Failure> failures_ ABSL_GUARDED_BY(mutex_);
  absl::BitGen random_ ABSL_GUARDED_BY(mutex_);

  std::vector<std::thread> threads_;  // Last: they use the members above.
};

}  // namespace eventhub
