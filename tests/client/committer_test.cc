// The committer: order, retries, doubt, deadlines, limits and space.
#include "eventhub/committer.h"

#include <deque>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/src/commit/committer_core.h"
#include "client/src/commit/transaction_limits.h"
#include "client/src/publish/transaction_proto.h"
#include "eventhub/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_hub.h"
#include "tests/support/eventually.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The same for every append of one event.
TransactReply Committed(const v1::TransactStreamRequest& request, int64_t offset = 0) {
  TransactReply reply{.correlation_id = request.correlation_id()};
  for (const v1::TransactAppend& append : request.appends()) {
    reply.appends.push_back(
        {.placements = {{0, offset, static_cast<uint32_t>(append.events_size())}}});
  }
  return reply;
}

// Receives transactions; the test answers them.
class FakeTransactHub : public testing::NiceMock<FakeHub> {
 public:
  FakeTransactHub() {
    ON_CALL(*this, OpenTransactStream)
        .WillByDefault([this](std::shared_ptr<TransactStream::Handler> handler) {
          return Open(std::move(handler));
        });
  }

  // The ids of the transactions on the current stream that are not answered.
  std::vector<std::string> ids() {
    MutexLock lock(mutex_);
    std::vector<std::string> ids;
    for (const v1::TransactStreamRequest& request : inbox_) ids.push_back(request.transaction_id());
    return ids;
  }
  v1::TransactStreamRequest Take() {
    MutexLock lock(mutex_);
    v1::TransactStreamRequest request = std::move(inbox_.front());
    inbox_.pop_front();
    return request;
  }
  // Answers the oldest transaction.
  void Commit(int64_t offset = 0) { handler_->OnReply(Committed(Take(), offset)); }
  void Refuse(const absl::Status& status) {
    handler_->OnReply({.correlation_id = Take().correlation_id(), .status = status});
  }
  void Reply(TransactReply reply) { handler_->OnReply(std::move(reply)); }
  void Break(const absl::Status& status = absl::UnavailableError("connection reset")) {
    {
      MutexLock lock(mutex_);
      inbox_.clear();
    }
    std::exchange(handler_, nullptr)->OnClosed(status);
  }
  // While set, streams fail at once with this error.
  void SetDown(std::optional<absl::Status> error) { down_ = std::move(error); }
  int streams() const { return streams_; }

 private:
  class Stream final : public TransactStream {
   public:
    Stream(FakeTransactHub& hub, std::shared_ptr<Handler> handler)
        : hub_(hub), handler_(std::move(handler)) {}
    void Write(std::string request) override {
      v1::TransactStreamRequest parsed;
      ASSERT_TRUE(parsed.ParseFromString(request));
      {
        MutexLock lock(hub_.mutex_);
        hub_.inbox_.push_back(std::move(parsed));
      }
      handler_->OnWritten();
    }
    void Cancel() override {}

   private:
    FakeTransactHub& hub_;
    const std::shared_ptr<Handler> handler_;
  };

  std::shared_ptr<TransactStream> Open(std::shared_ptr<TransactStream::Handler> handler) {
    ++streams_;
    auto stream = std::make_shared<Stream>(*this, handler);
    if (down_) {
      handler->OnClosed(*down_);
    } else {
      handler_ = std::move(handler);
    }
    return stream;
  }

  Mutex mutex_;
  std::deque<v1::TransactStreamRequest> inbox_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<TransactStream::Handler> handler_;
  std::optional<absl::Status> down_;
  int streams_ = 0;
};

Transaction TransactionOf(const std::string& id, const std::string& data = "") {
  Transaction transaction(id);
  v1::Event event;
  event.set_id(id);
  event.set_data(data);
  return std::move(transaction.Append("t", std::move(event)));
}

class CommitterTest : public testing::Test {
 protected:
  using Result = absl::StatusOr<TransactionResult>;

  void Start(CommitterOptions options = {}) {
    core_ = std::make_shared<CommitterCore>(hub_, options, hub_->clock());
    committer_ = std::make_unique<Committer>(core_);
  }

