// The available memory, and how it is divided.
#include "server/main/memory_plan.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "server/main/machine_memory.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kGiB = size_t{1} << 30;

class MachineMemoryTest : public testing::Test {
 protected:
  MachineMemoryTest() { Write("/proc/meminfo", "MemTotal:       8388608 kB\nMemFree: 1 kB\n"); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_.path() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  MachineMemory Look() { return ThisMachine(root_.path()); }

  TempDirectory root_;
};

TEST_F(MachineMemoryTest, DefaultsToHalfOfMachineWithoutControlGroup) {
  EXPECT_EQ(Look().physical, 8 * kGiB);
  EXPECT_FALSE(Look().cgroup.has_value());
  EXPECT_EQ(DefaultMemoryLimit(Look()), 4 * kGiB);
}

TEST_F(MachineMemoryTest, DefaultsToThreeQuartersOfSmallestCgroupV2Limit) {
  Write("/proc/self/cgroup", "0::/pods/hub\n");
  Write("/sys/fs/cgroup/pods/memory.max", "2147483648\n");
  Write("/sys/fs/cgroup/pods/hub/memory.max", "max\n");
  EXPECT_EQ(Look().cgroup, 2 * kGiB);
  EXPECT_EQ(DefaultMemoryLimit(Look()), 1536 * kMiB);
  Write("/sys/fs/cgroup/pods/hub/memory.max", "536870912\n");
  EXPECT_EQ(DefaultMemoryLimit(Look()), 384 * kMiB);
}

TEST_F(MachineMemoryTest, ReadsCgroupV1Limit) {
  Write("/proc/self/cgroup", "7:cpu,cpuacct:/x\n5:memory:/docker/hub\n");
  Write("/sys/fs/cgroup/memory/docker/hub/memory.limit_in_bytes", "1073741824\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Look().cgroup, 1 * kGiB);
}

// In a container, the group is mounted as the root.
TEST_F(MachineMemoryTest, FallsBackToRootControlGroup) {
  Write("/proc/self/cgroup", "0::/not/here\n");
  Write("/sys/fs/cgroup/memory.max", "1073741824\n");
  EXPECT_EQ(Look().cgroup, 1 * kGiB);
}

TEST_F(MachineMemoryTest, IgnoresLimitAbovePhysicalMemory) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/memory.max", "17179869184\n");
  EXPECT_EQ(DefaultMemoryLimit(Look()), 4 * kGiB);
}

TEST_F(MachineMemoryTest, HasMinimumLimit) {
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/memory.max", "67108864\n");
  EXPECT_EQ(DefaultMemoryLimit(Look()), 128 * kMiB);
}

TEST(MemoryPlanTest, LeavesReserveAtEveryLimit) {
  for (size_t limit = 128 * kMiB; limit <= 64 * kGiB; limit *= 2) {
    const MemoryPlan plan = MemoryPlan::For(limit);
    EXPECT_LE(plan.Sum(), limit / 100 * 90) << limit;
    ServerOptions options;
    plan.ApplyTo(options);
    EXPECT_GE(options.broker.max_partitions, 24'000u);
    EXPECT_GE(options.frame_bytes, 16 * kMiB);
  }
}

}  // namespace
}  // namespace eventhub
