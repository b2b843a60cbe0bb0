#include "server/lake/archive/archiver.h"

#include <algorithm>
#include <utility>

namespace eventhub {

Archiver::Archiver(Archives& archives, ArchiveTarget& lake, const Clock& clock,
                   ArchiverOptions options)
    : archives_(archives),
      lake_(lake),
      clock_(clock),
      options_(std::move(options)),
      pacer_(clock_, options_.bytes_per_second, options_.look_interval) {
  {
    MutexLock lock(mutex_);
    look_at_ = clock_.Monotonic();
  }
  archives_.OnFlush([this] {
    MutexLock lock(mutex_);
    flush_ = true;
    changed_.NotifyAll();
  });
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
}

Archiver::~Archiver() {
  Interrupt();
  for (std::thread& thread : threads_) thread.join();
}

void Archiver::Interrupt() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  pacer_.Stop();
  archives_.Stop();
  lake_.Interrupt();
}

void Archiver::Run() {
  while (const std::shared_ptr<TopicArchive> archive = Next()) {
    Finish(archive,
           archives_.Advance(*archive, lake_, [this](size_t bytes) { return pacer_.Take(bytes); }));
  }
}

std::shared_ptr<TopicArchive> Archiver::Next() {
  MutexLock lock(mutex_);
  for (;;) {
    if (stopping_) return nullptr;
    if (!queue_.empty()) {
      std::shared_ptr<TopicArchive> next = std::move(queue_.front());
      queue_.pop_front();
      return next;
    }
    const absl::Duration now = clock_.Monotonic();
    if (!looking_ && (flush_ || now >= look_at_)) {
      Look();
    } else {
      const absl::Duration wait = looking_ ? options_.look_interval : look_at_ - now;
      changed_.WaitFor(mutex_, std::clamp(wait, absl::Milliseconds(1), options_.look_interval));
    }
  }
}

void Archiver::TellPresent() {
  Archives::Present present = archives_.PresentTopics();
  if (present.topics == told_.topics && present.upto == told_.upto) return;
  // If it fails, the next look tries again; what the lake lacks is reported with the topics.
  if (!lake_.KeepOnly(present.topics, present.upto).ok()) return;
  told_ = std::move(present);
  ask_at_ = absl::ZeroDuration();
}

void Archiver::TellSettings() {
  if (options_.ask_settings == nullptr) return;
  const absl::Duration now = clock_.Monotonic();
  if (asked_ == nullptr && now >= ask_at_) {
    ask_at_ = now + options_.settings_interval;
    asked_ = std::make_shared<AskedSettings>();
    options_.ask_settings([asked = asked_](HubSettings settings) {
      MutexLock lock(asked->mutex);
      asked->answer = std::move(settings);
    });
  }
  if (asked_ == nullptr) return;
  std::optional<HubSettings> settings;
  {
    MutexLock lock(asked_->mutex);
    settings = asked_->answer;
  }
  // This thread must not wait for it: what the hub is doing now may wait for the archive.
  if (!settings.has_value()) return;
  if (told_settings_ != settings) {
    if (!lake_.KeepSettings(*settings).ok()) return;
    told_settings_ = std::move(settings);
  }
  asked_ = nullptr;
}

void Archiver::TakeUpkeep() {
  LakeUpkeep upkeep = lake_.Upkeep();
  if (upkeep.findings != findings_) {
    findings_ = upkeep.findings;
    options_.report_upkeep(findings_);
  }
  archives_.NoteUpkeep(std::move(upkeep));
}

void Archiver::Look() {
  looking_ = true;
  flush_ = false;
  const absl::Duration now = clock_.Monotonic();
  look_at_ = now + options_.look_interval;
  mutex_.Unlock();
  std::vector<std::shared_ptr<TopicArchive>> due;
  absl::flat_hash_set<TopicId> topics;
  TellPresent();
  TellSettings();
  // If it fails, the next look tries again, and no object is listed that needs it.
  archives_.BringUrgentKeys(lake_).IgnoreError();
  TakeUpkeep();
  for (std::shared_ptr<TopicArchive>& archive : archives_.List()) {
    topics.insert(archive->topic()->id());
    if (archives_.Due(*archive)) due.push_back(std::move(archive));
  }
  mutex_.Lock();
  looking_ = false;
  absl::erase_if(failures_,
                 [&topics](const auto& failure) { return !topics.contains(failure.first); });
  for (std::shared_ptr<TopicArchive>& archive : due) {
    const auto failure = failures_.find(archive->topic()->id());
    const bool waits = failure != failures_.end() && failure->second.retry_at > now;
    // Somebody waits for a flush, and gets the failure.
    if (waits && !archive->flushing()) continue;
    if (busy_.insert(archive.get()).second) queue_.push_back(std::move(archive));
  }
  if (!queue_.empty()) changed_.NotifyAll();
}

void Archiver::Finish(const std::shared_ptr<TopicArchive>& archive, const absl::Status& status) {
  const TopicId topic = archive->topic()->id();
  const bool more = status.ok() && archives_.Due(*archive);
  bool report = false;
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
    busy_.erase(archive.get());
    if (status.ok()) {
      report = failures_.erase(topic) > 0;
      if (more && busy_.insert(archive.get()).second) queue_.push_back(archive);
    } else {
      Failure& failure = failures_[topic];
      report = failure.reason != status.message();
      failure.reason = std::string(status.message());
      failure.wait = failure.wait == absl::ZeroDuration()
                         ? options_.retry
                         : std::min(2 * failure.wait, options_.max_retry);
      failure.retry_at =
          clock_.Monotonic() + failure.wait * absl::Uniform<double>(random_, 0.5, 1.0);
    }
  }
  if (report) options_.report(archive->topic()->name(), status);
}

}  // namespace eventhub
