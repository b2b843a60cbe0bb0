#include "client/src/connection/grpc_read_stream.h"

#include <grpc/support/time.h>
#include <grpcpp/support/slice.h>

#include <utility>

#include "client/src/base/proto_time.h"
#include "client/src/connection/grpc_frame.h"
#include "client/src/connection/grpc_status.h"
#include "client/src/read/position_proto.h"
#include "eventhub/v1/hub.pb.h"

namespace eventhub::client {
namespace {

constexpr char kReadMethod[] = "/eventhub.v1.EventHubService/Read";

grpc::ByteBuffer ToRequest(const ReadSpec& spec) {
  v1::ReadRequest request;
  request.set_topic(spec.topic);
  request.mutable_partitions()->Assign(spec.partitions.begin(), spec.partitions.end());
  ToProto(spec.start, *request.mutable_start());
  for (const PartitionOffset& position : spec.offsets) ToProto(position, *request.add_offsets());
  if (spec.stop_offset) request.set_stop_offset(*spec.stop_offset);
  if (spec.stop_time) ToProto(*spec.stop_time, *request.mutable_stop_time());
  request.set_follow(spec.follow);
  request.set_max_response_bytes(spec.max_response_bytes);
  if (spec.filter) *request.mutable_filter() = spec.filter->proto();
  request.set_report_passed(spec.report_passed);
  request.set_as_stored(spec.as_stored);
  const grpc::Slice slice(request.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

gpr_timespec Deadline(absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(timeout), GPR_TIMESPAN));
}

}  // namespace

GrpcReadStream::GrpcReadStream(ChannelPool& channels, const ReadSpec& spec)
    : place_(channels.TakePlace()), request_(ToRequest(spec)) {
  call_ = grpc::GenericStub(place_.channel()).PrepareCall(&context_, kReadMethod, &queue_);
  call_->StartCall(Tag(Step::kStarted));
}

GrpcReadStream::~GrpcReadStream() {
  // Wait for pending operations, which still use the members.
  context_.TryCancel();
  queue_.Shutdown();
  void* tag;
  bool ok;
  while (queue_.Next(&tag, &ok)) {
  }
}

ReadStream::Outcome GrpcReadStream::Read(absl::Duration timeout, Bytes& frame) {
  if (closed_) return Outcome::kClosed;
  const gpr_timespec deadline = Deadline(timeout);
  for (;;) {
    void* tag;
    bool ok;
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) {
      return Outcome::kTimeout;
    }
    Outcome outcome;
    if (Complete(static_cast<Step>(reinterpret_cast<intptr_t>(tag)), ok, frame, outcome)) {
      return outcome;
    }
  }
}

bool GrpcReadStream::Complete(Step step, bool ok, Bytes& frame, Outcome& outcome) {
  switch (step) {
    case Step::kStarted:
      if (!ok) {
        call_->Finish(&grpc_status_, Tag(Step::kFinished));
        return false;
      }
      call_->Write(request_, grpc::WriteOptions().set_last_message(), Tag(Step::kWritten));
      call_->Read(&response_, Tag(Step::kRead));
      return false;
    case Step::kWritten:
      return false;  // If it failed, so will the read.
    case Step::kRead:
      if (!ok) {
        call_->Finish(&grpc_status_, Tag(Step::kFinished));
        return false;
      }
      outcome = TakeFrame(frame) ? Outcome::kFrame : Outcome::kClosed;
      if (outcome == Outcome::kFrame) call_->Read(&response_, Tag(Step::kRead));
      return true;
    case Step::kFinished:
      closed_ = true;
      status_ = FromGrpc(grpc_status_);
      outcome = Outcome::kClosed;
      return true;
  }
  return false;
}

bool GrpcReadStream::TakeFrame(Bytes& frame) {
  const grpc::Status status = client::TakeFrame(response_, frame);
  if (status.ok()) return true;
  closed_ = true;
  status_ = FromGrpc(status);
  return false;
}

}  // namespace eventhub::client
