#include "server/core/base/host_shares.h"

#include <algorithm>
#include <vector>

namespace eventhub {

std::shared_ptr<HostShares::Account> HostShares::Of(const std::string& host) {
  MutexLock lock(mutex_);
  std::weak_ptr<Account>& known = accounts_[host];
  std::shared_ptr<Account> account = known.lock();
  if (account == nullptr) {
    account = std::make_shared<Account>(*this, host);
    known = account;
  }
  return account;
}

std::optional<HostShares::Part> HostShares::Take(const std::string& host, size_t amount) {
  std::shared_ptr<Account> account = Of(host);
  if (!account->Take(amount)) return std::nullopt;
  return Part(std::move(account), amount);
}

std::optional<HostShares::Use> HostShares::Largest() const {
  // Released without the lock: the last reference to an account takes it.
  std::vector<std::shared_ptr<Account>> kept;
  std::optional<Use> largest;
  MutexLock lock(mutex_);
  for (const auto& [host, known] : accounts_) {
    std::shared_ptr<Account> account = known.lock();
    if (account == nullptr) continue;
    const size_t amount = account->used();
    if (amount > (largest.has_value() ? largest->amount : 0)) largest = Use{host, amount};
    kept.push_back(std::move(account));
  }
  return largest;
}

size_t HostShares::Left(size_t has) const {
  const size_t free = limit_ - std::min(used(), limit_);
  // A host that holds nothing may take all that is left: the limit may be smaller than two amounts.
  if (has == 0) return free;
  return free > has ? (free - has) / 2 : 0;
}

HostShares::Account::~Account() {
  MutexLock lock(shares_.mutex_);
  const auto it = shares_.accounts_.find(host_);
  // The host may have a new account since the last reference to this one was dropped.
  if (it != shares_.accounts_.end() && it->second.expired()) shares_.accounts_.erase(it);
}

bool HostShares::Account::Take(size_t amount) {
  const size_t has = used_.fetch_add(amount, std::memory_order_relaxed) + amount;
  size_t used = shares_.used_.load(std::memory_order_relaxed);
  do {
    const size_t free = shares_.limit_ - std::min(used, shares_.limit_);
    const bool first = has == amount;
    if (amount > free || (!first && has > free - amount)) {
      used_.fetch_sub(amount, std::memory_order_relaxed);
      return false;
    }
  } while (!shares_.used_.compare_exchange_weak(used, used + amount, std::memory_order_relaxed));
  return true;
}

void HostShares::Account::Add(size_t amount) {
  used_.fetch_add(amount, std::memory_order_relaxed);
  shares_.used_.fetch_add(amount, std::memory_order_relaxed);
}

void HostShares::Account::Release(size_t amount) {
  used_.fetch_sub(amount, std::memory_order_relaxed);
  shares_.used_.fetch_sub(amount, std::memory_order_relaxed);
}

}  // namespace eventhub
