#include "tests/support/hub_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

std::string FileContents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

// In the child, after fork: only async-signal-safe calls.
[[noreturn]] void Exec(const std::vector<char*>& arguments, int log, const char* procs_file) {
  if (*procs_file != '\0') {
    const int group = open(procs_file, O_WRONLY | O_CLOEXEC);
    if (write(group, "0", 1) != 1) _exit(126);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (log >= 0) dup2(log, STDERR_FILENO);
  execv(EVENTHUBD, arguments.data());
  _exit(127);
}

}  // namespace

HubProcess::HubProcess(std::string directory, std::vector<std::string> flags)
    : directory_(std::move(directory)), flags_(std::move(flags)) {}

HubProcess::~HubProcess() {
  if (running()) Kill();
}

absl::Duration HubProcess::Start() {
  const std::string port_file = directory_ + "/ports";
  std::filesystem::remove(port_file);
  std::vector<std::string> arguments = {EVENTHUBD, "--data_dir=" + directory_ + "/data",
                                        "--listen=127.0.0.1:0", "--port_file=" + port_file};
  arguments.insert(arguments.end(), flags_.begin(), flags_.end());
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log_path = directory_ + "/log";
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

  const absl::Time start = absl::Now();
  const pid_t child = fork();
  if (child == 0) Exec(argv, log, procs_file_.c_str());
  close(log);
  pid_ = child;
  const bool serves = Eventually([&] {
    int status;
    if (waitpid(pid_, &status, WNOHANG) == pid_) pid_ = 0;
    return !running() || std::filesystem::exists(port_file);
  });
  const absl::Duration took = absl::Now() - start;
  EXPECT_TRUE(serves && running()) << "the daemon does not start: " << Log();
  address_ = FileContents(port_file);
  address_ = address_.substr(0, address_.find('\n'));
  return took;
}

void HubProcess::Terminate() { kill(pid_, SIGTERM); }

int HubProcess::Wait() {
  int status = 0;
  waitpid(std::exchange(pid_, 0), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void HubProcess::Kill() {
  kill(pid_, SIGKILL);
  Wait();
}

std::string HubProcess::Log() const { return FileContents(directory_ + "/log"); }

size_t HubProcess::AnonymousBytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  size_t total = 0;
  size_t resident = 0;
  size_t shared = 0;
  file >> total >> resident >> shared;
  return (resident - shared) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

size_t HubProcess::ResidentBytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  size_t total = 0;
  size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace eventhub
