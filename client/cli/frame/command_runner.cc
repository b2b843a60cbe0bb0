#include "client/cli/frame/command_runner.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr size_t kLastErrorBytes = 512;

// Owns a file descriptor.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor() { Close(); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::Status SpawnError(int error, const std::string& program) {
  const std::string message = absl::StrCat("cannot run '", program, "': ", std::strerror(error));
  switch (error) {
    case E2BIG:
      return absl::InvalidArgumentError(message);
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::FailedPreconditionError(message);
  }
}

// Writes `input` to a file in memory and rewinds it.
absl::Status FillInput(int fd, absl::string_view input) {
  while (!input.empty()) {
    const ssize_t written = write(fd, input.data(), input.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ResourceExhaustedError("no memory for the input of a command");
    input.remove_prefix(static_cast<size_t>(written));
  }
  lseek(fd, 0, SEEK_SET);
  return absl::OkStatus();
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

absl::StatusOr<pid_t> Spawn(const CommandSpec& spec, int input, int errors) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const absl::Cleanup destroy = [&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  };
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, spec.words.front().c_str(), &actions, &attributes,
                                 Pointers(spec.words).data(), Pointers(spec.environment).data());
  if (error != 0) return SpawnError(error, spec.words.front());
  return pid;
}

// Keeps the last line of a text that arrives in parts.
class LastLine {
 public:
  void Add(absl::string_view text) {
    for (const char c : text) {
      if (c == '\n') {
        Complete();
      } else if (line_.size() < kLastErrorBytes) {
        line_.push_back(c);
      }
    }
  }

  std::string Take() {
    Complete();
    return std::move(last_);
  }

 private:
  // Ignores empty lines.
  void Complete() {
    if (!absl::StripAsciiWhitespace(line_).empty()) {
      last_ = std::string(absl::StripAsciiWhitespace(line_));
    }
    line_.clear();
  }

  std::string line_;
  std::string last_;
};

// Forwards the available output without waiting. Returns false at the end.
bool PassOn(int from, LastLine& last) {
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t count = read(from, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    const absl::string_view text(buffer.data(), static_cast<size_t>(count));
    last.Add(text);
    // Output that stderr refuses is lost, as if the command had written it there itself.
    if (write(STDERR_FILENO, text.data(), text.size()) < 0) continue;
  }
}

// Forwards stderr until the command has ended. Its children may outlive it and keep stderr open.
void PassOnErrors(pid_t pid, int from, LastLine& last) {
  // glibc's pidfd_open() cannot be linked from C++ before 2.37.
  const FileDescriptor ended(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  std::array<pollfd, 2> fds = {{{from, POLLIN, 0}, {ended.get(), POLLIN, 0}}};
  while (true) {
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    const bool over = fds[1].revents != 0;
    if (!PassOn(from, last) || over) return;
  }
}

absl::StatusOr<int> WaitFor(pid_t pid, const std::string& program) {
  int status = 0;
  pid_t ended = -1;
  do {
    ended = waitpid(pid, &status, 0);
  } while (ended < 0 && errno == EINTR);
  if (ended == pid) return status;
  return absl::UnknownError(
      absl::StrCat("it is not known how '", program, "' ended: ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitCommand(absl::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == 0 && absl::ascii_isspace(static_cast<unsigned char>(c))) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '\\' && quote != '\'' && i + 1 < text.size() &&
        (quote == 0 || text[i + 1] == '"' || text[i + 1] == '\\')) {
      words.back().push_back(text[++i]);
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      words.back().push_back(c);
    }
  }
  if (quote != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the command has a ", std::string(1, quote), " without an end"));
  }
  if (words.empty()) return absl::InvalidArgumentError("the command is empty");
  return words;
}

void ExpectCommands() { std::signal(SIGCHLD, SIG_DFL); }

absl::StatusOr<CommandResult> RunCommand(const CommandSpec& spec) {
  const FileDescriptor input(memfd_create("event", MFD_CLOEXEC));
  std::array<int, 2> ends = {-1, -1};
  if (input.get() < 0 || pipe2(ends.data(), O_CLOEXEC) != 0) {
    return SpawnError(errno, spec.words.front());
  }
  const FileDescriptor errors(ends[0]);
  FileDescriptor command_errors(ends[1]);
  fcntl(errors.get(), F_SETFL, O_NONBLOCK);
  RETURN_IF_ERROR(FillInput(input.get(), spec.input));
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(spec, input.get(), command_errors.get()));
  command_errors.Close();
  LastLine last;
  PassOnErrors(pid, errors.get(), last);
  ASSIGN_OR_RETURN(const int status, WaitFor(pid, spec.words.front()));
  return CommandResult{.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                       .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                       .last_error = last.Take()};
}

absl::Status CheckProgram(const std::string& program) {
  const char* const path = std::getenv("PATH");
  std::vector<std::string> folders = {""};
  if (program.find('/') == std::string::npos) {
    folders = absl::StrSplit(path != nullptr ? path : "/bin:/usr/bin", ':');
  }
  for (const std::string& folder : folders) {
    const std::string file = folder.empty() ? program : absl::StrCat(folder, "/", program);
    if (access(file.c_str(), X_OK) == 0) return absl::OkStatus();
  }
  return SpawnError(ENOENT, program);
}

}  // namespace eventhub::cli
