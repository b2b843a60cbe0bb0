#include "server/core/admin/topics.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/core/admin/topic_changes.h"
#include "server/core/base/errors.h"
#include "server/core/base/field_checks.h"
#include "server/core/base/timestamps.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

v1::PartitionInfo Describe(const PartitionLog& log) {
  v1::PartitionInfo info;
  info.set_partition(log.id().value());
  const Offset start = log.start();  // Read before the end, which only grows.
  info.set_start_offset(start.value());
  const Offset history = log.history_start();
  if (history != Offset::Max()) info.set_history_start_offset(history.value());
  info.set_bytes(log.bytes());
  info.set_removed_events(log.removed_events());
  info.set_end_offset(log.end().value());
  if (log.end() > start) {
    *info.mutable_last_append_time() = TimestampOf(log.last_append_time());
  }
  return info;
}

void Add(const v1::TopicStats& stats, v1::TopicStats* sum) {
  sum->set_events(sum->events() + stats.events());
  sum->set_bytes(sum->bytes() + stats.bytes());
  sum->set_published_events(sum->published_events() + stats.published_events());
  sum->set_published_bytes(sum->published_bytes() + stats.published_bytes());
  sum->set_delivered_events(sum->delivered_events() + stats.delivered_events());
  sum->set_delivered_bytes(sum->delivered_bytes() + stats.delivered_bytes());
  sum->set_refused_requests(sum->refused_requests() + stats.refused_requests());
  sum->set_routed_events(sum->routed_events() + stats.routed_events());
  sum->set_unrouted_events(sum->unrouted_events() + stats.unrouted_events());
  sum->set_readers(sum->readers() + stats.readers());
  sum->set_duplicate_events(sum->duplicate_events() + stats.duplicate_events());
  sum->set_delayed_events(sum->delayed_events() + stats.delayed_events());
  sum->set_held_back_bytes(sum->held_back_bytes() + stats.held_back_bytes());
}

bool IsOpenLetters(const absl::Status& status) {
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  return detail.has_value() && detail->reason() == v1::ErrorDetail::REASON_OPEN_DEAD_LETTERS;
}

bool IsNotArchived(const absl::Status& status) {
  const std::optional<v1::ErrorDetail> detail = DetailOf(status);
  return detail.has_value() && detail->reason() == v1::ErrorDetail::REASON_NOT_ARCHIVED;
}

// Says why the events could not be archived.
absl::Status WithCause(const absl::Status& not_archived, const absl::Status& cause) {
  return WithMessage(not_archived, absl::StrCat(not_archived.message(), ": ", cause.message()));
}

}  // namespace

Topics::Topics(TopicStore& store, RouteTable& routes, Subscriptions& subscriptions,
               const Links& links, Archives* archives, LogWriter& writer, const Clock& clock,
               const AdminLog& admin_log, OnEmptied on_emptied)
    : store_(store),
      routes_(routes),
      subscriptions_(subscriptions),
      links_(links),
      archives_(archives),
      writer_(writer),
      clock_(clock),
      admin_log_(admin_log),
      on_emptied_(std::move(on_emptied)) {}

void Topics::Create(const Caller& caller, const v1::Topic& topic, TopicDone done) {
  absl::StatusOr<v1::Topic> settings = NewTopicSettings(topic, store_.limits(), clock_.Now());
  if (!settings.ok()) {
    std::move(done)(settings.status());
    return;
  }
  done = admin_log_.Noting(caller, absl::StrCat("created topic ", topic.name()), std::move(done));
  writer_.Submit(std::make_unique<CreateTopicTask>(store_, *std::move(settings), std::move(done)),
                 caller.flow());
}

void Topics::Update(const Caller& caller, const v1::UpdateTopicRequest& request, TopicDone done) {
  done = admin_log_.Noting(
      caller, UpdateNote("topic", request.topic().name(), request.update_mask()), std::move(done));
  UpdateOrArchive(caller, request, /*archive=*/true, std::move(done));
}

void Topics::UpdateOrArchive(const Caller& caller, const v1::UpdateTopicRequest& request,
                             bool archive, TopicDone done) {
  absl::StatusOr<std::shared_ptr<Topic>> topic =
      catalog().Require("topic.name", request.topic().name());
  if (!topic.ok()) {
    std::move(done)(topic.status());
    return;
  }
  writer_.Submit(std::make_unique<UpdateTopicTask>(
                     store_, subscriptions_.catalog(), *topic, request,
                     [this, topic = *topic, caller, request, archive,
                      done = std::move(done)](absl::StatusOr<v1::Topic> changed) mutable {
                       if (changed.ok() && changed->retention().none()) on_emptied_(topic->id());
                       if (!archive || !IsNotArchived(changed.status())) {
                         return std::move(done)(std::move(changed));
                       }
                       archives_->Flush(
                           topic, [this, caller, request, refused = changed.status(),
                                   done = std::move(done)](const absl::Status& archived) mutable {
                             if (!archived.ok())
                               return std::move(done)(WithCause(refused, archived));
                             UpdateOrArchive(caller, request, /*archive=*/false, std::move(done));
                           });
                     }),
                 caller.flow());
}

