"""Measures in rounds, so that a busy moment of the machine affects all rows alike; prints medians as a table and JSON.

Called by run.sh."""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import sys
import time

import rows as rows_module
import servers
import work

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse_arguments():
    parser = argparse.ArgumentParser(prog='run.sh', description='Measures the hub next to other brokers. Rows: README.md.')
    parser.add_argument('--quick', action='store_true', help='one short round; shows that it works, not how fast')
    parser.add_argument('--only', metavar='ROW', default='',
                        help='only rows whose name has a match of this regular expression, e.g. publish.100b')
    parser.add_argument('--rounds', type=int, default=3, help='how often to measure everything (3)')
    parser.add_argument('--seconds', type=float, default=2, help='how long each measurement lasts (2)')
    parser.add_argument('--json', metavar='FILE', type=pathlib.Path, default=ROOT / 'build/benchmark/results.json',
                        help='where to write the results (build/benchmark/results.json)')
    parser.add_argument('--build-dir', metavar='DIR', type=pathlib.Path, help='an existing build to measure')
    parser.add_argument('--list', action='store_true', help='print the names of the rows')
    return parser.parse_args()


def measure(names, registry, rounds):
    """The metrics of each measurement, one sample per round: {measurement: {metric: [sample, …]}}."""
    samples = {}
    errors = {}
    for number in range(rounds):
        for done, name in enumerate(names):
            print(f'\rround {number + 1}/{rounds}, {done + 1}/{len(names)}: {name:40}', end='', file=sys.stderr)
            try:
                result = registry[name]()
            except (servers.Failure, OSError) as error:
                errors[name] = str(error)
                print(f'\n{name}: {error}', file=sys.stderr)
                continue
            for metric, value in result.items():
                if metric != 'name':
                    samples.setdefault(name, {}).setdefault(metric, []).append(value)
    print(file=sys.stderr)
    return samples, errors


def evaluate(row, samples):
    """Returns the row with its numbers; a number that could not be measured is None."""
    def median(key):
        values = samples.get(key[0], {}).get(key[1]) if key else None
        return statistics.median(values) if values else None
    value, reference = median(row.value), median(row.reference)
    compared = value
    if row.reference:
        compared = value / reference if value is not None and reference else None
    reached = None
    if row.target is not None and compared is not None:
        # An equal figure reaches the target, and so does one that differs only by the rounding of a division.
        slack = 1e-9 * row.target
        reached = compared <= row.target + slack if row.at_most else compared >= row.target - slack
    return {'name': row.name, 'title': row.title, 'value': value, 'unit': row.unit, 'versus': row.versus,
            'reference': reference, 'ratio': compared if row.reference else None, 'target': row.target,
            'at_most': row.at_most, 'reached': reached}


def number(value):
    if value is None:
        return '-'
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'


def print_table(results):
    header = ('work', 'hub', '', 'compared with', 'reference', 'ratio', 'target', 'reached')
    lines = [header]
    for r in results:
        target = '' if r['target'] is None else f'{"<=" if r["at_most"] else ">="} {number(r["target"])}'
        reached = {True: 'yes', False: 'NO', None: ''}[r['reached']]
        if r['target'] is not None and r['reached'] is None:
            reached = 'not measured'
        ratio = '' if r['ratio'] is None else f'{r["ratio"]:.2f}'
        lines.append((r['title'], number(r['value']), r['unit'], r['versus'],
                      number(r['reference']) if r['reference'] is not None else '', ratio, target, reached))
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    right = (1, 4, 5, 6)
    for line in lines:
        print('  '.join(cell.rjust(w) if i in right else cell.ljust(w)
                        for i, (cell, w) in enumerate(zip(line, widths))).rstrip())


def main():
    arguments = parse_arguments()
    # So that `finally` runs and stops the started processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, min(arguments.seconds, 0.5)
    build = (arguments.build_dir or ROOT / 'build/release').resolve()
    scratch = ROOT / 'build/benchmark' / f'run-{os.getpid()}'
    bench = work.Bench(build, scratch, arguments.seconds, arguments.quick)
    rows = [row for row in rows_module.rows(bench.restart_events, bench.backlog_events)
            if re.search(arguments.only, row.name)]
    if arguments.list:
        print('\n'.join(row.name for row in rows))
        return 0
    registry = rows_module.measurements(bench)
    needed = {key[0] for row in rows for key in (row.value, row.reference) if key}
    names = [name for name in registry if name in needed]
    scratch.mkdir(parents=True)
    began = time.time()
    load_before = os.getloadavg()  # Other load on the machine affects all figures.
    try:
        samples, errors = measure(names, registry, arguments.rounds)
    finally:
        if sys.exc_info()[0] is None:
            shutil.rmtree(scratch)
    results = [evaluate(row, samples) for row in rows]
    print_table(results)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({
        'began': int(began), 'took_s': round(time.time() - began, 1), 'rounds': arguments.rounds,
        'seconds': arguments.seconds, 'quick': arguments.quick,
        'machine': {'cores': os.cpu_count(), 'system': platform.platform(),
                    'load_before': load_before, 'load_after': os.getloadavg()},
        'rows': results, 'samples': samples, 'errors': errors}, indent=1) + '\n')
    print(f'\nAll samples: {arguments.json}')
    return 1 if errors else 0


if __name__ == '__main__':
    sys.exit(main())
