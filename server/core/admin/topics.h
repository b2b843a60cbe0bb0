// The facade of topics: what AdminService and topologies call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/admin.pb.h"
#include "server/core/archive/archives.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
#include "server/core/link/links.h"
#include "server/core/route/route_table.h"
#include "server/core/subscription/subscriptions.h"
#include "server/core/topic/topic_store.h"
#include "server/core/topic/topic_tasks.h"
#include "storage/base/clock.h"
#include "storage/log_writer.h"

namespace eventhub {

// Thread-safe. The topic methods of AdminService, with the same names and errors. `done` is called
// once the change is durable and visible, or refused; possibly before the call returns.
class Topics {
 public:
  // Called with topics whose events were all dropped at once, so that their space can be reclaimed.
  using OnEmptied = absl::AnyInvocable<void(TopicId)>;

  // The arguments outlive this object and everything that it submitted. `archives`: null if the hub
  // has no lake.
  Topics(TopicStore& store, RouteTable& routes, Subscriptions& subscriptions, const Links& links,
         Archives* archives, LogWriter& writer, const Clock& clock, const AdminLog& admin_log,
         OnEmptied on_emptied);

  void Create(const Caller& caller, const v1::Topic& topic, TopicDone done);
  void Update(const Caller& caller, const v1::UpdateTopicRequest& request, TopicDone done);
  // May be interrupted while it discards dead letters.
  void Delete(const Caller& caller, const v1::DeleteTopicRequest& request, StatusDone done);
  absl::StatusOr<v1::GetTopicResponse> Get(const Caller& caller, const std::string& name) const;
  absl::StatusOr<v1::ListTopicsResponse> List(const Caller& caller,
                                              const v1::ListTopicsRequest& request) const;
  absl::StatusOr<v1::ListPartitionsResponse> ListPartitions(
      const Caller& caller, const v1::ListPartitionsRequest& request) const;

  // Returns the names of the subscriptions that need events of the topic for open dead letters, or
  // for redriven ones that are not settled. Reads the disk. NOT_FOUND.
  absl::StatusOr<std::vector<std::string>> LetterHolders(const std::string& name) const;

  const TopicCatalog& catalog() const { return store_.catalog(); }
  const TopicLimits& limits() const { return store_.limits(); }

  // Adds the topics, their partitions, and the sums of their counters.
  void AddTo(v1::GetStatsResponse* stats) const;

 private:
  // `archive`: whether the topic's events are to be archived first, if they are not.
  void UpdateOrArchive(const Caller& caller, const v1::UpdateTopicRequest& request, bool archive,
                       TopicDone done);
  void DeleteOrDiscard(const Caller& caller, const v1::DeleteTopicRequest& request, bool archive,
                       StatusDone done);

  TopicStore& store_;
  RouteTable& routes_;
  Subscriptions& subscriptions_;
  const Links& links_;
  Archives* const archives_;
  LogWriter& writer_;
  const Clock& clock_;
  const AdminLog& admin_log_;
  OnEmptied on_emptied_;
};

}  // namespace eventhub