void Topics::Delete(const Caller& caller, const v1::DeleteTopicRequest& request, StatusDone done) {
  std::string note = absl::StrCat("deleted topic ", request.name());
  if (request.delete_subscriptions()) note += ", with its subscriptions";
  if (request.delete_routes()) note += ", with its routes";
  if (request.drop_unarchived()) note += ", archived or not";
  DeleteOrDiscard(caller, request, /*archive=*/true,
                  admin_log_.Noting(caller, std::move(note), std::move(done)));
}

void Topics::DeleteOrDiscard(const Caller& caller, const v1::DeleteTopicRequest& request,
                             bool archive, StatusDone done) {
  absl::StatusOr<std::shared_ptr<Topic>> topic = catalog().Require("name", request.name());
  if (!topic.ok()) {
    std::move(done)(topic.status());
    return;
  }
  writer_.Submit(std::make_unique<DeleteTopicTask>(
                     store_, routes_, subscriptions_.catalog(), links_.catalog(), *topic, request,
                     [this, topic = *topic, caller, request, archive,
                      done = std::move(done)](absl::Status status) mutable {
                       if (status.ok()) on_emptied_(topic->id());
                       if (archive && IsNotArchived(status)) {
                         return archives_->Flush(
                             topic, [this, caller, request, refused = status,
                                     done = std::move(done)](const absl::Status& archived) mutable {
                               if (!archived.ok()) {
                                 return std::move(done)(WithCause(refused, archived));
                               }
                               DeleteOrDiscard(caller, request, /*archive=*/false, std::move(done));
                             });
                       }
                       if (!request.discard_dead_letters() || !IsOpenLetters(status)) {
                         return std::move(done)(std::move(status));
                       }
                       // Nothing else prevents the deletion.
                       subscriptions_.dead_letters().DiscardIn(
                           caller, std::move(topic),
                           [this, caller, request, archive,
                            done = std::move(done)](const absl::Status& discarded) mutable {
                             if (!discarded.ok()) return std::move(done)(discarded);
                             DeleteOrDiscard(caller, request, archive, std::move(done));
                           });
                     }),
                 caller.flow());
}

absl::StatusOr<v1::GetTopicResponse> Topics::Get(const Caller& /*caller*/,
                                                 const std::string& name) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic, catalog().Require("name", name));
  v1::GetTopicResponse response;
  *response.mutable_topic() = *topic->view()->settings;
  *response.mutable_stats() = topic->Stats();
  if (std::string why = topic->held_back().why; !why.empty()) response.add_findings(std::move(why));
  if (archives_ == nullptr) return response;
  *response.mutable_archive() = archives_->Describe(topic);
  if (std::string finding = archives_->Finding(topic); !finding.empty()) {
    response.add_findings(std::move(finding));
  }
  return response;
}

absl::StatusOr<v1::ListTopicsResponse> Topics::List(const Caller& /*caller*/,
                                                    const v1::ListTopicsRequest& request) const {
  const size_t size = PageSize(request.page_size());
  const auto topics = store_.catalog().List(request.page_token(), size + 1);
  v1::ListTopicsResponse response;
  for (size_t i = 0; i < std::min(size, topics.size()); ++i) {
    *response.add_topics() = *topics[i]->view()->settings;
  }
  if (topics.size() > size) response.set_next_page_token(topics[size - 1]->name());
  return response;
}

absl::StatusOr<v1::ListPartitionsResponse> Topics::ListPartitions(
    const Caller& /*caller*/, const v1::ListPartitionsRequest& request) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic, catalog().Require("topic", request.topic()));
  const std::shared_ptr<const TopicView> view = topic->view();
  uint32_t first = 0;
  if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &first)) {
    return InvalidField("page_token", "was not returned by ListPartitions");
  }
  v1::ListPartitionsResponse response;
  const size_t last = std::min(first + PageSize(request.page_size()), view->partitions.size());
  const ArchiveHold& hold = topic->archive_hold();
  for (size_t p = first; p < last; ++p) {
    v1::PartitionInfo& info = *response.add_partitions();
    info = Describe(*view->partitions[p]);
    if (!hold.active()) continue;
    info.set_archived_offset(hold.ConfirmedTo(PartitionId(static_cast<uint32_t>(p))).value());
  }
  if (last < view->partitions.size()) response.set_next_page_token(absl::StrCat(last));
  return response;
}

absl::StatusOr<std::vector<std::string>> Topics::LetterHolders(const std::string& name) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Topic> topic, catalog().Require("name", name));
  ASSIGN_OR_RETURN(const SubscriptionCatalog::Subscriptions holders,
                   subscriptions_.dead_letters().Holders(*topic));
  std::vector<std::string> names;
  for (const std::shared_ptr<Subscription>& holder : holders) names.push_back(holder->name());
  return names;
}

void Topics::AddTo(v1::GetStatsResponse* stats) const {
  size_t partitions = 0;
  const auto topics = store_.catalog().List("", std::numeric_limits<size_t>::max());
  for (const std::shared_ptr<Topic>& topic : topics) {
    partitions += topic->view()->partitions.size();
    Add(topic->Stats(), stats->mutable_totals());
  }
  stats->set_topics(static_cast<uint32_t>(topics.size()));
  stats->set_partitions(static_cast<uint32_t>(partitions));
}

}  // namespace eventhub
