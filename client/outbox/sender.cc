#include "client/outbox/sender.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/outbox/region.h"
#include "client/src/base/failure.h"
#include "eventhub/error.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client::outbox {
namespace {

// The request is confirmed: the hub has its events.
void OnConfirmed(State& state, Topic& topic, Request& request, std::vector<Resolved>& resolved,
                 std::string& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state.mutex) {
  state.cached_bytes -= request.cached;
  state.Forget(topic, request.events, request.bytes);
  topic.published_events += request.events;
  if (request.stored || request.writing > 0) {
    topic.unwritten_bytes += request.bytes;
    state.MarkHead(topic);
  }
  if (request.ticket.id != 0) resolved.push_back({std::move(request.ticket), absl::OkStatus()});
  if (state.Now() - request.sent_at < state.options.spill_after / 2) topic.slow = false;
  topic.state = OutboxTopicState::kSending;
  topic.last_error = absl::OkStatus();
  topic.backoff.Reset();
  topic.stopped_backoff.Reset();
  if (std::exchange(topic.told_stopped, false)) {
    line = absl::StrCat("outbox: topic ", topic.name, " goes on");
  }
}

// Forgets the stream, which the caller drops without the mutex.
std::shared_ptr<PublishStream> LoseStream(Topic& topic, bool in_doubt) {
  ++topic.stream_number;
  topic.writing = false;
  topic.lane.OnStreamLost(in_doubt);
  return std::exchange(topic.stream, nullptr);
}

}  // namespace

// Belongs to one stream; its number tells it from the streams before and after it.
class Sender::StreamHandler final : public PublishStream::Handler {
 public:
  StreamHandler(std::weak_ptr<State> state, Topic& topic, uint64_t number)
      : state_(std::move(state)), topic_(topic), number_(number) {}

  void OnWritten() override {
    const auto state = state_.lock();
    if (state == nullptr) return;
    MutexLock lock(state->mutex);
    if (topic_.stream_number != number_) return;
    topic_.writing = false;
    state->MarkSend(topic_);
  }

  void OnReply(PublishReply reply) override {
    const auto state = state_.lock();
    if (state == nullptr) return;
    std::vector<Resolved> resolved;
    std::string line;
    std::shared_ptr<PublishStream> lost;
    {
      MutexLock lock(state->mutex);
      if (topic_.stream_number != number_) return;
      std::unique_ptr<Request> confirmed;
      switch (topic_.lane.OnReply(reply, &confirmed)) {
        case AfterReply::kConfirmed:
          OnConfirmed(*state, topic_, *confirmed, resolved, line);
          break;
        case AfterReply::kGoOn:
        case AfterReply::kSetAside:
          break;
        case AfterReply::kBackOff:
          line = state->BackOff(topic_, reply.status, /*stopped=*/false);
          break;
        case AfterReply::kStop:
          line = state->BackOff(topic_, reply.status, /*stopped=*/true);
          break;
        case AfterReply::kBroken:
          lost = LoseStream(topic_, /*in_doubt=*/true);
          line = state->BackOff(topic_, absl::InternalError("the hub sent a reply to no request"),
                                /*stopped=*/false);
          break;
      }
      state->MarkSend(topic_);
    }
    if (lost != nullptr) lost->Cancel();
    state->Tell(std::move(resolved));
    if (!line.empty()) state->Log(line);
  }

  void OnClosed(absl::Status status) override {
    const auto state = state_.lock();
    if (state == nullptr) return;
    std::string line;
    std::shared_ptr<PublishStream> lost;
    {
      MutexLock lock(state->mutex);
      if (topic_.stream_number != number_) return;
      const bool too_large = GetErrorReason(status) == ErrorReason::kRequestTooLarge;
      const AfterReply after = too_large ? topic_.lane.OnTooLarge(status) : AfterReply::kBackOff;
      lost = LoseStream(topic_, /*in_doubt=*/!SaysNothingDone(status));
      const bool stopped =
          after == AfterReply::kStop || !(status.ok() || too_large || MayPass(status));
      // A stream that ends while nothing is pending is opened again when there is something.
      if (topic_.pending_events > 0 && after != AfterReply::kSetAside) {
        line = state->BackOff(
            topic_, status.ok() ? absl::UnavailableError("the hub ended the stream") : status,
            stopped);
      }
      state->MarkSend(topic_);
    }
    if (!line.empty()) state->Log(line);
  }

 private:
  const std::weak_ptr<State> state_;
  Topic& topic_;  // Lives as long as the state.
  const uint64_t number_;
};

