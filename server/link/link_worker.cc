#include "server/link/link_worker.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "eventhub/error.h"
#include "server/core/base/timestamps.h"
#include "server/core/publish/topic_append.h"
#include "server/core/topic/start_position.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

// A step is submitted when it has this many bytes with its copies by routes, or when the remote hub
// has no more events for now.
constexpr size_t kStepBytes = size_t{512} << 10;
// How far reading may be ahead of the commits, likewise; and how much is received before it is
// read. Less if links have little memory left.
constexpr size_t kMaxSubmittedBytes = size_t{4} << 20;
constexpr size_t kMaxBufferedBytes = size_t{4} << 20;
// One step and this much may always be taken.
constexpr size_t kMinBytes = size_t{64} << 10;
// Responses can be limited to this size, at least.
constexpr size_t kMinResponseBytes = 4096;
// The overhead of a step, and of each of its moves.
constexpr size_t kMoveBytes = 128;

// How often positions advance past events that the filter leaves out, and how often the lag is
// requested.
constexpr absl::Duration kPassedInterval = absl::Seconds(1);
constexpr absl::Duration kLagInterval = absl::Seconds(5);

// For calls about the topic.
constexpr absl::Duration kCallTimeout = absl::Seconds(3);
constexpr absl::Duration kFirstRetry = absl::Milliseconds(100);
constexpr absl::Duration kLastRetry = absl::Seconds(3);

client::StartPosition ToClient(const v1::StartPosition& start) {
  switch (start.position_case()) {
    case v1::StartPosition::kLatest:
      return client::StartPosition::Latest();
    case v1::StartPosition::kOffset:
      return client::StartPosition::Offset(start.offset());
    case v1::StartPosition::kTimestamp:
      return client::StartPosition::Timestamp(ToTime(start.timestamp()));
    case v1::StartPosition::kRetained:
      return client::StartPosition::Retained();
    default:
      return client::StartPosition::Earliest();
  }
}

size_t BufferBytes(const MemoryMeter& memory) {
  return std::clamp(memory.Allowance(), kMinBytes, kMaxBufferedBytes);
}

client::ConnectionOptions ConnectionOf(const v1::Link& settings, const client::TlsOptions& tls,
                                       size_t buffer_bytes) {
  client::ConnectionOptions options;
  options.stream_buffer_bytes = buffer_bytes;
  options.user_agent = "eventhub-link";
  if (settings.tls()) options.tls = tls;
  return options;
}

// Whether it is not an answer of the remote hub, such as that it lacks the topic or cannot be
// linked.
bool IsConnectionFailure(const absl::Status& status) {
  return !absl::IsNotFound(status) && !absl::IsFailedPrecondition(status);
}

}  // namespace

LinkWorker::LinkWorker(Links& links, std::shared_ptr<Link> link, const client::TlsOptions& tls,
                       LinkReport& report)
    : links_(links),
      link_(std::move(link)),
      generation_(link_->generation()),
      settings_(link_->settings()),
      caller_(Caller::Internal(absl::StrCat("link ", link_->name()))),
      report_(report),
      buffer_bytes_(BufferBytes(links_.memory())),
      buffer_(links_.memory().ForceTake(buffer_bytes_)),
      connection_(
          client::Connect(settings_.remote_address(), ConnectionOf(settings_, tls, buffer_bytes_))),
      admin_(connection_, {.timeout = kCallTimeout}),
      thread_([this] { Run(); }) {}

LinkWorker::~LinkWorker() {
  Stop();
  thread_.join();
}

void LinkWorker::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    if (reader_ != nullptr) reader_->Cancel();
    changed_.NotifyAll();
  }
  connection_->CancelCalls();
}

