// What every benchmark program needs: a stopwatch, percentiles, CPU time of a process, and one way
// to print a result, so that run.py reads all programs alike.
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

// The value below which `fraction` (0 to 1) of the samples lie; sorts them. 0 without samples.
double Percentile(std::vector<double>& samples, double fraction);

// CPU seconds (user and system) that the process has used; 0 if there is no such process.
double CpuSeconds(int64_t pid);

// Resident bytes of the process; 0 if there is no such process.
int64_t ResidentBytes(int64_t pid);

// Names and numbers of one measurement.
using Result = std::vector<std::pair<std::string, double>>;

// Prints the result as one line of JSON on stdout.
void PrintResult(const std::string& name, const Result& result);

}  // namespace eventhub::benchmark