void Sender::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Sender::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(state_.mutex);
    state_.stop_sending = true;
  }
  state_.send_wake.NotifyOne();
  thread_.join();
  std::vector<std::shared_ptr<PublishStream>> streams;
  {
    MutexLock lock(state_.mutex);
    for (const auto& [name, topic] : state_.topics) {
      streams.push_back(LoseStream(*topic, /*in_doubt=*/true));
    }
  }
  for (const auto& stream : streams) {
    if (stream != nullptr) stream->Cancel();
  }
}

void Sender::Run() {
  MutexLock lock(state_.mutex);
  while (Topic* const topic = AwaitTopic()) Step(*topic);
}

Topic* Sender::AwaitTopic() {
  for (;;) {
    if (state_.stop_sending) return nullptr;
    absl::Duration wait = absl::InfiniteDuration();
    if (!state_.timers.empty()) {
      const absl::Duration now = state_.Now();
      while (!state_.timers.empty() && state_.timers.begin()->first <= now) {
        Topic& topic = *state_.timers.begin()->second;
        WakeAt(topic, absl::InfiniteDuration());
        state_.MarkSend(topic);
      }
      if (!state_.timers.empty()) wait = state_.timers.begin()->first - now;
    }
    if (!state_.to_send.empty()) {
      Topic* const topic = state_.to_send.front();
      state_.to_send.pop_front();
      topic->to_send = false;
      return topic;
    }
    state_.sender_idle = true;
    if (wait == absl::InfiniteDuration()) {
      state_.send_wake.Wait(state_.mutex);
    } else {
      state_.send_wake.WaitFor(state_.mutex, wait);
    }
    state_.sender_idle = false;
  }
}

void Sender::WakeAt(Topic& topic, absl::Duration when) {
  if (topic.wake_at == when) return;
  if (topic.wake_at < absl::InfiniteDuration()) state_.timers.erase({topic.wake_at, &topic});
  topic.wake_at = when;
  if (when < absl::InfiniteDuration()) state_.timers.emplace(when, &topic);
}

absl::Duration Sender::OldestUnaccepted(const Topic& topic) const {
  absl::Duration oldest = absl::InfiniteDuration();
  if (!topic.gathered.empty()) oldest = topic.gathered.front()->taken;
  for (const auto& request : topic.lane.requests()) {
    if (!request->in_memory) continue;
    oldest = std::min(oldest, request->taken);
    break;
  }
  return oldest;
}

void Sender::CheckTimes(Topic& topic, absl::Duration now) {
  if (topic.lane.OldestSentAt() + state_.options.reply_timeout <= now) {
    std::shared_ptr<PublishStream> silent = LoseStream(topic, /*in_doubt=*/true);
    state_.BackOff(topic, absl::UnavailableError("the hub does not reply"), /*stopped=*/false);
    state_.mutex.Unlock();
    if (silent != nullptr) silent->Cancel();
    silent.reset();
    state_.mutex.Lock();
  }
  if (topic.direct && OldestUnaccepted(topic) + state_.options.spill_after <= now) {
    topic.slow = true;
    state_.Spill(topic);
  }
  absl::Duration next = topic.lane.OldestSentAt() + state_.options.reply_timeout;
  if (topic.direct) next = std::min(next, OldestUnaccepted(topic) + state_.options.spill_after);
  if (topic.not_before > now && topic.pending_events > 0) next = std::min(next, topic.not_before);
  WakeAt(topic, next);
}

void Sender::Step(Topic& topic) {
  if (!state_.failed.ok()) return;  // What is confirmed could not be deleted.
  const bool answers = topic.state == OutboxTopicState::kSending && !topic.slow;
  if (state_.options.mode == OutboxMode::kSpill && answers && topic.lane.all_sent() &&
      !state_.closed) {
    topic.direct = true;
  }
  if (topic.direct) TakeGathered(topic);
  const absl::Duration now = state_.Now();
  CheckTimes(topic, now);
  if (now < topic.not_before) return;
  Request* const request = topic.lane.NextToSend();
  if (topic.writing) {
    // Meanwhile, the next request is read.
    if (request != nullptr && request->bodies.empty()) ReadEvents(topic, request->number);
    return;
  }
  if (request == nullptr) {
    AskKeeper(topic);
  } else if (topic.stream == nullptr) {
    OpenStream(topic);
  } else if (request->bodies.empty()) {
    ReadEvents(topic, request->number);
  } else {
    Send(topic, *request);
  }
}

