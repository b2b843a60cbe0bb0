"""The measurements that are long enough to show the effects of disk, compactions and memory."""

from concurrent import futures
import signal

SECONDS = 60  # With --quick as long as everything else.
LOADS = (10, 50, 80)  # Percent of the hub's rate at full speed.
BACKLOG_BYTES = 100
BACKLOG_PARTITIONS = 8
LIVE_PER_S = 10_000


class Measurements:
    """A part of work.Bench."""

    def sustained(self, event_bytes, durability, seconds=None, events_per_s=0):
        """The hub at full speed or at a fixed rate, with neighbours."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            return self._on_hub(hub, 'sustained', event_bytes=event_bytes, durability=durability, threads=2,
                                seconds=seconds or self._sustained_seconds, events_per_s=events_per_s,
                                server_pid=hub.pid)

    def nats_sustained(self, event_bytes):
        """JetStream for the same time, without neighbours."""
        return self.nats(event_bytes, 2, self._sustained_seconds)

    def store_sustained(self, sync):
        """The bare store for the same time."""
        return self.store(sync, self._sustained_seconds)

    def tails(self, event_bytes):
        """Latencies under loads of 10, 50 and 80 % of the hub's rate at full speed."""
        seconds = max(self._seconds, self._sustained_seconds / 6)
        full = self.sustained(event_bytes, 'written', seconds)
        result = {'full_per_s': full['events_per_s']}
        for load in LOADS:
            paced = self.sustained(event_bytes, 'written', seconds, full['events_per_s'] * load / 100)
            result |= {f'{load}_{name}': value for name, value in paced.items() if name.startswith('beside_')}
            result[f'{load}_per_s'] = paced['events_per_s']
        return result

    def backlog(self):
        """A subscription with a whole large topic as its backlog: startup after kill -9, memory, seek, catching up
        while events are published."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create', partitions=BACKLOG_PARTITIONS)
            empty = hub.resident_bytes()
            self._on_hub(hub, 'publish', event_bytes=BACKLOG_BYTES, keys=100_000, events=self.backlog_events // 2,
                         threads=2)
            hub.stop(signal.SIGKILL)
            start_s = hub.start()
            resident = hub.resident_bytes() - empty
            self._on_hub(hub, 'subscribe', kind='stream', from_start='true')
            seek = self._on_hub(hub, 'seek')
            self._on_hub(hub, 'create', topic='live')
            with futures.ThreadPoolExecutor() as pool:
                live = pool.submit(self._on_hub, hub, 'sustained', topic='live', event_bytes=BACKLOG_BYTES,
                                   events_per_s=LIVE_PER_S, seconds=self._sustained_seconds / 6)
                caught_up = self._on_hub(hub, 'consume_once', credit=200_000, credit_bytes=64 << 20)
            return {'start_s': start_s, 'resident_mb': resident / 1e6, 'seek_s': seek['seconds'],
                    'consumed_per_s': caught_up['events_per_s']} | {
                        name: value for name, value in live.result().items() if name.startswith('beside_')}
