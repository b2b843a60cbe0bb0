// The facade of erasure: ErasureService, without the network.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/erasure.pb.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
#include "server/core/erasure/key_ring.h"
#include "server/core/publish/delayed_table.h"
#include "server/core/publish/topic_append.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/base/work_pool.h"
#include "storage/log_store.h"
#include "storage/log_writer.h"

namespace eventhub {

// Each erasure is published, in the commit that carries it out.
struct ErasureFacts {
  std::string topic{};   // Empty: none is.
  std::string source{};  // Of the events.
};

template <typename Response>
using ErasureDone = absl::AnyInvocable<void(absl::StatusOr<Response>) &&>;

// Thread-safe. Changes run one after another on a thread of this object, which waits for commits
// and for the disk.
class Erasures {
 public:
  // The references outlive this object.
  Erasures(KeyRing& keys, LogStore& store, LogWriter& writer, const TopicCatalog& topics,
           DelayedTable& delayed, const AdminLog& admin_log, ErasureFacts facts)
      : keys_(keys),
        store_(store),
        writer_(writer),
        topics_(topics),
        delayed_(delayed),
        admin_log_(admin_log),
        facts_(std::move(facts)) {}

  // The keys are also in a lake: `bring` brings their changes there, and may block. Called once,
  // before the first call.
  void SetLake(std::function<absl::Status()> bring) { bring_ = std::move(bring); }

  // Finishes the calls submitted so far. No call may follow.
  void Stop() { pool_.Stop(); }

  // See ErasureService.
  void Erase(const Caller& caller, const v1::EraseSubjectRequest& request,
             ErasureDone<v1::EraseSubjectResponse> done);
  void Rewrap(const Caller& caller, ErasureDone<v1::RewrapKeysResponse> done);

  // Reads the disk.
  absl::StatusOr<v1::ListErasuresResponse> List(const Caller& caller,
                                                const v1::ListErasuresRequest& request) const;

 private:
  absl::StatusOr<v1::EraseSubjectResponse> EraseNow(const Caller& caller,
                                                    const std::string& subject);
  // The event that says so; null if there is no topic for it.
  absl::StatusOr<std::unique_ptr<TopicAppend>> FactOf(const std::string& subject,
                                                      const std::string& subject_hash) const;
  absl::StatusOr<v1::RewrapKeysResponse> RewrapNow(const Caller& caller);

  KeyRing& keys_;
  LogStore& store_;
  LogWriter& writer_;
  const TopicCatalog& topics_;
  DelayedTable& delayed_;
  const AdminLog& admin_log_;
  const ErasureFacts facts_;
  std::function<absl::Status()> bring_ = [] { return absl::OkStatus(); };
  WorkPool pool_{1};  // Last: its thread uses the members above.
};

}  // namespace eventhub
