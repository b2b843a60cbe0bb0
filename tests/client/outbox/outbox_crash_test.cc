// The publishing process and the hub are killed with SIGKILL in the middle of their work,
// repeatedly: what was accepted is in the log exactly once, and in order per key.
//
// EVENTHUB_TEST_CRASH_SEED repeats a run, EVENTHUB_TEST_CRASH_ROUNDS makes it longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/crash/crash_rounds.h"
#include "tests/support/env_number.h"
#include "tests/support/hub_calls.h"
#include "tests/support/hub_process.h"
#include "tests/support/postgres_server.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

// A child process whose lines on standard output are collected until it ends.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments) {
    std::vector<char*> argv;
    argv.push_back(const_cast<char*>(OUTBOX_PROCESS));
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    int pipe_fds[2];
    EXPECT_EQ(pipe(pipe_fds), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(pipe_fds[1], STDOUT_FILENO);
      close(pipe_fds[0]);
      close(pipe_fds[1]);
      execv(OUTBOX_PROCESS, argv.data());
      _exit(127);
    }
    close(pipe_fds[1]);
    reader_ = std::thread([this, fd = pipe_fds[0]] { ReadAll(fd); });
  }
  void Kill() { kill(pid_, SIGKILL); }
  // Returns the exit code, or minus the signal that killed it.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    reader_.join();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  // After Wait: the complete lines.
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines = absl::StrSplit(output_, '\n');
    lines.pop_back();
    return lines;
  }

 private:
  void ReadAll(int fd) {
    char buffer[64 * 1024];
    for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
      output_.append(buffer, static_cast<size_t>(n));
    }
    close(fd);
  }

  pid_t pid_;
  std::string output_;
  std::thread reader_;
};

class OutboxCrashTest : public testing::TestWithParam<const char*> {
 protected:
  OutboxCrashTest()
      : seed_(EnvNumber("EVENTHUB_TEST_CRASH_SEED", std::random_device()())),
        random_(seed_),
        hub_(directory_.path()) {
    std::cout << "EVENTHUB_TEST_CRASH_SEED=" << seed_ << std::endl;
  }

  void RandomPause() {
    // Not synchronisation: the time of death is what is random.
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random_() % 300));
  }
  // Where the outbox is.
  std::string Place() const {
    return server_ == nullptr ? directory_ / "outbox" : server_->options();
  }
  std::vector<std::string> Arguments(const std::string& mode) const {
    return {hub_.address(), Place(), mode};
  }

  const uint64_t seed_;
  CrashRounds rounds_{5};
  std::mt19937_64 random_;
  TempDirectory directory_;
  HubProcess hub_;
  std::unique_ptr<PostgresServer> server_;  // If it is in one.
};

TEST_P(OutboxCrashTest, AcceptedIsInTheLogExactlyOnceAndInOrder) {
  const std::string mode = GetParam();
  if (mode == "postgres") {
    server_ = std::make_unique<PostgresServer>();
    if (!server_->running()) GTEST_SKIP() << "this machine has no PostgreSQL";
  }
  hub_.Start();
  {
    HubClient client(hub_.address());
    CreateTopic(client, "t", /*partitions=*/3);
  }
  std::set<std::string> accepted;
  const auto collect = [&accepted](const Child& child) {
    const std::vector<std::string> lines = child.Lines();
    accepted.insert(lines.begin(), lines.end());
  };
  while (rounds_.Next(!accepted.empty())) {
    std::vector<std::string> arguments = Arguments(mode);
    arguments.push_back(absl::StrCat(rounds_.begun()));
    Child service(arguments);
    RandomPause();
    const uint64_t kind = random_() % 3;
    if (kind != 0) {
      hub_.Kill();
      if (kind == 1) RandomPause();  // The service goes on without the hub, on its old address.
    }
    service.Kill();
    EXPECT_EQ(service.Wait(), -SIGKILL);
    collect(service);
    if (kind != 0) hub_.Start();
  }
  const bool relays = mode == "relay" || mode == "postgres";
  Child drain(Arguments(relays ? absl::StrCat("drain-", mode) : "drain"));
  ASSERT_EQ(drain.Wait(), 0);

  HubClient client(hub_.address());
  const ReadOutcome outcome = ReadAll(client, ReadOf("t"));
  ASSERT_THAT(outcome.status, IsOk());
  std::set<std::string> ids;
  std::map<std::string, std::pair<uint64_t, uint64_t>> last;  // By key.
  for (const v1::ReadResponse& response : outcome.responses) {
    for (const v1::EventBatch& batch : response.batches()) {
      for (const v1::Event& event : batch.events()) {
        EXPECT_TRUE(ids.insert(event.id()).second) << event.id() << " is twice";
        const std::vector<std::string> parts = absl::StrSplit(event.id(), '/');
        std::pair<uint64_t, uint64_t> number;
        ASSERT_TRUE(absl::SimpleAtoi(parts[0], &number.first));
        ASSERT_TRUE(absl::SimpleAtoi(parts[1], &number.second));
        ++number.second;
        EXPECT_LT(last[event.partition_key()], number) << event.id();
        last[event.partition_key()] = number;
      }
    }
  }
  for (const std::string& id : accepted) EXPECT_EQ(ids.count(id), 1u) << id << " is lost";
  std::cout << accepted.size() << " events accepted, " << ids.size() << " in the log\n";
}

INSTANTIATE_TEST_SUITE_P(Modes, OutboxCrashTest,
                         testing::Values("always", "spill", "relay", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace eventhub