void LinkWorker::Run() {
  link_->monitor().SetState(v1::LinkStatus::STATE_CONNECTING, "", links_.clock().Now());
  do {
    const absl::Status broken = RunRound();
    const absl::Status refused = AwaitSubmitted();
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
    }
    if (absl::IsAborted(refused)) {
      MutexLock lock(mutex_);  // The link was changed, or moved elsewhere: start again from there.
      attempts_ = std::max(attempts_, 1);
    } else if (!refused.ok()) {
      ReportFailure(v1::LinkStatus::STATE_BLOCKED, refused);
      AskLag();  // The lag keeps growing.
    } else if (!broken.ok()) {
      if (IsConnectionFailure(broken)) link_->monitor().AddFailure();
      ReportFailure(v1::LinkStatus::STATE_CONNECTING, broken);
    } else {
      MutexLock lock(mutex_);
      attempts_ = 0;
    }
  } while (WaitToRetry());
}

absl::Status LinkWorker::RunRound() {
  LinkOrigin origin;
  RETURN_IF_ERROR(VerifyRemote(&origin));
  const LinkState state = link_->state();
  path_.emplace(origin.hub_id, links_.hub_id());
  started_ = state.record.started();
  positions_.clear();
  client::ReaderOptions options;
  options.topic = settings_.remote_topic();
  options.start = started_ ? client::StartPosition::Earliest() : ToClient(settings_.start());
  for (const auto& [partition, position] : state.positions) {
    positions_[partition] = position.next_offset;
    options.offsets.push_back({partition, position.next_offset, position.run});
  }
  options.follow = true;
  step_limit_ = std::min(kStepBytes, buffer_bytes_);
  step_bytes_ = PieceOf(step_limit_, *link_->topic());
  // Otherwise a response with its copies could be larger than a step.
  options.max_response_bytes = static_cast<uint32_t>(std::max(step_bytes_, kMinResponseBytes));
  options.filter =
      client::Filter(path_->RemoteFilter(settings_.has_filter() ? &settings_.filter() : nullptr));
  // The link's position advances even while no event passes the filter.
  options.report_passed = true;
  // A new connection may lead to a different topic, which the next round verifies.
  options.reconnect_deadline = absl::ZeroDuration();
  ASSIGN_OR_RETURN(const std::unique_ptr<client::Reader> reader,
                   client::Reader::Create(connection_, std::move(options)));
  {
    MutexLock lock(mutex_);
    if (stopping_) return absl::OkStatus();
    reader_ = reader.get();
    caught_up_ = false;
  }
  const absl::Status status = Follow(*reader);
  MutexLock lock(mutex_);
  reader_ = nullptr;
  return status;
}

absl::Status LinkWorker::VerifyRemote(LinkOrigin* origin) {
  ASSIGN_OR_RETURN(const client::HubStats hub, admin_.GetStats());
  if (hub.hub_id.empty()) {
    return absl::FailedPreconditionError("the remote hub has no id, so it does not support links");
  }
  link_->monitor().SetRemoteHub(hub.hub_id);
  if (hub.hub_id == links_.hub_id()) {
    return absl::FailedPreconditionError(
        absl::StrCat(settings_.remote_address(), " is this hub itself; use a route instead"));
  }
  const absl::StatusOr<client::TopicDescription> topic = admin_.GetTopic(settings_.remote_topic());
  if (absl::IsNotFound(topic.status())) {
    return absl::NotFoundError(absl::StrCat("the remote hub, ", hub.hub_id, " at ",
                                            settings_.remote_address(), ", has no topic ",
                                            settings_.remote_topic()));
  }
  RETURN_IF_ERROR(topic.status());
  remote_partitions_ = topic->topic.partitions;
  remote_removes_events_ = topic->topic.latest_per_key.has_value();
  origin->hub_id = hub.hub_id;
  origin->topic_micros = absl::ToUnixMicros(topic->topic.create_time);
  const LinkOrigin known = link_->state().origin();
  if (known == *origin) return absl::OkStatus();
  LinkStep step = NewStep();
  step.origin = *origin;
  Submit(std::move(step), /*caught_up=*/false);
  {
    MutexLock lock(mutex_);
    while (submitted_ > 0) changed_.Wait(mutex_);
    // Run() reports the reason; here the round just cannot continue.
    if (!refused_.ok())
      return absl::CancelledError("the link could not be attached to its remote topic");
  }
  if (!known.hub_id.empty()) {
    report_(link_->name(), absl::DataLossError(absl::StrCat(
                               "topic ", settings_.remote_topic(), " of hub ", origin->hub_id,
                               " is not the topic that was read before; the link reads it"
                               " from its beginning")));
  }
  return absl::OkStatus();
}

