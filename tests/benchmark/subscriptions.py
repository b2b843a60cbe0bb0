"""The measurements of durable subscriptions."""

import contextlib
import signal
import statistics
import subprocess
import time

import servers

# The credit of bulk consumers: enough to keep hub and handlers busy, since NATS' consumer has no limit at all.
CREDIT = 200_000

SUBSCRIPTIONS = 1_000
IDLE_SUBSCRIPTIONS = 10_000
HOLE_EVENTS = 200_000
STUCK_CREDIT = 100


class Measurements:
    """A part of work.Bench."""

    def consume(self, event_bytes):
        """A topic read, consumed as a STREAM, and as a QUEUE, alternately: from memory, and after a restart."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            self._on_hub(hub, 'publish', event_bytes=event_bytes, events=self._read_bytes // event_bytes)
            result = {f'tail_{name}': value for name, value in self._on_hub(hub, 'consume', credit=CREDIT).items()
                      if name != 'name'}
            default = self._on_hub(hub, 'consume', subscription='default')
            result['default_stream_events_per_s'] = default['stream_events_per_s']
            result['default_queue_events_per_s'] = default['queue_events_per_s']
            # Events read from the store do not enter the tail cache: all passes are cold.
            hub.stop()
            hub.start()
            cold = self._on_hub(hub, 'consume', subscription='cold', credit=CREDIT)
            result |= {f'cold_{name}': value for name, value in cold.items() if name != 'name'}
            return result

    def holes(self):
        """A QUEUE in which every other event is not acked: memory, and the speed of later events."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            self._on_hub(hub, 'publish', event_bytes=100, events=HOLE_EVENTS)
            for name in ('full', 'holes'):
                self._on_hub(hub, 'subscribe', subscription=name, from_start='true')
            # Allocates what any consumer needs (buffers, caches) before the holes are made.
            full = self._on_hub(hub, 'consume_once', subscription='full')
            hub.stop()
            hub.start()
            without = hub.resident_bytes()
            self._on_hub(hub, 'consume_once', subscription='full')
            before = hub.resident_bytes()
            made = self._on_hub(hub, 'holes', subscription='holes')
            live = hub.resident_bytes() - before
            hub.stop()
            start_s = hub.start()
            restarted = hub.resident_bytes() - without
            rates = {'full': [], 'holes': []}
            for number in range(5):
                self._on_hub(hub, 'publish', event_bytes=100, events=HOLE_EVENTS * 2)
                for name in (('full', 'holes'), ('holes', 'full'))[number % 2]:
                    passed = self._on_hub(hub, 'consume_once', subscription=name, credit=CREDIT)
                    rates[name].append(passed['events_per_s'])
            return {'holes': made['holes'], 'make_per_s': made['events_per_s'], 'full_per_s': full['events_per_s'],
                    'beside_holes_per_s': statistics.median(rates['holes']),
                    'beside_none_per_s': statistics.median(rates['full']),
                    'live_mb': live / 1e6, 'restarted_mb': restarted / 1e6, 'start_s': start_s}

    @contextlib.contextmanager
    def _stuck(self, hub, topic):
        """A consumer of the topic's last subscription whose process hangs."""
        name = f'{topic}-{SUBSCRIPTIONS - 1}'
        command = [str(self._bin / 'hub_bench'), '--mode=stuck', f'--address={hub.address}', f'--subscription={name}',
                   f'--credit={STUCK_CREDIT}']
        with servers.running(command, self._log, stdout=subprocess.PIPE) as process:
            process.stdout.readline()  # The consumer is connected.
            process.send_signal(signal.SIGSTOP)
            try:
                yield
            finally:
                process.kill()

    def stuck(self):
        """Subscriptions of one topic, each with its own consumer, except one with no consumer or a stuck one."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            for topic in ('free', 'stuck'):
                self._on_hub(hub, 'create', topic=topic)
                self._on_hub(hub, 'subscribe', topic=topic, subscription=topic, subscriptions=SUBSCRIPTIONS)
            rates = {'free': [], 'stuck': []}
            for number in range(4):
                for topic in (('free', 'stuck'), ('stuck', 'free'))[number % 2]:
                    with self._stuck(hub, topic) if topic == 'stuck' else contextlib.nullcontext():
                        passed = self._on_hub(hub, 'many', topic=topic, subscription=topic, events=10 * STUCK_CREDIT,
                                              event_bytes=1024, subscriptions=SUBSCRIPTIONS,
                                              consumers=SUBSCRIPTIONS - 1)
                    if number > 0:  # During the first pass the hub still allocates its buffers.
                        rates[topic].append(passed['events_per_s'])
            return {f'{topic}_per_s': statistics.median(each) for topic, each in rates.items()}

    def failover(self, kind):
        """How soon another consumer receives the events of a killed one."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create', partitions=16)
            self._on_hub(hub, 'subscribe', subscription='shared', kind=kind)
            return self._on_hub(hub, 'failover', partitions=16, subscription='shared', kind=kind, kills=20)

    def idle_subscriptions(self, dead_letter_topics):
        """Memory and startup with many subscriptions, minus those with one; with a dead-letter topic each, or one."""
        resident = {}
        restarted = {}
        for count in (1, IDLE_SUBSCRIPTIONS):
            with self._directory() as directory, self._hub(directory) as hub:
                hub.start()
                self._on_hub(hub, 'create')
                if not dead_letter_topics:
                    self._on_hub(hub, 'create', topic='dead')
                began = time.monotonic()
                self._on_hub(hub, 'subscribe', subscriptions=count, subscription='idle',
                             dead_letter_topic='' if dead_letter_topics else 'dead')
                created_s = time.monotonic() - began
                resident[count] = hub.resident_bytes()
                hub.stop()
                start_s = hub.start()
                restarted[count] = hub.resident_bytes()
        return {'bytes_each': (resident[IDLE_SUBSCRIPTIONS] - resident[1]) / IDLE_SUBSCRIPTIONS,
                'restarted_bytes_each': (restarted[IDLE_SUBSCRIPTIONS] - restarted[1]) / IDLE_SUBSCRIPTIONS,
                'created_s': created_s, 'start_s': start_s}
