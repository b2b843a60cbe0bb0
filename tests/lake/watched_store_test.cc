#include "server/lake/store/watched_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/lake/memory_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"

namespace eventhub::lake {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Has nothing, and remembers the calls that need not be implemented by every store.
class Upkeep final : public ObjectStore {
 public:
  explicit Upkeep(std::vector<std::string>& calls) : calls_(calls) {}

  absl::StatusOr<std::unique_ptr<ObjectSink>> Create(absl::string_view) override {
    return Refuse();
  }
  absl::Status PutIfAbsent(absl::string_view, absl::string_view) override { return Refuse(); }
  absl::Status Put(absl::string_view, absl::string_view) override { return Refuse(); }
  absl::StatusOr<std::string> Get(absl::string_view, uint64_t, uint64_t) const override {
    return Refuse();
  }
  absl::StatusOr<uint64_t> Size(absl::string_view) const override { return Refuse(); }
  absl::StatusOr<ObjectPage> List(absl::string_view, absl::string_view, size_t) const override {
    return Refuse();
  }
  absl::Status Delete(absl::string_view) override { return Refuse(); }
  std::string Describe() const override { return "upkeep"; }

  absl::Status RemoveOldVersions(absl::string_view name) override {
    calls_.push_back(absl::StrCat("versions of ", name));
    return Refuse();
  }
  absl::Status RemoveLeftovers() override {
    calls_.emplace_back("leftovers");
    return Refuse();
  }
  void Interrupt() override { calls_.emplace_back("interrupt"); }

 private:
  static absl::Status Refuse() { return absl::PermissionDeniedError("nothing is here"); }

  std::vector<std::string>& calls_;
};

TEST(WatchedStoreTest, PassesOnWhatStoresNeedNotHave) {
  std::vector<std::string> made;
  const auto store = WatchStore(std::make_unique<Upkeep>(made), std::make_shared<StoreCalls>());
  EXPECT_THAT(store->RemoveOldVersions("keys"), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(store->RemoveLeftovers(), StatusIs(absl::StatusCode::kPermissionDenied));
  store->Interrupt();
  EXPECT_THAT(made, ElementsAre("versions of keys", "leftovers", "interrupt"));
}

TEST(WatchedStoreTest, TellsWhichCallsAreInProgress) {
  FakeClock clock;
  const auto calls = std::make_shared<StoreCalls>(clock);
  auto inner = std::make_unique<MemoryStore>();
  MemoryStore& memory = *inner;
  const auto store = WatchStore(std::move(inner), calls);
  std::vector<std::string> seen;
  memory.set_faults([&](MemoryStore::Call, absl::string_view) {
    clock.Advance(absl::Milliseconds(2500));
    for (std::string& call : calls->Describe()) seen.push_back(std::move(call));
    return MemoryStore::Fault();
  });
  const auto during = [&seen](const auto& call) {
    seen.clear();
    call();
    return seen;
  };

  EXPECT_THAT(during([&] { EXPECT_THAT(store->PutIfAbsent("a/b", "1"), IsOk()); }),
              ElementsAre("writing memory/a/b, for 2s"));
  EXPECT_THAT(during([&] { EXPECT_THAT(store->Put("a/b", "12"), IsOk()); }),
              ElementsAre("writing memory/a/b, for 2s"));
  EXPECT_THAT(during([&] { EXPECT_EQ(*store->Get("a/b", 1, 1), "2"); }),
              ElementsAre("reading memory/a/b, for 2s"));
  EXPECT_THAT(during([&] { EXPECT_EQ(*store->Size("a/b"), 2u); }),
              ElementsAre("looking at memory/a/b, for 2s"));
  std::unique_ptr<ObjectSink> sink;
  EXPECT_THAT(during([&] { sink = *store->Create("c"); }),
              ElementsAre("creating memory/c, for 2s"));
  EXPECT_THAT(during([&] { EXPECT_THAT(sink->Append("x"), IsOk()); }),
              ElementsAre("writing memory/c, for 2s"));
  EXPECT_THAT(during([&] { EXPECT_THAT(sink->Commit(), IsOk()); }),
              ElementsAre("completing memory/c, for 2s"));
  EXPECT_THAT(during([&] { EXPECT_THAT(store->Delete("c"), IsOk()); }),
              ElementsAre("deleting memory/c, for 2s"));
  EXPECT_THAT(calls->Describe(), IsEmpty());
  EXPECT_EQ(store->List("", "", 10)->objects.size(), 1u);
  EXPECT_EQ(store->Describe(), "memory");
}

TEST(WatchedStoreTest, TheLongestCallIsTheFirst) {
  FakeClock clock;
  const auto calls = std::make_shared<StoreCalls>(clock);
  auto inner = std::make_unique<MemoryStore>();
  MemoryStore& memory = *inner;
  const auto store = WatchStore(std::move(inner), calls);
  std::vector<std::string> seen;
  memory.set_faults([&](MemoryStore::Call, absl::string_view name) {
    clock.Advance(absl::Seconds(60));
    // A call of another thread comes to the same.
    if (name == "first") {
      EXPECT_THAT(store->Put("second", ""), IsOk());
    }
    if (name == "second") seen = calls->Describe();
    return MemoryStore::Fault();
  });
  EXPECT_THAT(store->Get("first", 0, 1), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(seen, ElementsAre("reading memory/first, for 2m", "writing memory/second, for 1m"));
}

}  // namespace
}  // namespace eventhub::lake