  absl::Status Commit(Transaction transaction) {
    const std::string id = transaction.id;
    return committer_->Commit(std::move(transaction), [this, id](Result result) {
      MutexLock lock(mutex_);
      order_.push_back(id);
      results_.emplace(id, std::move(result));
    });
  }
  void Commit(std::initializer_list<const char*> ids) {
    for (const char* const id : ids) ASSERT_TRUE(Commit(TransactionOf(id)).ok());
  }

  std::vector<std::string> order() {
    MutexLock lock(mutex_);
    return order_;
  }
  absl::Status status(const std::string& id) {
    MutexLock lock(mutex_);
    const auto it = results_.find(id);
    return it == results_.end() ? absl::UnknownError("not answered") : it->second.status();
  }

  Mutex mutex_;
  std::vector<std::string> order_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Result> results_ ABSL_GUARDED_BY(mutex_);
  const std::shared_ptr<FakeTransactHub> hub_ = std::make_shared<FakeTransactHub>();
  std::shared_ptr<CommitterCore> core_;
  std::unique_ptr<Committer> committer_;
};

TEST_F(CommitterTest, ManyAreInFlightInOrder) {
  Start();
  Commit({"a", "b", "c"});
  EXPECT_THAT(hub_->ids(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(committer_->in_flight(), 3u);
  hub_->Commit(40);
  hub_->Commit(41);
  EXPECT_THAT(order(), ElementsAre("a", "b"));
  MutexLock lock(mutex_);
  ASSERT_EQ(results_.at("b")->events.size(), 1u);
  EXPECT_EQ(results_.at("b")->events[0].offset, 41);
}

TEST_F(CommitterTest, RetriesUnderTheSameIdsAfterALostStream) {
  Start();
  Commit({"a", "b"});
  hub_->Commit();
  hub_->Break();
  Commit({"c"});
  EXPECT_TRUE(absl::IsUnavailable(committer_->last_failure()));
  hub_->Advance(absl::Seconds(1));
  EXPECT_THAT(hub_->ids(), ElementsAre("b", "c"));
  hub_->Commit();
  hub_->Commit();
  EXPECT_THAT(order(), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(status("c").ok());
  EXPECT_TRUE(committer_->last_failure().ok());
}

// The first attempt may have caused the refusal: its acks took effect.
TEST_F(CommitterTest, RefusalAfterALostStreamLeavesDoubt) {
  Start();
  Commit({"a"});
  hub_->Break();
  Commit({"b"});
  hub_->Advance(absl::Seconds(1));
  const absl::Status refusal =
      HubError(absl::StatusCode::kAborted, {.reason = ErrorReason::kLeaseLost});
  hub_->Refuse(refusal);
  hub_->Refuse(refusal);
  EXPECT_TRUE(absl::IsAborted(status("a")));
  EXPECT_TRUE(OutcomeIsUnknown(status("a")));
  EXPECT_TRUE(absl::IsAborted(status("b")));
  EXPECT_FALSE(OutcomeIsUnknown(status("b")));
}

TEST_F(CommitterTest, UnsentTransactionsAreNotInDoubt) {
  Start();
  hub_->SetDown(absl::UnavailableError("refused"));
  Commit({"a"});
  hub_->Advance(absl::Minutes(1));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status("a")));
  EXPECT_FALSE(OutcomeIsUnknown(status("a")));
  EXPECT_THAT(std::string(status("a").message()), HasSubstr("refused"));
}

TEST_F(CommitterTest, TemporaryRefusalDoesNotDelayOthers) {
  Start({.retry = {.initial_delay = absl::Seconds(1), .max_delay = absl::Seconds(1)}});
  Commit({"a", "b"});
  hub_->Refuse(HubError(absl::StatusCode::kResourceExhausted, {.reason = ErrorReason::kTopicFull}));
  Commit({"c"});
  hub_->Commit();
  hub_->Commit();
  EXPECT_THAT(order(), ElementsAre("b", "c"));
  EXPECT_THAT(hub_->ids(), IsEmpty());
  EXPECT_TRUE(absl::IsResourceExhausted(committer_->last_failure()) ||
              committer_->last_failure().ok());
  hub_->Advance(absl::Seconds(1));
  EXPECT_THAT(hub_->ids(), ElementsAre("a"));
  hub_->Commit();
  EXPECT_TRUE(status("a").ok());
}

TEST_F(CommitterTest, DeadlineReportsDoubt) {
  Start({.deadline = absl::Seconds(10), .reply_timeout = absl::InfiniteDuration()});
  Commit({"a"});
  hub_->Advance(absl::Seconds(10));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status("a")));
  EXPECT_TRUE(OutcomeIsUnknown(status("a")));
  EXPECT_EQ(committer_->in_flight(), 1u);  // Its reply is still awaited.
  Commit({"b"});
  hub_->Commit();
  hub_->Commit();
  EXPECT_THAT(order(), ElementsAre("a", "b"));
  EXPECT_EQ(committer_->in_flight(), 0u);
}

