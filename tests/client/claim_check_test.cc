// The claim check, and blobs in a directory.
#include "eventhub/claim_check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "eventhub/json_data.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/events.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class DirectoryBlobStoreTest : public testing::Test {
 protected:
  DirectoryBlobStoreTest() {
    auto store = DirectoryBlobStore::Open({.directory = root_, .max_blob_bytes = 1000});
    EXPECT_THAT(store, IsOk());
    store_ = *std::move(store);
  }

  // All files except the lock.
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (entry.is_regular_file() && entry.path().filename() != "lock") {
        files.push_back(entry.path().string());
      }
    }
    return files;
  }
  std::string PutOk(const std::string& data) {
    const auto uri = store_->Put(data);
    EXPECT_THAT(uri, IsOk());
    return uri.value_or("");
  }
  static void SetAge(const std::string& file, absl::Duration age) {
    const timespec time = absl::ToTimespec(absl::Now() - age);
    const timespec times[] = {time, time};
    EXPECT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  }

  const TempDirectory directory_;
  const std::string root_ = directory_ / "blobs";
  std::unique_ptr<DirectoryBlobStore> store_;
};

TEST_F(DirectoryBlobStoreTest, NamesDataByItsDigest) {
  // RFC 6920, section 8.1.
  EXPECT_EQ(PutOk("Hello World!"), "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk");
  EXPECT_EQ(PutOk("Hello World!"), PutOk("Hello World!"));
  EXPECT_THAT(Files(),
              ElementsAre(root_ + "/7f/7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d"
                                  "9069"));
  EXPECT_EQ(*store_->Get(PutOk("Hello World!")), "Hello World!");
  EXPECT_EQ(*store_->Get(PutOk("")), "");
  // Any store on the directory returns it.
  ASSERT_OK_AND_ASSIGN(const auto other, DirectoryBlobStore::Open({.directory = root_}));
  EXPECT_EQ(*other->Get(PutOk("Hello World!")), "Hello World!");
}

