// What ThreadSanitizer is to pass over, compiled into the tests that use the packaged RocksDB.
//
// Neither RocksDB nor Abseil's status library is instrumented, so what threads hand to each other
// through their atomics, such as the count of a shared status, looks like a race. Races without
// them on the stack of either side, as those in the hub's own structures, are reported.
// Status::Unref is named because the library's part of it jumps to `operator delete`, and so leaves
// no frame.
extern "C" const char* __tsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)

extern "C" const char* __tsan_default_suppressions() {
  return "race:librocksdb.so\nrace:libabsl_status.so\nrace:absl::*Status::Unref\n";
}