TEST_F(CommitterTest, LeavesASilentHub) {
  Start({.deadline = absl::Minutes(5), .reply_timeout = absl::Seconds(10)});
  Commit({"a"});
  hub_->Advance(absl::Seconds(12));
  EXPECT_EQ(hub_->streams(), 2);
  hub_->Take();  // On the former stream.
  hub_->Commit();
  EXPECT_TRUE(status("a").ok());
}

TEST_F(CommitterTest, IsSentOnceWithoutAnId) {
  Start();
  ASSERT_TRUE(Commit(TransactionOf("")).ok());
  hub_->Break();
  EXPECT_TRUE(absl::IsUnavailable(status("")));
  EXPECT_TRUE(OutcomeIsUnknown(status("")));
}

TEST_F(CommitterTest, PermanentStreamErrorAnswersAll) {
  Start();
  Commit({"a"});
  hub_->SetDown(absl::PermissionDeniedError("no"));
  hub_->Break(absl::PermissionDeniedError("no"));
  EXPECT_TRUE(absl::IsPermissionDenied(status("a")));
  EXPECT_TRUE(OutcomeIsUnknown(status("a")));
}

TEST_F(CommitterTest, AnswersTheLargestIfOneIsTooLarge) {
  Start();
  ASSERT_TRUE(Commit(TransactionOf("small")).ok());
  ASSERT_TRUE(Commit(TransactionOf("large", std::string(1000, 'x'))).ok());
  absl::Status too_large = absl::ResourceExhaustedError("too large");
  SetErrorInfo({.reason = ErrorReason::kRequestTooLarge}, too_large);
  hub_->Break(too_large);
  EXPECT_TRUE(absl::IsResourceExhausted(status("large")));
  EXPECT_FALSE(OutcomeIsUnknown(status("large")));
  EXPECT_THAT(hub_->ids(), ElementsAre("small"));
}

TEST_F(CommitterTest, UnexpectedReplyDropsTheStream) {
  Start();
  Commit({"a"});
  hub_->Reply({.correlation_id = 4711});
  hub_->Take();
  hub_->Advance(absl::Seconds(1));
  EXPECT_THAT(hub_->ids(), ElementsAre("a"));
  // A reply that does not add up to the transaction says nothing about where its events are.
  hub_->Reply({.correlation_id = hub_->Take().correlation_id()});
  EXPECT_TRUE(absl::IsInternal(status("a")));
  EXPECT_TRUE(OutcomeIsUnknown(status("a")));
}

TEST_F(CommitterTest, IsBoundedInTransactionsAndBytes) {
  Start({.max_in_flight = 2, .max_in_flight_bytes = 2000, .when_full = WhenFull::kFail});
  Commit({"a", "b"});
  EXPECT_TRUE(absl::IsResourceExhausted(Commit(TransactionOf("c"))));
  EXPECT_FALSE(OutcomeIsUnknown(Commit(TransactionOf("c"))));
  hub_->Commit();
  EXPECT_TRUE(absl::IsResourceExhausted(Commit(TransactionOf("large", std::string(3000, 'x')))));
  hub_->Commit();
  EXPECT_TRUE(Commit(TransactionOf("large", std::string(3000, 'x'))).ok());  // Alone.
}

