// Counts the allocations of a pipeline per event.

#include <memory>
#include <string>

#include "client/processor/engine.h"
#include "tests/client/processor/processor_fixture.h"
#include "tests/filter/allocations.h"
#include "tests/support/fake_clock.h"

namespace eventhub::processor {
namespace {

using internal::Engine;

// Settles at once, without transactions.
class SilentHost final : public internal::Host {
 public:
  void Settle(internal::Trigger&, client::Outcome) override { ++settled_; }
  void Block(absl::AnyInvocable<void() &&>, absl::AnyInvocable<void() &&>) override {}
  void ReadBack(uint32_t, int64_t, int64_t, absl::AnyInvocable<void(absl::Status) &&>) override {}
  void Commit(client::Transaction, absl::AnyInvocable<void(absl::Status) &&>) override {}
  void ReadState(const std::string&, const std::string&, internal::TakeStoredState) override {}

  int settled_ = 0;
};

// Allocations for an event, once the engine has handled a few.
int AllocationsFor(const AnyPipeline& pipeline) {
  SilentHost host;
  const FakeClock clock;
  auto engine = Engine::Create(Rules({pipeline}), host, clock, 1);
  EXPECT_THAT(engine, IsOk());
  const std::string bytes =
      MakeEvent("an-id-that-is-not-short", "a-key-that-is-not-short").SerializeAsString();
  const auto take = [&] {
    (*engine)->strand().Run(
        [&] { (*engine)->Take({.bytes = bytes, .arrival = {}, .session = 1}); });
  };
  for (int i = 0; i < 100; ++i) take();
  constexpr int kEvents = 1000;
  const int before = Allocations();
  for (int i = 0; i < kEvents; ++i) take();
  const int allocations = Allocations() - before;
  EXPECT_EQ(host.settled_, 100 + kEvents);
  EXPECT_LT(allocations % kEvents, 10) << "only now and then";
  return allocations / kEvents;
}

TEST(AllocationTest, AnEventThatNobodyWantsCostsNone) {
  EXPECT_EQ(AllocationsFor(Pipeline("p").On({"other"})), 0);
}

TEST(AllocationTest, AUnitIsOneAllocationHoweverManySteps) {
  EXPECT_EQ(AllocationsFor(Pipeline("p")), 1);
  EXPECT_EQ(AllocationsFor(Pipeline("p")
                               .On({"test.happened"})
                               .Filter([](const v1::Event& event) { return !event.id().empty(); })
                               .Map([](const v1::Event&) { return Number{1}; })
                               .Map([](const Number& number) { return number.value * 2.0; })
                               .Filter([](const double& value) { return value < 0; })),
            1);
}

}  // namespace
}  // namespace eventhub::processor
