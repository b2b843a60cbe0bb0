#!/usr/bin/env python3
"""Checks that each source file and header of the product includes what it uses.

The builds compile several files as one, which hides a missing include behind the includes of the
preceding file, and lets a file use internal names of another one. This script runs clang once per
file, for syntax only, with the flags of the compile commands of a build. A header that its source
file includes first is compiled alone in that file, and is not compiled again.

The headers of the standard library, Abseil, gRPC and protobuf are precompiled: they take most of the
time. That hides whether a file includes them, so for those that many files use, the script looks for
their names: the file, or a file of the product that it includes, must include the header.

Usage: standalone.py BUILD [FILE...]

Checks the files named, or all of the product, with the compiler in CXX, or clang++.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRODUCT = ('client', 'proto', 'server', 'storage')
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
ANY_INCLUDE = re.compile(r'^#include [<"]([^>"]+)[>"]', re.MULTILINE)
PRECOMPILED = re.compile(r'[a-z_]+$|absl/|google/protobuf/|grpcpp/|eventhub/v1/.*\.pb\.h$')
COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|R"\(.*?\)"|"(?:\\.|[^"\\\n])*"', re.DOTALL)

# The names of each header, after std:: or absl::.
STANDARD = {
    'algorithm': 'all_of|any_of|clamp|copy_if|count_if|equal_range|find_if|is_sorted|lower_bound|max_element|'
                 'min_element|none_of|nth_element|partition_point|remove_if|reverse|rotate|sort|unique|upper_bound',
    'array': 'array',
    'atomic': 'atomic',
    'charconv': 'from_chars|to_chars',
    'chrono': 'chrono',
    'cmath': 'ceil|floor|isfinite|isnan|llround|log2|lround|pow|round|sqrt',
    'condition_variable': 'condition_variable',
    'cstdio': 'fclose|fflush|fopen|fprintf|fputs|fwrite|perror|printf|puts|remove|snprintf',
    'cstdlib': 'abort|exit|getenv|strtod|strtol|strtoll|_Exit',
    'cstring': 'memchr|memcmp|memcpy|memmove|memset|strcmp|strerror|strlen',
    'deque': 'deque',
    'filesystem': 'filesystem',
    'fstream': 'fstream|ifstream|ofstream',
    'functional': 'bind|cref|function|hash|plus',
    'future': 'async|future|promise|shared_future',
    'iostream': 'cerr|cin|clog|cout',
    'iterator': 'back_inserter|make_move_iterator|ostream_iterator',
    'limits': 'numeric_limits',
    'list': 'list',
    'map': 'map|multimap',
    'memory': 'enable_shared_from_this|make_shared|make_unique|shared_ptr|unique_ptr|weak_ptr',
    'mutex': 'call_once|lock_guard|mutex|once_flag|scoped_lock|unique_lock',
    'numeric': 'accumulate|iota',
    'optional': 'make_optional|nullopt|nullopt_t|optional',
    'queue': 'priority_queue|queue',
    'random': 'bernoulli_distribution|mt19937|mt19937_64|random_device|uniform_int_distribution',
    'set': 'multiset|set',
    'span': 'span',
    'sstream': 'istringstream|ostringstream|stringstream',
    'stdexcept': 'invalid_argument|logic_error|out_of_range|runtime_error',
    'string': 'stod|stoi|stol|stoll|string|to_string|u16string|wstring',
    'string_view': 'string_view',
    'system_error': 'error_code|system_error',
    'thread': 'this_thread|thread',
    'tuple': 'forward_as_tuple|make_tuple|tie|tuple',
    'type_traits': 'conditional_t|decay_t|enable_if_t|invoke_result_t|is_convertible_v|is_invocable_v|is_same_v',
    'unordered_map': 'unordered_map|unordered_multimap',
    'unordered_set': 'unordered_set',
    'utility': 'exchange|integer_sequence|make_pair|pair',
    'variant': 'get_if|holds_alternative|monostate|variant|visit',
    'vector': 'vector',
}
ABSEIL = {
    'container/btree_map.h': 'btree_map|btree_multimap',
    'container/btree_set.h': 'btree_multiset|btree_set',
    'container/flat_hash_map.h': 'flat_hash_map',
    'container/flat_hash_set.h': 'flat_hash_set',
    'container/inlined_vector.h': 'InlinedVector',
    'functional/any_invocable.h': 'AnyInvocable',
    'functional/function_ref.h': 'FunctionRef',
    'status/status.h': 'Status|StatusCode|[A-Z][A-Za-z]+Error|OkStatus',
    'status/statusor.h': 'StatusOr',
    'strings/escaping.h': 'Base64Escape|Base64Unescape|BytesToHexString|CEscape|CHexEscape|HexStringToBytes|'
                          'Utf8SafeCEscape|WebSafeBase64Escape|WebSafeBase64Unescape',
    'strings/match.h': 'EndsWith|EqualsIgnoreCase|StartsWith|StrContains',
    'strings/numbers.h': 'SimpleAtob|SimpleAtod|SimpleAtoi|SimpleHexAtoi',
    'strings/str_cat.h': 'Hex|StrAppend|StrCat',
    'strings/str_format.h': 'FPrintF|StrAppendFormat|StrFormat',
    'strings/str_join.h': 'StrJoin',
    'strings/str_replace.h': 'StrReplaceAll',
    'strings/str_split.h': 'ByChar|MaxSplits|SkipEmpty|StrSplit',
    'strings/strip.h': 'ConsumePrefix|ConsumeSuffix|StripPrefix|StripSuffix',
    'time/clock.h': 'Now|SleepFor',
    'time/time.h': 'Duration|FormatDuration|FormatTime|FromUnix[A-Z][a-z]+|Hours|InfiniteDuration|InfiniteFuture|'
                   'Microseconds|Milliseconds|Minutes|Nanoseconds|ParseDuration|ParseTime|Seconds|Time|'
                   'ToUnix[A-Z][a-z]+|UnixEpoch|ZeroDuration',
    'types/span.h': 'MakeConstSpan|MakeSpan|Span',
}
# Headers that are documented to have the names of another one, too.
ALSO = {'absl/status/status.h': 'absl/status/statusor.h', 'system_error': 'filesystem'}
NAMES = [(header, re.compile(rf'\bstd::({names})\b(?!::)' if header not in ('chrono', 'filesystem', 'thread')
                             else rf'\bstd::({names})\b')) for header, names in STANDARD.items()]
NAMES += [('absl/' + header, re.compile(rf'\babsl::({names})\b')) for header, names in ABSEIL.items()]


def read_flags(build):
    """Returns the compile flags of each source file: those of the file that includes it."""
    flags = {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        words = shlex.split(entry['command'])
        words = words[next(i for i, word in enumerate(words) if word.startswith('-')):]
        # For syntax alone, all files share the precompiled headers, however much the build optimises each.
        words = [word for word in words if not re.fullmatch('-O[0-9a-z]?', word)]
        # The builds' own precompiled headers have headers of the product.
        for option in ('-o', '-c', '-include'):
            if option in words:
                at = words.index(option)
                del words[at:at + 2]
        compiled = pathlib.Path(entry['file'])
        parts = INCLUDE.findall(compiled.read_text()) if '/Unity/' in str(compiled) else [compiled]
        for part in parts:
            flags[pathlib.Path(part)] = words
    return flags


def list_product():
    listed = subprocess.run(['git', 'ls-files', '--', *PRODUCT], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split()
    files = [ROOT / name for name in listed]
    return ([file for file in files if file.suffix == '.cc'],
            [file for file in files if file.suffix == '.h'])


def resolve(include):
    """Returns the product file that an include names; None for other files."""
    for folder in (ROOT, ROOT / 'client/include'):
        if (folder / include).is_file():
            return folder / include
    return None


def plan(flags, sources, headers):
    """Returns the files to compile and their flags."""
    work = []
    first, including = set(), {}
    for source in sources:
        if source not in flags:
            sys.exit(f'standalone: no target compiles {source.relative_to(ROOT)}')
        work.append((source, flags[source]))
        includes = [resolve(name) for name in INCLUDE.findall(source.read_text())]
        if includes:
            first.add(includes[0])
        for header in includes:
            including.setdefault(header, source)
    for header in headers:
        if header in first:
            continue
        # A header that no source file includes gets the flags of the nearest file.
        nearest = including.get(header) or max(
            sources, key=lambda file: len(os.path.commonpath([file, header])))
        work.append((header, flags[nearest]))
    return work


def precompile(compiler, build, files, flags, directory):
    """Precompiles the headers of others that the files include; returns the result's path."""
    headers = sorted({name for file in files for name in ANY_INCLUDE.findall(file.read_text())
                      if PRECOMPILED.match(name)})
    source = directory / 'headers.h'
    source.write_text(''.join(f'#include <{name}>\n' for name in headers))
    result = directory / 'headers.pch'
    subprocess.run([compiler, *flags, '-fpch-instantiate-templates', '-x', 'c++-header', source, '-o', result],
                   cwd=build, check=True)
    return result


