#include "tests/benchmark/measure.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

namespace eventhub::benchmark {

double Stopwatch::Seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

double Percentile(std::vector<double>& samples, double fraction) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto index = static_cast<size_t>(fraction * static_cast<double>(samples.size()));
  return samples[std::min(index, samples.size() - 1)];
}

double CpuSeconds(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // The command, in parentheses, may contain spaces; fields 3 and up follow it.
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream fields(text.substr(end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int64_t ResidentBytes(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  int64_t total = 0;
  int64_t resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

void PrintResult(const std::string& name, const Result& result) {
  std::string line = "{\"name\":\"" + name + "\"";
  for (const auto& [key, value] : result) {
    char number[64];
    std::snprintf(number, sizeof(number), "%.9g", value);
    line += ",\"" + key + "\":" + number;
  }
  std::puts((line + "}").c_str());
  std::fflush(stdout);
}

}  // namespace eventhub::benchmark
