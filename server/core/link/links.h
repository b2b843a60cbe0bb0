// The hub's links: the operations of LinkService, without the network, and the appending side of
// the links' readers (server/link).
#pragma once

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/v1/link.pb.h"
#include "server/core/base/admin_log.h"
#include "server/core/base/caller.h"
#include "server/core/base/memory_meter.h"
#include "server/core/link/link_catalog.h"
#include "server/core/link/link_changes.h"
#include "server/core/link/link_step.h"
#include "server/core/topic/topic_catalog.h"
#include "storage/base/clock.h"
#include "storage/log_writer.h"

namespace eventhub {

// Thread-safe. Methods that take a callback call it exactly once, possibly before they return.
// Errors as in link.proto.
class Links {
 public:
  // The arguments outlive this object. `writable` returns why publishing is currently refused.
  Links(LogWriter& writer, const Clock& clock, const TopicCatalog& topics, DelayedTable& delayed,
        const AdminLog& admin_log, MemoryMeter& memory, std::string hub_id,
        absl::AnyInvocable<absl::Status() const> writable);

  // Reads all links from the store. Called once, before anything else.
  absl::Status Load(const LogStore& store);

  void Create(const Caller& caller, const v1::CreateLinkRequest& request, LinkDone done);
  void Update(const Caller& caller, const v1::UpdateLinkRequest& request, LinkDone done);
  void Delete(const Caller& caller, const std::string& name, StatusDone done);
  absl::StatusOr<v1::GetLinkResponse> Get(const Caller& caller, const std::string& name) const;
  absl::StatusOr<v1::ListLinksResponse> List(const Caller& caller,
                                             const v1::ListLinksRequest& request) const;

  // Advances a link. The steps of a link are done in the order of submission. After a refused step,
  // the steps submitted to follow it are refused too, since the link is not where they begin.
  void Submit(const Caller& caller, LinkStep step, LinkStepDone done);

  LinkCatalog& catalog() { return catalog_; }
  const LinkCatalog& catalog() const { return catalog_; }
  const Clock& clock() const { return clock_; }
  // For what links have received and not yet committed.
  MemoryMeter& memory() const { return memory_; }
  // The id of this hub.
  const std::string& hub_id() const { return hub_id_; }

 private:
  absl::StatusOr<std::shared_ptr<Link>> FindLink(absl::string_view field,
                                                 absl::string_view name) const;

  LogWriter& writer_;
  const Clock& clock_;
  const TopicCatalog& topics_;
  DelayedTable& delayed_;
  const AdminLog& admin_log_;
  MemoryMeter& memory_;
  const std::string hub_id_;
  const absl::AnyInvocable<absl::Status() const> writable_;
  LinkCatalog catalog_;
};

}  // namespace eventhub