absl::Status LinkWorker::Follow(client::Reader& reader) {
  const Clock& clock = links_.clock();
  absl::Duration passed_at = clock.Monotonic();
  absl::Duration lag_at = clock.Monotonic();
  bool at_head = false;  // As last reported by the remote hub.
  for (;;) {
    LinkStep step = NewStep();
    max_event_bytes_ = link_->topic()->view()->settings->max_event_bytes();
    size_t bytes = 0;
    bool caught_up = false;  // As of this step.
    bool grown = false;
    absl::StatusOr<client::EventBatch> batch = reader.Next(kPassedInterval);
    while (batch.ok()) {
      grown = !AddBatch(reader, *batch, &step);
      if (grown) break;
      caught_up = batch->caught_up();
      at_head = caught_up;
      bytes += batch->bytes() + batch->size() * kMoveBytes;
      if (bytes >= step_bytes_ || caught_up) break;
      batch = reader.Next(absl::ZeroDuration());
    }
    const bool ended = !batch.ok() && !absl::IsDeadlineExceeded(batch.status());
    if (!grown && !ended && (!started_ || clock.Monotonic() >= passed_at)) {
      passed_at = clock.Monotonic() + kPassedInterval;
      AddPassed(reader, &step);
    }
    if (!step.moves.empty() || caught_up) Submit(std::move(step), at_head);
    const bool rerouted = PieceOf(step_limit_, *link_->topic()) != step_bytes_;
    if (interrupted() || grown || rerouted) return absl::OkStatus();
    if (ended) {
      if (client::GetErrorReason(batch.status()) == client::ErrorReason::kOtherLog) {
        return RewindToAgreedOffset(batch.status());
      }
      return absl::IsOutOfRange(batch.status()) ? LeaveOutOfRange(batch.status()) : batch.status();
    }
    if (!caught_up && clock.Monotonic() >= lag_at) {
      AskLag();
      lag_at = clock.Monotonic() + kLagInterval;
    }
  }
}

bool LinkWorker::AddBatch(const client::Reader& reader, const client::EventBatch& batch,
                          LinkStep* step) {
  if (batch.empty()) return true;
  const uint32_t partition = batch.partition();
  if (partition >= remote_partitions_) return false;
  LinkMove move;
  move.partition = partition;
  move.to = batch.last_offset() + 1;
  move.run = batch.run();
  const auto position = positions_.find(partition);
  if (position != positions_.end()) move.from = position->second;
  step->progress.looped_events += CountLoopedEvents(reader, partition, move.to, batch.size());
  positions_[partition] = move.to;
  std::string events;
  events.reserve(batch.bytes() + batch.size() * kMoveBytes);
  for (const client::ReceivedEvent& event : batch) {
    const absl::string_view bytes(event.bytes().data(), event.bytes().size());
    switch (path_->Add(bytes, max_event_bytes_, &events)) {
      case HubPathOutcome::kAdded:
        break;
      case HubPathOutcome::kLooped:
        ++step->progress.looped_events;
        break;
      case HubPathOutcome::kTooLarge:
        ++move.refused_events;
        break;
    }
  }
  move.events = SharedBytes::Own(std::move(events));
  step->progress.append_time = std::max(step->progress.append_time, batch.append_time());
  step->moves.push_back(std::move(move));
  return true;
}

