// A lake in a directory.
#include "server/lake/store/directory_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "tests/server/seeded.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"

namespace eventhub::lake {
namespace {

using Mode = DirectoryStore::Mode;
using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

std::unique_ptr<DirectoryStore> OpenStore(const std::string& path) {
  auto store = DirectoryStore::Open(path, Mode::kCreate);
  EXPECT_THAT(store, IsOk());
  return *std::move(store);
}

std::vector<std::string> FilesIn(const std::string& path) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) {
      files.push_back(std::filesystem::relative(entry.path(), path).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 0777;
}

TEST(DirectoryStore, StoresAndReadsObjects) {
  TempDirectory directory;
  const auto store = OpenStore(directory / "lake");
  ASSERT_THAT(store->Put("a/b/c", "hello"), IsOk());
  EXPECT_EQ(*store->Get("a/b/c", 0, ObjectStore::kToEnd), "hello");
  EXPECT_EQ(*store->Get("a/b/c", 1, 3), "ell");
  EXPECT_EQ(*store->Get("a/b/c", 5, 3), "");
  EXPECT_THAT(store->Get("a/b/c", 6, 1), StatusIs(StatusCode::kInvalidArgument, "a/b/c"));
  EXPECT_EQ(*store->Size("a/b/c"), 5u);
  ASSERT_THAT(store->Put("a/b/c", "other"), IsOk());
  EXPECT_EQ(*store->Get("a/b/c", 0, 5), "other");
  EXPECT_THAT(store->Get("a/b", 0, 1), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(store->Get("a/d", 0, 1), StatusIs(StatusCode::kNotFound, "a/d"));
  EXPECT_THAT(store->Size("a/d"), StatusIs(StatusCode::kNotFound));
  ASSERT_THAT(store->Delete("a/b/c"), IsOk());
  EXPECT_THAT(store->Delete("a/b/c"), IsOk());
  EXPECT_THAT(store->Get("a/b/c", 0, 1), StatusIs(StatusCode::kNotFound));
  EXPECT_EQ(ModeOf(directory / "lake"), 0700u);
  EXPECT_EQ(ModeOf(directory / "lake/a/b"), 0700u);
}

TEST(DirectoryStore, PutIfAbsentKeepsTheFirst) {
  TempDirectory directory;
  const auto store = OpenStore(directory / "lake");
  ASSERT_THAT(store->PutIfAbsent("x/1", "first"), IsOk());
  EXPECT_THAT(store->PutIfAbsent("x/1", "second"), StatusIs(StatusCode::kAlreadyExists));
  EXPECT_EQ(*store->Get("x/1", 0, 9), "first");
  EXPECT_EQ(ModeOf(directory / "lake/x/1"), 0600u);
  EXPECT_THAT(FilesIn(directory / "lake"), ElementsAre("x/1"));
}

TEST(DirectoryStore, OfManyWritersOneSucceeds) {
  TempDirectory directory;
  const auto store = OpenStore(directory / "lake");
  std::atomic<int> stored{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&store, &stored, i] {
      for (int n = 0; n < 20; ++n) {
        if (store->PutIfAbsent("s/" + std::to_string(n), std::to_string(i)).ok()) ++stored;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, 20);
}

TEST(DirectoryStore, ObjectsAppearWhole) {
  TempDirectory directory;
  const auto store = OpenStore(directory / "lake");
  {
    auto sink = store->Create("t/1");
    ASSERT_THAT(sink, IsOk());
    ASSERT_THAT((*sink)->Append("one "), IsOk());
    ASSERT_THAT((*sink)->Append("two"), IsOk());
    EXPECT_THAT(store->Get("t/1", 0, 1), StatusIs(StatusCode::kNotFound));
    EXPECT_THAT(store->List("", "", 10)->objects, IsEmpty());
    ASSERT_THAT((*sink)->Commit(), IsOk());
    EXPECT_EQ(*store->Get("t/1", 0, 100), "one two");
    EXPECT_THAT((*sink)->Append("three"), StatusIs(StatusCode::kFailedPrecondition));
  }
  {
    auto sink = store->Create("t/2");
    ASSERT_THAT(sink, IsOk());
    ASSERT_THAT((*sink)->Append("gone"), IsOk());
  }
  EXPECT_THAT(FilesIn(directory / "lake"), ElementsAre("t/1"));
}

TEST(DirectoryStore, WhatACrashLeavesIsRemovedByTheOwnerOnly) {
  TempDirectory directory;
  const auto store = OpenStore(directory / "lake");
  // As a process that is killed leaves it.
  ASSERT_EQ(
      fork() == 0 ? (void(store->Create("t/1").value().release()->Append("half")), _exit(0), 0) : 0,
      0);
  while (FilesIn(directory / "lake").empty()) std::this_thread::yield();
  const auto again = OpenStore(directory / "lake");
  EXPECT_THAT(again->List("", "", 10)->objects, IsEmpty());
  EXPECT_EQ(FilesIn(directory / "lake").size(), 1u);
  EXPECT_THAT(again->RemoveLeftovers(), IsOk());
  EXPECT_THAT(FilesIn(directory / "lake"), IsEmpty());
}

TEST(DirectoryStore, RefusesNames) {
  TempDirectory directory;
  const auto store = OpenStore(directory / "lake");
  for (const std::string& name :
       {std::string(), std::string("/a"), std::string("a//b"), std::string("a/"),
        std::string("../a"), std::string("a/./b"), std::string(".tmp/1"), std::string("a\nb"),
        std::string("a\0b", 3), std::string(256, 'a'),
        std::string("a/") + std::string(1030, 'b')}) {
    EXPECT_THAT(store->Put(name, "x"), StatusIs(StatusCode::kInvalidArgument)) << name;
    EXPECT_THAT(store->PutIfAbsent(name, "x"), StatusIs(StatusCode::kInvalidArgument)) << name;
    EXPECT_THAT(store->Create(name), StatusIs(StatusCode::kInvalidArgument)) << name;
    EXPECT_THAT(store->Get(name, 0, 1), StatusIs(StatusCode::kInvalidArgument)) << name;
    EXPECT_THAT(store->Delete(name), StatusIs(StatusCode::kInvalidArgument)) << name;
  }
}

TEST(DirectoryStore, OpeningSaysWhatIsMissing) {
  TempDirectory directory;
  EXPECT_THAT(DirectoryStore::Open(directory / "lake", Mode::kRead),
              StatusIs(StatusCode::kNotFound, "lake"));
  EXPECT_THAT(DirectoryStore::Open(directory / "no/lake", Mode::kCreate),
              StatusIs(StatusCode::kNotFound, "no/lake"));
  std::ofstream(directory / "file") << "x";
  EXPECT_THAT(DirectoryStore::Open(directory / "file", Mode::kCreate),
              StatusIs(StatusCode::kNotFound, "file"));
}

class DirectoryStoreRandom : public SeededTest {};

TEST_F(DirectoryStoreRandom, ListsInOrderOfBytesPageByPage) {
  TempDirectory directory;
  const auto store = OpenStore(directory / "lake");
  std::set<std::string> names;
  const char* const kSegments[] = {"a", "a-", "a.b", "a0", "b", "ab", "Z"};
  for (int i = 0; i < 60; ++i) {
    std::string name;
    for (int64_t depth = Int(0, 2); depth >= 0; --depth) {
      name += std::string(kSegments[Int(0, 6)]) + (depth > 0 ? "/" : "!");
    }
    ASSERT_THAT(store->Put(name, "x"), IsOk());
    names.insert(name);
  }
  for (const std::string& prefix : {std::string(), std::string("a"), std::string("a/"),
                                    std::string("a-/a"), std::string("nothing/")}) {
    std::vector<std::string> expected;
    for (const std::string& name : names) {
      if (name.rfind(prefix, 0) == 0) expected.push_back(name);
    }
    for (const size_t limit : {size_t{1}, size_t{3}, size_t{1000}}) {
      std::vector<std::string> listed;
      for (bool more = true; more;) {
        const auto page = store->List(prefix, listed.empty() ? "" : listed.back(), limit);
        ASSERT_THAT(page, IsOk());
        ASSERT_LE(page->objects.size(), limit);
        for (const ObjectInfo& object : page->objects) listed.push_back(object.name);
        more = page->more;
      }
      EXPECT_EQ(listed, expected) << prefix;
    }
  }
}

}  // namespace
}  // namespace eventhub::lake
