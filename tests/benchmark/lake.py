"""The measurements of the event lake."""

import json
import statistics

PASSES = 2
BESIDE_SECONDS = 6  # Several objects of 64 MiB are completed in this time.
ARCHIVED_MB_PER_S = 30


class Measurements:
    """A part of work.Bench."""

    def lake(self):
        """Objects on one thread; no hub."""
        with self._directory() as directory:
            output = self._output('lake_bench', f'--megabytes={512 // self._divisor}', f'--directory={directory}/lake')
            results = [json.loads(line) for line in output.splitlines()]
            return {f'{result["name"]}.{metric}': value for result in results for metric, value in result.items()
                    if metric != 'name'}

    def lake_beside(self):
        """Publishing 1 KiB of JSON at full speed to a hub without a lake, and to one that archives a part of it meanwhile,
        alternately."""
        setups = {'none': [],
                  'lake': [f'--lake_rate={ARCHIVED_MB_PER_S * 1_000_000}', '--lake_flush_interval=200ms']}
        rates = {name: [] for name in setups}
        archived = []
        for number in range(PASSES):
            for name in (('none', 'lake'), ('lake', 'none'))[number % 2]:
                with self._directory() as directory, self._hub(directory) as hub:
                    hub.start(*setups[name], *([f'--lake={directory}/lake'] if name == 'lake' else []))
                    self._on_hub(hub, 'create')
                    published = self._on_hub(hub, 'publish', event_bytes=1024, json='true',
                                             seconds=max(self._seconds, BESIDE_SECONDS))
                    rates[name].append(published['events_per_s'])
                    if name == 'lake':
                        stats = json.loads(self._output('eventhub', f'--address={hub.address}', 'stats',
                                                        '--output=json'))
                        seconds = published['events'] / published['events_per_s']
                        archived.append(stats['lake']['totals']['archived_events'] * 1024 / 1e6 / seconds)
        return {'none_per_s': statistics.median(rates['none']), 'lake_per_s': statistics.median(rates['lake']),
                'archived_mb_per_s': statistics.median(archived)}