void LinkWorker::AddPassed(const client::Reader& reader, LinkStep* step) {
  const std::vector<client::PartitionOffset> reached = reader.positions();
  // Before the first response the reader only knows the offsets that it was given.
  if (reached.size() < remote_partitions_) return;
  for (const client::PartitionOffset& at : reached) {
    const auto position = positions_.find(at.partition);
    LinkMove move;
    move.partition = at.partition;
    move.to = at.offset;
    move.run = at.run;
    if (position != positions_.end()) {
      if (position->second >= at.offset) continue;
      move.from = position->second;
    }
    step->progress.looped_events += CountLoopedEvents(reader, at.partition, at.offset, 0);
    positions_[at.partition] = at.offset;
    step->moves.push_back(std::move(move));
  }
  step->started = true;
  started_ = true;
}

uint64_t LinkWorker::CountLoopedEvents(const client::Reader& reader, uint32_t partition, int64_t to,
                                       size_t delivered) const {
  // Otherwise the remote hub leaves out only events that have been at this hub.
  if (settings_.has_filter() || remote_removes_events_) return 0;
  const auto position = positions_.find(partition);
  const std::optional<int64_t> from =
      position != positions_.end() ? std::optional(position->second) : reader.start_of(partition);
  return from.has_value() ? static_cast<uint64_t>(to - *from) - delivered : 0;
}

absl::Status LinkWorker::RewindToAgreedOffset(const absl::Status& error) {
  const std::optional<client::ErrorInfo> info = client::GetErrorInfo(error);
  if (!info || !info->partition || !info->earliest_offset) return error;
  const LinkState state = link_->state();
  const auto position = state.positions.find(*info->partition);
  if (position == state.positions.end()) return error;  // It was not read with a run.
  LinkMove move;
  move.partition = *info->partition;
  move.from = position->second.next_offset;
  if (info->agreed_offset) {
    move.to = *info->agreed_offset;
    move.run = position->second.run;
  } else if (!position->second.earlier.empty()) {
    // The remote hub does not know the newest run, so try the one before.
    move.to = position->second.earlier.back().offset;
    move.run = position->second.earlier.back().run;
  } else {
    move.to = *info->earliest_offset;
  }
  report_(link_->name(), error);
  LinkStep step = NewStep();
  step.moves.push_back(std::move(move));
  Submit(std::move(step), /*caught_up=*/false);
  return absl::OkStatus();
}

absl::Status LinkWorker::LeaveOutOfRange(const absl::Status& error) {
  const std::optional<client::ErrorInfo> info = client::GetErrorInfo(error);
  if (!info || !info->partition || !info->earliest_offset || !info->end_offset) return error;
  LinkMove move;
  move.partition = *info->partition;
  int64_t at = settings_.start().offset();
  const auto position = positions_.find(move.partition);
  if (position != positions_.end()) {
    at = position->second;
    move.from = at;
  }
  if (at < *info->earliest_offset) {
    move.to = *info->earliest_offset;
    move.lost_events = static_cast<uint64_t>(move.to - at);
  } else if (move.from.has_value() && at > *info->end_offset) {
    // The remote hub lost events that it had not synced, and assigns their offsets to other events.
    move.to = *info->end_offset;
  } else {
    return error;
  }
  report_(link_->name(), error);
  LinkStep step = NewStep();
  step.moves.push_back(std::move(move));
  Submit(std::move(step), /*caught_up=*/false);
  return absl::OkStatus();
}

void LinkWorker::AskLag() {
  const auto partitions = admin_.ListPartitions(settings_.remote_topic());
  if (!partitions.ok()) return;  // If the connection is broken, reading will report it.
  const LinkState state = link_->state();
  uint64_t lag = 0;
  for (const client::PartitionInfo& partition : *partitions) {
    int64_t at = partition.history_start_offset.value_or(partition.start_offset);
    const auto position = state.positions.find(partition.partition);
    if (position != state.positions.end()) at = std::max(at, position->second.next_offset);
    if (partition.end_offset > at) lag += static_cast<uint64_t>(partition.end_offset - at);
  }
  link_->monitor().SetLag(lag);
}