TEST_F(DirectoryBlobStoreTest, VerifiesWhatItReturns) {
  const std::string uri = PutOk("data");
  const std::string file = Files().front();
  std::ofstream(file) << "date";
  EXPECT_THAT(store_->Get(uri), StatusIs(absl::StatusCode::kDataLoss, file));
  std::ofstream(file) << "torn";
  std::filesystem::resize_file(file, 1);
  EXPECT_THAT(store_->Get(uri), StatusIs(absl::StatusCode::kDataLoss));
  // A torn file is replaced.
  EXPECT_EQ(*store_->Get(PutOk("data")), "data");
  std::filesystem::remove(file);
  EXPECT_THAT(store_->Get(uri), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DirectoryBlobStoreTest, RefusesWhatIsNotAName) {
  for (const char* uri : {"", "x", "https://example.com", "ni:///sha-256;", "ni:///sha-256;../../x",
                          "ni:///sha-512;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk",
                          "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGkAAAA"}) {
    EXPECT_THAT(store_->Get(uri), StatusIs(absl::StatusCode::kInvalidArgument)) << uri;
  }
}

TEST_F(DirectoryBlobStoreTest, HasALimit) {
  EXPECT_THAT(store_->Put(std::string(1000, 'x')), IsOk());
  EXPECT_THAT(store_->Put(std::string(1001, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument, "max_blob_bytes"));
  ASSERT_OK_AND_ASSIGN(const auto wide, DirectoryBlobStore::Open({.directory = root_}));
  ASSERT_OK_AND_ASSIGN(const std::string uri, wide->Put(std::string(1001, 'x')));
  EXPECT_THAT(store_->Get(uri), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(DirectoryBlobStoreTest, ChecksItsOptions) {
  EXPECT_THAT(DirectoryBlobStore::Open({}),
              StatusIs(absl::StatusCode::kInvalidArgument, "directory"));
  EXPECT_THAT(DirectoryBlobStore::Open({.directory = root_, .max_blob_bytes = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, "max_blob_bytes"));
  EXPECT_THAT(DirectoryBlobStore::Open({.directory = root_ + "/not/there"}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DirectoryBlobStoreTest, DeletesWhatIsNotUsed) {
  const std::string old = PutOk("old");
  const std::string again = PutOk("used again");
  for (const std::string& file : Files()) SetAge(file, absl::Hours(48));
  const std::string fresh = PutOk("new");
  PutOk("used again");
  const std::string remains = std::filesystem::path(Files().front()).parent_path() / "writing-1234";
  std::ofstream(remains) << "half";
  SetAge(remains, absl::Hours(48));
  std::ofstream(root_ + "/README") << "not a blob";
  SetAge(root_ + "/README", absl::Hours(48));
  ASSERT_OK_AND_ASSIGN(const DirectoryBlobStore::CleanUp done,
                       store_->DeleteUnusedSince(absl::Now() - absl::Hours(24)));
  EXPECT_EQ(done.deleted, 2u);
  EXPECT_EQ(done.deleted_bytes, 7u);
  EXPECT_EQ(done.kept, 2u);
  EXPECT_EQ(done.kept_bytes, 13u);
  EXPECT_THAT(store_->Get(old), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->Get(again), IsOk());
  EXPECT_THAT(store_->Get(fresh), IsOk());
  EXPECT_TRUE(std::filesystem::exists(root_ + "/README"));
}

TEST_F(DirectoryBlobStoreTest, KeepsWhatIsPutMeanwhile) {
  PutOk("data");
  const std::string file = Files().front();
  for (int i = 0; i < 200; ++i) {
    if (std::filesystem::exists(file)) SetAge(file, absl::Hours(48));
    std::thread clean(
        [&] { EXPECT_THAT(store_->DeleteUnusedSince(absl::Now() - absl::Hours(24)), IsOk()); });
    const std::string uri = PutOk("data");
    clean.join();
    ASSERT_THAT(store_->Get(uri), IsOk());
  }
}

class ClaimCheckTest : public DirectoryBlobStoreTest {
 protected:
  const ClaimCheck claims_ =
      ClaimCheck(*DirectoryBlobStore::Open({.directory = root_}), /*threshold=*/10);
};

TEST_F(ClaimCheckTest, DepositsLargeData) {
  v1::Event event = MakeEvent("a", "key", "[1,2,3,4,5,6]");
  (*event.mutable_attributes())["other"].set_string("stays");
  const v1::Event before = event;
  ASSERT_THAT(claims_.Deposit(event), IsOk());
  EXPECT_TRUE(ClaimCheck::IsDeposited(event));
  EXPECT_THAT(event.data(), IsEmpty());
  EXPECT_THAT(event.attributes().at("dataref").uri_ref(), StartsWith("ni:///sha-256;"));
  const v1::Event deposited = event;
  ASSERT_THAT(claims_.Deposit(event), IsOk());
  EXPECT_EQ(event.ShortDebugString(), deposited.ShortDebugString());
  EXPECT_EQ(*claims_.Decode<std::vector<int>>(event), std::vector<int>({1, 2, 3, 4, 5, 6}));
  ASSERT_THAT(claims_.Redeem(event), IsOk());
  EXPECT_EQ(event.ShortDebugString(), before.ShortDebugString());
  EXPECT_FALSE(ClaimCheck::IsDeposited(event));
  EXPECT_EQ(*claims_.Decode<std::vector<int>>(event), std::vector<int>({1, 2, 3, 4, 5, 6}));
}

TEST_F(ClaimCheckTest, LeavesSmallDataAlone) {
  v1::Event event = MakeEvent("a", "", "0123456789");
  const v1::Event before = event;
  EXPECT_THAT(claims_.Deposit(event), IsOk());
  EXPECT_THAT(claims_.Redeem(event), IsOk());
  EXPECT_EQ(event.ShortDebugString(), before.ShortDebugString());
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(ClaimCheckTest, FollowsReferencesOfOtherPrograms) {
  v1::Event event = MakeEvent("a");
  v1::AttributeValue& reference = (*event.mutable_attributes())["dataref"];
  reference.set_string(PutOk("from JSON"));
  EXPECT_THAT(claims_.Redeem(event), IsOk());
  EXPECT_EQ(event.data(), "from JSON");
  // By the specification, data that is present equals the referenced data.
  (*event.mutable_attributes())["dataref"].set_uri("https://example.com/1");
  EXPECT_THAT(claims_.Redeem(event), IsOk());
  EXPECT_EQ(event.data(), "from JSON");
}

TEST_F(ClaimCheckTest, AnEventWithoutItsDataIsLeftAsItIs) {
  v1::Event event = MakeEvent("a", "", std::string(100, 'x'));
  ASSERT_THAT(claims_.Deposit(event), IsOk());
  const std::string uri = event.attributes().at("dataref").uri_ref();
  std::filesystem::remove(Files().front());
  const v1::Event before = event;
  EXPECT_THAT(claims_.Redeem(event), StatusIs(absl::StatusCode::kNotFound, uri));
  EXPECT_THAT(claims_.Decode<std::vector<int>>(event), StatusIs(absl::StatusCode::kNotFound, uri));
  EXPECT_EQ(event.ShortDebugString(), before.ShortDebugString());
  (*event.mutable_attributes())["dataref"].set_integer(7);
  EXPECT_THAT(claims_.Redeem(event), StatusIs(absl::StatusCode::kInvalidArgument, "dataref"));
}

}  // namespace
}  // namespace eventhub::client
