"""The measurements: each sets up servers, runs a client, and returns numbers by name."""

import json
import os
import shutil
import signal
import subprocess

import lake
import sdk
import servers
import subscriptions
import sustained
import topology

# Frames of the bare transport: what the SDK sends (its batch size) and what the hub sends (its response size).
PUBLISH_FRAME = 256 << 10
READ_FRAME = 1 << 20

# Makes the allocator keep freed memory, through the environment.
KEEP_MEMORY = {'MALLOC_TRIM_THRESHOLD_': str(256 << 20), 'MALLOC_MMAP_THRESHOLD_': str(32 << 20)}

READERS = 100
MANY_PARTITIONS = 10_000


class Bench(lake.Measurements, sdk.Measurements, subscriptions.Measurements, sustained.Measurements,
            topology.Measurements):
    """Runs the benchmark programs of one build. Each measures for `seconds`."""

    def __init__(self, build, scratch, seconds, quick):
        self._bin = build / 'bin'
        self._scratch = scratch
        self._seconds = seconds
        self._log = scratch / 'servers.log'
        self._sustained_seconds = seconds if quick else max(seconds, sustained.SECONDS)
        self.backlog_events = 1_000_000 if quick else 100_000_000
        self.restart_events = 1_000_000 if quick else 10_000_000
        self._divisor = 10 if quick else 1  # Of numbers of events.
        self._read_bytes = (32 if quick else 128) << 20
        self._fan_out_bytes = (4 if quick else 32) << 20
        self.has_nats = shutil.which('nats-server') is not None and (self._bin / 'nats_bench').exists()
        self.has_redis = shutil.which('redis-server') is not None and (self._bin / 'redis_bench').exists()

    def _run(self, program, *flags, env=None):
        """Returns the result of the program, or None if it printed nothing."""
        output = self._output(program, *flags, env=env)
        return json.loads(output) if output else None

    def _output(self, program, *flags, env=None):
        """Returns what the program printed."""
        command = [str(self._bin / program), *flags]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20 * self._seconds + 600,
                                  env=os.environ | (env or {}), check=False)
        except subprocess.TimeoutExpired:
            raise servers.Failure(f'{" ".join(command)}: takes too long') from None
        if done.returncode != 0:
            raise servers.Failure(f'{" ".join(command)}: exit code {done.returncode}: {done.stderr.strip()}')
        return done.stdout

    def _timed(self, program, *flags, env=None):
        # The last of two equal flags wins.
        return self._run(program, f'--seconds={self._seconds}', *flags, env=env)

    def _directory(self):
        return servers.data_directory(self._scratch)

    def _hub(self, directory):
        return servers.Hub(str(self._bin / 'eventhubd'), str(self._bin / 'hub_bench'), directory, self._log)

    def _on_hub(self, hub, mode, **flags):
        arguments = [f'--{name}={value}' for name, value in flags.items()]
        return self._timed('hub_bench', f'--mode={mode}', f'--address={hub.address}', *arguments)

    def transport(self, mode, frame, streams=1, keep_memory=False):
        """The bare transport."""
        environment = KEEP_MEMORY if keep_memory else {}
        with servers.transport(str(self._bin / 'bare_transport'), self._log, environment) as (address, pid):
            return self._timed('bare_transport', f'--mode={mode}', f'--address={address}', f'--frame_bytes={frame}',
                               f'--streams={streams}', f'--server_pid={pid}', env=environment)

    def store(self, sync, seconds=None):
        """The bare store."""
        with self._directory() as directory:
            return self._timed('bare_store', f'--directory={directory / "store"}', f'--sync={sync}',
                               f'--seconds={seconds or self._seconds}')

    def nats(self, event_bytes, producers, seconds=None):
        """JetStream: publish, then read what was published."""
        with self._directory() as directory, servers.nats(directory, self._log) as url:
            flags = (f'--url={url}', f'--event_bytes={event_bytes}', f'--producers={producers}')
            published = self._timed('nats_bench', '--mode=publish', f'--seconds={seconds or self._seconds}', *flags)
            read = self._timed('nats_bench', '--mode=read', *flags)
            return {'publish_per_s': published['events_per_s'], 'read_per_s': read['events_per_s']}

    def nats_pull(self, event_bytes):
        """JetStream: publish, then consume with a pull consumer and explicit acknowledgements, in the two ways that
        proved fastest: one thread with large fetches, or two with smaller ones."""
        rates = []
        for fetchers, fetch in ((1, 1000), (2, 200)):
            with self._directory() as directory, servers.nats(directory, self._log) as url:
                flags = (f'--url={url}', f'--event_bytes={event_bytes}')
                self._timed('nats_bench', '--mode=publish', *flags)
                pulled = self._timed('nats_bench', '--mode=pull', f'--fetchers={fetchers}', f'--fetch={fetch}', *flags)
                rates.append(pulled['events_per_s'])
        return {'events_per_s': max(rates)}

    def redis(self, event_bytes, producers, fsync):
        """Redis Streams: publish, then read what was published."""
        with self._directory() as directory, servers.redis(directory, self._log, fsync) as port:
            flags = (f'--port={port}', f'--event_bytes={event_bytes}', f'--producers={producers}')
            published = self._timed('redis_bench', '--mode=publish', *flags)
            read = self._timed('redis_bench', '--mode=read', *flags)
            return {'publish_per_s': published['events_per_s'], 'read_per_s': read['events_per_s']}

    def publish(self, event_bytes, producers, durability, partitions=1, keys=0):
        """The hub: publish to one topic."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create', partitions=partitions)
            result = self._on_hub(hub, 'publish', event_bytes=event_bytes, threads=producers, durability=durability,
                                  keys=keys)
            # On the wire, a tag and the length precede each event.
            prefix = 2 if event_bytes < 128 else 3
            result['wire_mb_per_s'] = result['events_per_s'] * (event_bytes + prefix) / 1e6
            return result

    def read(self, event_bytes):
        """The hub: read from memory; after a restart; after a restart with the files not in memory."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            self._on_hub(hub, 'publish', event_bytes=event_bytes, events=self._read_bytes // event_bytes)
            tail = self._on_hub(hub, 'read')
            parsed = self._on_hub(hub, 'read', parse='true')
            hub.stop()
            hub.start()
            cold = self._on_hub(hub, 'read_once')
            hub.stop()
            hub.drop_file_cache()
            hub.start()
            disk = self._on_hub(hub, 'read_once')
            parts = {'tail': tail, 'parsed': parsed, 'cold': cold, 'disk': disk}
            return {f'{part}_{unit}': result[unit] for part, result in parts.items()
                    for unit in ('events_per_s', 'mb_per_s')}

    def latency(self, event_bytes):
        """The hub: one event at a time."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            return self._on_hub(hub, 'latency', event_bytes=event_bytes)

    def fan_out(self, event_bytes):
        """The hub: one producer, many readers."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            result = self._on_hub(hub, 'fan_out', event_bytes=event_bytes, threads=READERS,
                                  events=self._fan_out_bytes // event_bytes)
            # The published data is small enough to be in the log only, not yet duplicated in table files.
            stored = self._on_hub(hub, 'stats')['disk_bytes']
            result['stored_copies'] = stored * READERS / (result['events'] * event_bytes)
            return result

    def idle_partitions(self):
        """The hub: memory and startup with many partitions, minus those with one."""
        resident = {}
        started = {}
        for partitions in (1, MANY_PARTITIONS):
            with self._directory() as directory, self._hub(directory) as hub:
                hub.start()
                self._on_hub(hub, 'create', partitions=partitions)
                hub.stop()
                started[partitions] = hub.start()
                resident[partitions] = hub.resident_bytes()
        return {'bytes_each': (resident[MANY_PARTITIONS] - resident[1]) / MANY_PARTITIONS,
                'start_s': started[MANY_PARTITIONS]}

    def restart(self):
        """The hub: from kill -9 until it serves again."""
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            self._on_hub(hub, 'publish', event_bytes=100, events=self.restart_events)
            hub.stop(signal.SIGKILL)
            return {'start_s': hub.start()}