LinkStep LinkWorker::NewStep() const {
  LinkStep step;
  step.link = link_;
  step.generation = generation_;
  step.remote_partitions = remote_partitions_;
  return step;
}

void LinkWorker::Submit(LinkStep step, bool caught_up) {
  size_t bytes = kMoveBytes;
  for (const LinkMove& move : step.moves) bytes += move.events.size() + kMoveBytes;
  const size_t most =
      PieceOf(std::min(kMaxSubmittedBytes, links_.memory().Allowance()), *link_->topic());
  {
    MutexLock lock(mutex_);
    while (submitted_bytes_ > 0 && submitted_bytes_ >= most) changed_.Wait(mutex_);
    // Steps after a refused one would be refused too.
    if (stopping_ || !refused_.ok()) return;
    ++submitted_;
    submitted_bytes_ += bytes;
    links_.memory().Add(bytes);
    caught_up_ = caught_up;
  }
  links_.Submit(caller_, std::move(step),
                [this, bytes](const absl::Status& status) { OnDone(bytes, status); });
}

void LinkWorker::OnDone(size_t bytes, const absl::Status& status) {
  bool began = false;
  if (status.ok()) {
    MutexLock lock(mutex_);
    const bool reads = reader_ != nullptr && refused_.ok();
    if (reads) {
      const bool all = submitted_ == 1 && caught_up_;
      link_->monitor().SetState(
          all ? v1::LinkStatus::STATE_CAUGHT_UP : v1::LinkStatus::STATE_CATCHING_UP, "",
          links_.clock().Now());
      began = !flowing_;
      flowing_ = true;
      attempts_ = 0;
    }
  }
  if (began) report_(link_->name(), absl::OkStatus());
  // Last: the worker may be destroyed once no step is in progress.
  MutexLock lock(mutex_);
  if (!status.ok() && refused_.ok()) {
    refused_ = status;
    if (reader_ != nullptr) reader_->Cancel();
  }
  --submitted_;
  submitted_bytes_ -= bytes;
  links_.memory().Release(bytes);
  changed_.NotifyAll();
}

absl::Status LinkWorker::AwaitSubmitted() {
  MutexLock lock(mutex_);
  while (submitted_ > 0) changed_.Wait(mutex_);
  return std::exchange(refused_, absl::OkStatus());
}

void LinkWorker::ReportFailure(v1::LinkStatus::State state, const absl::Status& status) {
  const v1::LinkStatus before = link_->monitor().Describe(links_.clock().Now());
  const std::string error(status.message());
  link_->monitor().SetState(state, error, links_.clock().Now());
  {
    MutexLock lock(mutex_);
    flowing_ = false;
    ++attempts_;
  }
  // Report only changes.
  if (before.state() != state || before.error() != error) report_(link_->name(), status);
}

bool LinkWorker::WaitToRetry() {
  absl::BitGen random;
  MutexLock lock(mutex_);
  if (attempts_ == 0) return !stopping_;
  const absl::Duration delay =
      std::min(kLastRetry, kFirstRetry * (1 << std::min(attempts_ - 1, 10))) *
      absl::Uniform(random, 0.5, 1.0);
  const absl::Duration until = links_.clock().Monotonic() + delay;
  while (!stopping_) {
    const absl::Duration left = until - links_.clock().Monotonic();
    if (left <= absl::ZeroDuration()) return true;
    changed_.WaitFor(mutex_, left);
  }
  return false;
}

bool LinkWorker::interrupted() const {
  MutexLock lock(mutex_);
  return stopping_ || !refused_.ok();
}

}  // namespace eventhub
