// Shared by all benchmark programs: a stopwatch, percentiles, CPU time of a process, and a common
// output format, so that run.py reads all programs alike.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace eventhub::benchmark {

// Wall time since construction.
class Stopwatch {
 public:
  Stopwatch() : start_(std::chrono::steady_clock::now()) {}
  double Seconds() const;

 private:
  const std::chrono::steady_clock::time_point start_;
};

// Sorts the samples and returns the value below which `fraction` (0 to 1) of them lie; 0 without
// samples.
double Percentile(std::vector<double>& samples, double fraction);

// Returns the CPU seconds (user and system) that the process has used; 0 if the process does not
// exist.
double CpuSeconds(int64_t pid);

// Returns the resident bytes of the process; 0 if the process does not exist.
int64_t ResidentBytes(int64_t pid);

// The names and numbers of one measurement.
using Result = std::vector<std::pair<std::string, double>>;

// Prints the result as one line of JSON on stdout.
void PrintResult(const std::string& name, const Result& result);

}  // namespace eventhub::benchmark