TEST_F(CommitterTest, BlockedCallerContinuesWhenThereIsSpace) {
  Start({.max_in_flight = 1});
  Commit({"a"});
  std::thread caller([&] { EXPECT_TRUE(Commit(TransactionOf("b")).ok()); });
  EXPECT_THAT(hub_->ids(), ElementsAre("a"));
  hub_->Commit();
  caller.join();
  EXPECT_THAT(hub_->ids(), ElementsAre("b"));
}

TEST_F(CommitterTest, CloseAnswersTheRest) {
  Start();
  Commit({"a"});
  hub_->SetDown(absl::UnavailableError("gone"));
  hub_->Break();
  Commit({"b"});
  EXPECT_TRUE(absl::IsDeadlineExceeded(committer_->Close(absl::ZeroDuration())));
  EXPECT_TRUE(absl::IsCancelled(status("a")));
  EXPECT_TRUE(OutcomeIsUnknown(status("a")));
  EXPECT_TRUE(absl::IsCancelled(status("b")));
  EXPECT_FALSE(OutcomeIsUnknown(status("b")));
  EXPECT_TRUE(absl::IsCancelled(Commit(TransactionOf("c"))));
}

TEST_F(CommitterTest, FlushWaitsForCallbacks) {
  Start();
  Commit({"a"});
  absl::Status flushed = absl::UnknownError("");
  std::thread flusher([&] { flushed = committer_->Flush(); });
  hub_->Commit();
  flusher.join();
  EXPECT_TRUE(flushed.ok());
  EXPECT_THAT(order(), ElementsAre("a"));
  ASSERT_TRUE(committer_->Commit(TransactionOf("b"), [](Result) { throw std::string("oh"); }).ok());
  hub_->Commit();
  EXPECT_TRUE(absl::IsUnknown(committer_->Flush()));
  EXPECT_TRUE(committer_->Flush().ok());
}

TEST_F(CommitterTest, RefusesTransactionsThatNoHubAccepts) {
  Start();
  const auto refusal = [&](Transaction transaction) {
    const absl::Status status = Commit(std::move(transaction));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_FALSE(OutcomeIsUnknown(status));
    return std::string(status.message());
  };
  Transaction checks("checks");
  for (int i = 0; i <= 4096; ++i) checks.Expect("t", static_cast<uint32_t>(i), 0);
  EXPECT_THAT(refusal(std::move(checks)), HasSubstr("4097 parts together; a transaction takes at "
                                                    "most 4096"));
  EXPECT_THAT(refusal(Transaction("nothing")), HasSubstr("nothing to commit"));
  EXPECT_THAT(refusal(TransactionOf(std::string(257, 'x'))), HasSubstr("256 bytes"));
  EXPECT_TRUE(absl::IsInvalidArgument(committer_->Commit(TransactionOf("a"), nullptr)));
}

Transaction AcksOf(const std::string& id, int ranges) {
  Transaction transaction(id);
  transaction.subscription = "s";
  transaction.session = 7;
  transaction.acks.push_back({.partition = 1, .lease_epoch = 5});
  for (int i = 0; i < ranges; ++i) transaction.acks[0].ranges.push_back({2 * i, 2 * i + 1});
  transaction.acks.push_back({.partition = 2, .lease_epoch = 5, .ranges = {{0, 9}}});
  return transaction;
}

TEST_F(CommitterTest, SplitsTransactionsOfOnlyAcks) {
  Start();
  ASSERT_TRUE(Commit(AcksOf("a", 5000)).ok());
  ASSERT_THAT(hub_->ids(), ElementsAre("a/0", "a/1"));
  EXPECT_EQ(hub_->Take().acks().acks(0).ranges_size(), 4096);
  const v1::TransactStreamRequest second = hub_->Take();
  EXPECT_EQ(second.acks().session(), 7u);
  ASSERT_EQ(second.acks().acks_size(), 2);
  EXPECT_EQ(second.acks().acks(0).ranges_size(), 5000 - 4096);
  EXPECT_EQ(second.acks().acks(0).ranges(0).start(), 2 * 4096);
  EXPECT_EQ(second.acks().acks(1).partition(), 2u);
  hub_->Reply({.correlation_id = second.correlation_id() - 1});
  EXPECT_THAT(order(), IsEmpty());
  hub_->Reply({.correlation_id = second.correlation_id()});
  EXPECT_THAT(order(), ElementsAre("a"));
  EXPECT_TRUE(status("a").ok());
}

