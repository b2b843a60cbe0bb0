// ThreadSanitizer suppressions, compiled into the tests that use the packaged RocksDB.
//
// RocksDB and Abseil's status library are not instrumented. ThreadSanitizer sees only RocksDB's
// copies (memcpy, direct or in libstdc++'s strings), not the atomics and mutexes by which its
// threads hand the data over; a reader of a memtable would appear to race with its writer. So these
// copies are suppressed. The reference count of a shared status is not seen either. Status::Unref
// is named because the library's part of it jumps to `operator delete` and leaves no frame. Races
// in the hub's own structures are still reported.
extern "C" const char* __tsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)

extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\n"
         "race:^std::__cxx11::basic_string<char, *>::_M_append(\n"
         "race:^std::__cxx11::basic_string<char, *>::_M_mutate(\n"
         "race:librocksdb.so\nrace:libabsl_status.so\nrace:absl::*Status::Unref\n";
}
