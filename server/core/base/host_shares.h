// A limit that the hosts of clients share.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "storage/base/mutex.h"

namespace eventhub {

// Limits an amount, such as bytes or streams. A host may hold at most as much as is left for all
// others: half of the limit if it is alone, a quarter if another holds half, and so on. So no host
// can take everything, whatever it does.
//
// Thread-safe. Outlives its accounts and parts.
class HostShares {
 public:
  // The amount that one host holds.
  class Account;
  // A held amount, until its destruction.
  class Part;

  explicit HostShares(size_t limit) : limit_(limit) {}
  HostShares(const HostShares&) = delete;
  HostShares& operator=(const HostShares&) = delete;

  // Returns the account of a host, which exists while it is referenced. `host`: see HostOf.
  std::shared_ptr<Account> Of(const std::string& host);

  // Takes an amount for a host; nullopt if the host may not have so much.
  std::optional<Part> Take(const std::string& host, size_t amount);

  // The amount that a host holds.
  struct Use {
    std::string host;
    size_t amount = 0;
  };
  // The host that holds the most; nullopt if none holds anything.
  std::optional<Use> Largest() const;

  size_t limit() const { return limit_; }
  size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  // The amount that a host that holds `has` may take in addition.
  size_t Left(size_t has) const;

  const size_t limit_;
  std::atomic<size_t> used_{0};
  mutable Mutex mutex_;
  absl::flat_hash_map<std::string, std::weak_ptr<Account>> accounts_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe; takes no lock.
class HostShares::Account {
 public:
  Account(HostShares& shares, std::string host) : shares_(shares), host_(std::move(host)) {}
  ~Account();
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  // Adds `amount`; returns false, with nothing added, if the host may not have so much more.
  bool Take(size_t amount);
  // Adds `amount` in any case, for amounts that exist already.
  void Add(size_t amount);
  void Release(size_t amount);

  size_t used() const { return used_.load(std::memory_order_relaxed); }
  // The amount that the host may take in addition.
  size_t left() const { return shares_.Left(used()); }

 private:
  HostShares& shares_;
  const std::string host_;
  std::atomic<size_t> used_{0};
};

class HostShares::Part {
 public:
  Part(Part&& other) noexcept = default;
  Part& operator=(Part&& other) noexcept {
    std::swap(account_, other.account_);
    std::swap(amount_, other.amount_);
    return *this;
  }
  ~Part() {
    if (account_ != nullptr) account_->Release(amount_);
  }

 private:
  friend class HostShares;
  Part(std::shared_ptr<Account> account, size_t amount)
      : account_(std::move(account)), amount_(amount) {}

  std::shared_ptr<Account> account_;  // Null: moved from.
  size_t amount_;
};

}  // namespace eventhub
