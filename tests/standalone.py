#!/usr/bin/env python3
"""Compiles each source file and header of the product by itself.

The builds compile several files as one, which hides a missing include behind the includes of the
preceding file, and lets a file use internal names of another one. This script runs the compiler once
per file, for syntax only, with the flags of the compile commands of a build.

A header that its source file includes first is compiled alone in that file, and is not compiled
again. No precompiled header: it would hide missing includes.

Usage: standalone.py BUILD [FILE...]

Compiles the files named, or all of the product, with the compiler in CXX, or c++.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRODUCT = ('client', 'proto', 'server', 'storage')
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def read_flags(build):
    """Returns the compile flags of each source file: those of the file that includes it."""
    flags = {}
    for entry in json.loads((build / 'compile_commands.json').read_text()):
        words = shlex.split(entry['command'])
        words = words[next(i for i, word in enumerate(words) if word.startswith('-')):]
        for option in ('-o', '-c'):
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


def compile_alone(compiler, build, file, flags):
    # Headers are read through standard input: GCC warns about `#pragma once` in a main file.
    is_header = file.suffix == '.h'
    done = subprocess.run(
        [compiler, *flags, '-fsyntax-only', *(['-x', 'c++', '-'] if is_header else [file])],
        input=f'#include "{file}"\n' if is_header else None, cwd=build, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if done.returncode == 0 else done.stdout


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    compiler = os.environ.get('CXX', 'c++')
    work = plan(read_flags(build), *list_product())
    named = {pathlib.Path(name).resolve() for name in sys.argv[2:]}
    if named:
        work = [(file, flags) for file, flags in work if file in named]
    failures = 0
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        running = {pool.submit(compile_alone, compiler, build, file, flags): file
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