TEST_F(CommitterTest, FailedPartOfAcksLeavesDoubt) {
  Start();
  const absl::Status refusal =
      HubError(absl::StatusCode::kAborted, {.reason = ErrorReason::kLeaseLost});
  ASSERT_TRUE(Commit(AcksOf("half", 5000)).ok());
  hub_->Commit();
  hub_->Refuse(refusal);
  EXPECT_TRUE(absl::IsAborted(status("half")));
  EXPECT_TRUE(OutcomeIsUnknown(status("half")));
  ASSERT_TRUE(Commit(AcksOf("none", 5000)).ok());
  hub_->Refuse(refusal);
  hub_->Refuse(refusal);
  EXPECT_FALSE(OutcomeIsUnknown(status("none")));
}

TEST(TransactionLimitsTest, JoinsAcksInAnyOrder) {
  Transaction transaction;
  transaction.acks = {{.partition = 2, .lease_epoch = 5, .ranges = {{4, 5}, {2, 3}}},
                      {.partition = 1, .lease_epoch = 5, .ranges = {{7, 9}}},
                      {.partition = 2, .lease_epoch = 5, .ranges = {{3, 4}, {9, 10}, {9, 10}}}};
  EXPECT_EQ(transaction.parts(), 6u);
  JoinAcks(transaction);
  ASSERT_EQ(transaction.acks.size(), 2u);
  EXPECT_EQ(transaction.acks[0].partition, 1u);
  const std::vector<OffsetRange>& ranges = transaction.acks[1].ranges;
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].start, 2);
  EXPECT_EQ(ranges[0].end, 5);
  EXPECT_EQ(ranges[1].start, 9);
  // What is no range is left to the hub, which refuses it.
  transaction.acks[1].ranges = {{5, 5}, {1, 2}};
  JoinAcks(transaction);
  EXPECT_EQ(transaction.acks[1].ranges[0].start, 5);
}

TEST(TransactionLimitsTest, EncodesLikeTheMessage) {
  Transaction transaction = TransactionOf("id", std::string(300, 'x'));
  transaction.Append("u", {}).Append("u", {}).Expect("t", 3, 4);
  transaction.appends.push_back({.topic = "v", .partition = 4, .expected_offset = 5});
  v1::TransactAppend encoded_events;
  encoded_events.add_events()->set_id("e");
  encoded_events.add_events()->set_id("f");
  transaction.appends.back().encoded_events = encoded_events.SerializeAsString();
  transaction.subscription = "s";
  transaction.acks = {{.partition = 2, .lease_epoch = 5, .ranges = {{4, 5}}}};
  const std::string encoded = Encode(transaction, 9);
  v1::TransactStreamRequest request;
  ASSERT_TRUE(request.ParseFromString(encoded));
  EXPECT_EQ(request.correlation_id(), 9u);
  // The messages differ in the number alone.
  request.clear_correlation_id();
  EXPECT_EQ(request.SerializeAsString(), ToProto(transaction).value().SerializeAsString());
  EXPECT_GE(RequestBytes(transaction), encoded.size());
}

TEST(CommitterOptionsTest, AreChecked) {
  const auto hub = std::make_shared<testing::NiceMock<MockConnection>>();
  const auto refused = [&](CommitterOptions options) {
    return absl::IsInvalidArgument(Committer::Create(hub, options).status());
  };
  EXPECT_TRUE(refused({.max_in_flight = 0}));
  EXPECT_TRUE(refused({.max_in_flight_bytes = 0}));
  EXPECT_TRUE(refused({.deadline = absl::ZeroDuration()}));
  EXPECT_TRUE(refused({.reply_timeout = absl::ZeroDuration()}));
  EXPECT_TRUE(refused({.retry = {.multiplier = 0}}));
  EXPECT_FALSE(refused({}));
}

}  // namespace
}  // namespace eventhub::client
