#include "server/link/link_manager.h"

#include <utility>
#include <vector>

namespace eventhub {

LinkManager::LinkManager(Links& links, client::TlsOptions tls, LinkReport report)
    : links_(links), tls_(std::move(tls)), report_(std::move(report)), thread_([this] { Run(); }) {}

void LinkManager::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  links_.catalog().NotifyChange();
  if (thread_.joinable()) thread_.join();
}

void LinkManager::Run() {
  uint64_t seen = 0;
  for (;;) {
    seen = links_.catalog().AwaitChange(seen);
    {
      MutexLock lock(mutex_);
      if (stopping_) break;
    }
    Update();
  }
  for (const auto& [name, worker] : workers_) worker->Stop();
  workers_.clear();
}

void LinkManager::Update() {
  // A link that was deleted and recreated under the same name is a different one.
  std::vector<std::unique_ptr<LinkWorker>> old;
  for (auto it = workers_.begin(); it != workers_.end();) {
    const std::shared_ptr<Link> link = links_.catalog().Find(it->first);
    if (link.get() == &it->second->link() && link->generation() == it->second->generation()) {
      ++it;
      continue;
    }
    it->second->Stop();
    old.push_back(std::move(it->second));
    it = workers_.erase(it);
  }
  old.clear();  // Waits for each worker.
  for (const std::shared_ptr<Link>& link : links_.catalog().List("", SIZE_MAX)) {
    if (!link->settings().disabled()) {
      std::unique_ptr<LinkWorker>& worker = workers_[link->name()];
      if (worker == nullptr) worker = std::make_unique<LinkWorker>(links_, link, tls_, report_);
    } else {
      link->monitor().SetState(v1::LinkStatus::STATE_DISABLED, "", links_.clock().Now());
    }
  }
}

}  // namespace eventhub