void Sender::TakeGathered(Topic& topic) {
  // A part that may grow waits until the hub has all others, as in a Publisher without linger.
  while (topic.gathered.size() > 1 || (!topic.gathered.empty() && topic.lane.requests().empty())) {
    const std::unique_ptr<GatheredPart> part = std::move(topic.gathered.front());
    topic.gathered.pop_front();
    Request& request = topic.lane.Add(part->accepted, part->taken);
    topic.lane.AddPart(request, part->accepted, static_cast<uint32_t>(part->batch.events()),
                       part->batch.bytes());
    request.bodies.push_back(part->batch.body());
    request.in_memory = true;
    request.sealed = true;
    request.ticket = std::move(part->ticket);
  }
}

void Sender::AskKeeper(Topic& topic) {
  const auto& requests = topic.lane.requests();
  if (topic.lane.set_aside()) {
    if (std::exchange(topic.repairing, true)) return;
    state_.AddWork([this, &topic] { keeper_.SetAside(topic); });
    return;
  }
  const bool wants_epoch = topic.lane.WantsEpoch();
  if (!wants_epoch && !requests.empty() && requests.front()->damaged &&
      topic.lane.awaiting() == 0) {
    if (std::exchange(topic.repairing, true)) return;
    const uint64_t number = requests.front()->number;
    state_.AddWork([this, &topic, number] { keeper_.Salvage(topic, number); });
  } else if (wants_epoch || (topic.lane.TailIsNext() && topic.MaySeal())) {
    state_.MarkCommit(topic);
  }
}

void Sender::OpenStream(Topic& topic) {
  topic.writing = true;  // Until it is open.
  const uint64_t number = ++topic.stream_number;
  state_.mutex.Unlock();
  std::shared_ptr<PublishStream> stream = state_.connection->publish_streams().OpenPublishStream(
      std::make_shared<StreamHandler>(shared_, topic, number));
  state_.mutex.Lock();
  if (topic.stream_number == number) {
    topic.stream = std::move(stream);
    topic.writing = false;
    state_.MarkSend(topic);
    return;
  }
  // It closed meanwhile: dropping the reference cancels it.
  state_.mutex.Unlock();
  stream.reset();
  state_.mutex.Lock();
}

void Sender::ReadEvents(Topic& topic, uint64_t number) {
  state_.mutex.Unlock();
  const absl::StatusOr<std::vector<StoredPart>> parts = keeper_.ReadParts(topic.number, number);
  absl::Status status = parts.status();
  std::vector<Bytes> bodies;
  size_t bytes = 0;
  if (parts.ok()) {
    for (const StoredPart& part : *parts) {
      status.Update(part.events.status());
      if (!status.ok()) break;
      bodies.push_back(*part.events);
      bytes += part.events->view.size();
    }
  }
  state_.mutex.Lock();
  state_.MarkSend(topic);
  Request* const request = FindRequest(topic.lane, number);
  if (request == nullptr || !request->bodies.empty()) return;
  if (status.ok() && bytes == request->bytes && !bodies.empty()) {
    request->bodies = std::move(bodies);
    request->cached = bytes;
    state_.cached_bytes += bytes;
  } else if (status.ok() || absl::IsDataLoss(status)) {
    request->damaged = true;
  } else {
    state_.BackOff(topic, status, /*stopped=*/false);
  }
}

void Sender::Send(Topic& topic, Request& request) {
  std::string header = EncodeHeader(topic, request);
  const std::vector<Bytes> bodies = request.bodies;
  topic.lane.MarkSent(state_.Now());
  WakeAt(topic, std::min(topic.wake_at, topic.lane.OldestSentAt() + state_.options.reply_timeout));
  // It is read again if it must be sent again.
  state_.DropBodies(request);
  topic.writing = true;
  std::shared_ptr<PublishStream> stream = topic.stream;
  state_.mutex.Unlock();
  stream->Write(std::move(header), Concatenate(bodies));
  stream.reset();  // Perhaps the last reference, which cancels it.
  state_.mutex.Lock();
}

std::string Sender::EncodeHeader(const Topic& topic, const Request& request) const {
  v1::PublishStreamRequest header;
  header.set_topic(topic.name);
  header.set_durability(static_cast<v1::Durability>(state_.options.hub_durability));
  header.set_producer_id(keeper_.producer());
  header.set_producer_epoch(topic.lane.epoch());
  header.set_sequence(topic.lane.SequenceOf(request));
  header.set_correlation_id(request.number);
  return header.SerializeAsString();
}

}  // namespace eventhub::client::outbox
