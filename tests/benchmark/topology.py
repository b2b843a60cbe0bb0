"""The measurements of the channel topology: filters, routes, transactions."""

import statistics

# With this many types a batch has more of them than its header can list; with runs of this many events it has few.
TYPES = 100
TYPE_RUN = 20_000
ROUTES = 100
PROCESSED_EVENTS = 400_000
HANDLERS = 4  # The default of a Subscriber.
MANY_HANDLERS = 64
PASSES = 4


class Measurements:
    """A part of work.Bench."""

    def filters(self):
        """Filters on events in memory, on one thread; no hub."""
        return self._timed('filter_bench')

    def filtered_read(self, type_run):
        """One type of a hundred, read through a filter: from memory, and after a restart."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            self._on_hub(hub, 'publish', event_bytes=100, events=self._read_bytes // 100, types=TYPES,
                         type_run=type_run)
            flags = {'of_type': 'benchmark.0007'}
            tail = self._on_hub(hub, 'read', **flags)
            all_tail = self._on_hub(hub, 'read')
            hub.stop()
            hub.start()
            cold = self._on_hub(hub, 'read_once', **flags)
            all_cold = self._on_hub(hub, 'read_once')
            parts = {'tail': tail, 'all_tail': all_tail, 'cold': cold, 'all_cold': all_cold}
            return {f'{part}_scanned_per_s': result['scanned_per_s'] for part, result in parts.items()}

    def routes(self):
        """Publishing events of a hundred types to topics without a route, with one that copies everything, and with a
        hundred routes for one type each: for the published types, so that consecutive events match different routes,
        or for other types except one, so that one event in a hundred matches. Also events of a single type, which one
        route of a hundred matches. Alternately."""
        setups = {'none': None, 'copy': {'routes': 1}, 'spread': {'routes': ROUTES, 'route_type': 0},
                  'rare': {'routes': ROUTES, 'route_type': TYPES - 1}, 'one': {'routes': ROUTES, 'route_type': 0}}
        rates = {name: [] for name in setups}
        for number in range(PASSES):
            order = list(setups)
            for name in order[number:] + order[:number]:
                with self._directory() as directory, self._hub(directory) as hub:
                    hub.start()
                    self._on_hub(hub, 'create')
                    if setups[name]:
                        self._on_hub(hub, 'route', **setups[name])
                    types = 1 if name == 'one' else TYPES
                    rates[name].append(self._on_hub(hub, 'publish', event_bytes=100, types=types)['events_per_s'])
        return {f'{name}_per_s': statistics.median(each) for name, each in rates.items()}

    def process(self, handlers):
        """Handlers that produce one event from another, one at a time: publish and ack, or both in a transaction."""
        rates = {'false': [], 'true': []}
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            self._on_hub(hub, 'create', topic='benchmark.copies')
            self._on_hub(hub, 'publish', event_bytes=100, events=PROCESSED_EVENTS)
            for number in range(PASSES):
                for transact in (('false', 'true'), ('true', 'false'))[number % 2]:
                    name = f'{transact}-{number}'
                    self._on_hub(hub, 'subscribe', subscription=name, from_start='true')
                    rates[transact].append(self._on_hub(hub, 'process', subscription=name, transact=transact,
                                                        threads=handlers)['events_per_s'])
        return {'publish_per_s': statistics.median(rates['false']), 'transact_per_s': statistics.median(rates['true'])}