def widest(flags):
    """The flags of the file with the most include directories, which finds all headers."""
    return max(flags.values(), key=lambda words: sum(word in ('-isystem', '-I') or word.startswith('-I')
                                                     for word in words))


def compile_alone(compiler, build, precompiled, file, flags):
    # Headers are read through standard input: a main file must not have `#pragma once`.
    is_header = file.suffix == '.h'
    done = subprocess.run(
        [compiler, *flags, '-include-pch', precompiled, '-fsyntax-only',
         *(['-x', 'c++', '-'] if is_header else [file])],
        input=f'#include "{file}"\n' if is_header else None, cwd=build, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if done.returncode == 0 else done.stdout


class Includes:
    """Which headers of others are included by a file, and by the files of the product it includes."""

    def __init__(self):
        self._known = {}

    def of(self, file):
        if file not in self._known:
            self._known[file] = set()  # For circles.
            found = set(ANY_INCLUDE.findall(file.read_text()))
            for name in list(found):
                included = resolve(name)
                if included is not None:
                    found |= self.of(included)
            self._known[file] = found
        return self._known[file]


def missing_includes(includes, file):
    text = COMMENT_OR_STRING.sub('', re.sub(r'^#include.*$', '', file.read_text(), flags=re.MULTILINE))
    included = includes.of(file)
    return [f'{file.relative_to(ROOT)} uses {match.group(0)} without {header}' for header, names in NAMES
            if header not in included and ALSO.get(header) not in included
            and (match := names.search(text))]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    compiler = os.environ.get('CXX', 'clang++')
    sources, headers = list_product()
    flags = read_flags(build)
    work = plan(flags, sources, headers)
    checked = sources + headers
    named = {pathlib.Path(name).resolve() for name in sys.argv[2:]}
    if named:
        work = [(file, flags) for file, flags in work if file in named]
        checked = [file for file in checked if file in named]
    start = time.monotonic()
    includes = Includes()
    missing = [problem for file in checked for problem in missing_includes(includes, file)]
    print('\n'.join(missing), end='\n' if missing else '')
    failures = len(missing)
    with (tempfile.TemporaryDirectory() as directory,
          concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool):
        precompiled = precompile(compiler, build, sources + headers, widest(flags), pathlib.Path(directory))
        running = {pool.submit(compile_alone, compiler, build, precompiled, file, flags): file
                   for file, flags in work}
        for done in concurrent.futures.as_completed(running):
            if done.result() is not None:
                failures += 1
                print(f'{running[done].relative_to(ROOT)} does not compile alone:')
                print(done.result(), flush=True)
    print(f'{len(work)} files compiled alone in {time.monotonic() - start:.0f} s, {failures} failed')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
