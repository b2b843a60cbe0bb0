// What ThreadSanitizer is to pass over, compiled into the tests that use the packaged RocksDB.
//
// Neither RocksDB nor Abseil's status library is instrumented. Of RocksDB only the copies are seen
// (memcpy, by itself or in libstdc++'s strings), not the atomics and mutexes by which its threads
// hand over what they copied, so its copies are passed over: whoever reads from a memtable would
// seem to race with who wrote to it. Of a shared status the count is not seen. Status::Unref is
// named because the library's part of it jumps to `operator delete`, and so leaves no frame. Races
// in the hub's own structures are reported.
extern "C" const char* __tsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)

extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\n"
         "race:^std::__cxx11::basic_string<char, *>::_M_append(\n"
         "race:^std::__cxx11::basic_string<char, *>::_M_mutate(\n"
         "race:librocksdb.so\nrace:libabsl_status.so\nrace:absl::*Status::Unref\n";
}
