// The streaming method EventHubService.Read.
#pragma once

#include <atomic>
#include <memory>

#include "eventhub/v1/hub.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/erasure/key_ring.h"
#include "server/core/read/frame_budget.h"
#include "server/core/read/readers.h"
#include "server/rpc/open_stream.h"
#include "server/rpc/publish_limits.h"
#include "storage/base/work_pool.h"
#include "storage/watermark.h"

namespace eventhub {

// The threads that serve readers, in addition to gRPC's, and the memory that readers share.
struct ReadPools {
  WorkPool& wake;  // Continues readers that waited at the head; never blocks.
  WorkPool& disk;  // Reads from the disk.
  WorkPool& lake;  // Reads from the lake, and waits for it.
  FrameBudget& frames;
  KeyRing& keys;  // With which sealed data is opened.
};

// One read. It holds at most one frame: the next is made when gRPC has taken the last, from memory
// on gRPC's thread, or from disk on a pool, when the budget has room for it. At the head it sleeps
// as a waiter of the log.
//
// At any time exactly one operation is in progress, and only it continues the stream: a write, a
// job in a pool, or a wait, for events or for memory. To end the stream from outside, a thread sets
// `stop_` and wakes the stream if it waits. A job that waits for the lake may take as long as the
// lake; it is abandoned: the stream ends without it, and it only releases the reader in the end.
class ReadStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                         public OpenStream<ReadStream>,
                         private Watermark::Waiter,
                         private FrameBudget::Holder {
 public:
  // `encoded` is a v1::ReadRequest.
  static ReadStream* Start(Readers& readers, ReadPools pools, PublishLimits& limits,
                           StreamRegistry& registry, Caller caller, StreamLimits::Place place,
                           grpc::CallbackServerContext* context, const grpc::ByteBuffer& encoded);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void Drain() override;

 private:
  enum class Stop { kNo, kCancelled, kDraining };

  // Who continues the stream while a job reads from the lake.
  enum class LakeRead { kNone, kUnderWay, kAbandoned };

  // Coordinates an eviction with the end of the write that it concerns.
  enum class EvictionState { kNone, kUnderWay, kWriteIsDone };

  ReadStream(Readers& readers, ReadPools pools, StreamRegistry& registry, Caller caller,
             StreamLimits::Place place, grpc::CallbackServerContext* context);

  void Wake() override;  // Called on the commit thread: only hands over to a pool.
  void Granted(size_t bytes) override;
  absl::AnyInvocable<void() &&> Eviction() override;
  void Evict();
  void Open(const v1::ReadRequest& request);
  // Continues, from memory if possible.
  void Advance();
  // Continues with ReadCold or ReadHistory when there is memory for it.
  void AwaitFrameMemory(TopicReader::Step step);
  void ReadCold(size_t room);
  void ReadHistory(size_t room);
  // Sends what was read.
  void Continue(absl::Status status, Frame frame, size_t room);
  // Ends the stream, if the job that reads from the lake can be abandoned.
  void AbandonLakeRead();
  // Sleeps until there is more to deliver; returns false if there is already.
  bool Sleep();
  void Send(Frame frame, size_t room);
  void ContinueAfterWrite(bool written);
  bool StopRequested();
  void WakeToStop();
  void EndBecause(Stop stop);
  void End(const absl::Status& status);

  Readers& readers_;
  const ReadPools pools_;
  grpc::CallbackServerContext* const context_;  // Valid until OnDone.
  std::atomic<Stop> stop_{Stop::kNo};
  std::atomic<EvictionState> eviction_{EvictionState::kNone};
  std::atomic<LakeRead> lake_read_{LakeRead::kNone};

  // Owned by the operation in progress.
  std::unique_ptr<TopicReader> reader_;
  bool from_lake_ = false;  // What is read with the memory that is awaited.
  grpc::ByteBuffer out_;
  bool written_ = false;  // The result of a write that ended during an eviction.

  // The reader, for threads that end the stream; set once, before the first wait.
  std::atomic<TopicReader*> waiting_reader_{nullptr};
};

}  // namespace eventhub
