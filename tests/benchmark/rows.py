"""The rows of the table and their targets; each compares two measurements, or one with a limit."""

import dataclasses
from typing import Optional

import lake
import subscriptions
import sustained
import topology
import work

SIZES = {'100b': 100, '1k': 1024}
PRODUCERS = (1, 4)


@dataclasses.dataclass(frozen=True)
class Row:
    """`value` is (measurement, metric). With a `reference` the row compares the ratio with its target, otherwise the
    value. `target` is a minimum, or with `at_most` a maximum. A row without a target is informative."""
    name: str
    title: str
    value: tuple
    unit: str
    reference: Optional[tuple] = None
    versus: str = ''
    target: Optional[float] = None
    at_most: bool = False


def measurements(bench):
    """All measurements by name. Those of programs that are not installed are missing."""
    b = bench
    result = {
        'transport.sink.1': lambda: b.transport('sink', work.PUBLISH_FRAME),
        'transport.sink.4': lambda: b.transport('sink', work.PUBLISH_FRAME, 4),
        'transport.sink.1.keep': lambda: b.transport('sink', work.PUBLISH_FRAME, keep_memory=True),
        'transport.source.1': lambda: b.transport('source', work.READ_FRAME),
        'transport.source.1.keep': lambda: b.transport('source', work.READ_FRAME, keep_memory=True),
        'transport.source.100': lambda: b.transport('source', work.READ_FRAME, work.READERS),
        'transport.echo': lambda: b.transport('echo', 100),
        'store.none': lambda: b.store('none'),
        'store.pipelined': lambda: b.store('pipelined'),
        'hub.latency': lambda: b.latency(100),
        'hub.fan_out': lambda: b.fan_out(1024),
        'hub.partitions.10000': b.idle_partitions,
        'hub.restart': b.restart,
        'hub.keyless.10000': lambda: b.publish(100, 1, 'written', work.MANY_PARTITIONS),
        'hub.holes': b.holes,
        'hub.stuck': b.stuck,
        'hub.failover.stream': lambda: b.failover('stream'),
        'hub.failover.queue': lambda: b.failover('queue'),
        'hub.idle': lambda: b.idle_subscriptions(dead_letter_topics=True),
        'hub.idle.shared': lambda: b.idle_subscriptions(dead_letter_topics=False),
    }
    result |= {
        'filters': b.filters,
        'hub.filtered.mixed': lambda: b.filtered_read(1),
        'hub.filtered.runs': lambda: b.filtered_read(topology.TYPE_RUN),
        'hub.routes': b.routes,
        'hub.process': lambda: b.process(topology.HANDLERS),
        'hub.process.many': lambda: b.process(topology.MANY_HANDLERS),
    }
    result |= {
        'sdk.transform': b.transform,
        'sdk.empty': b.empty_pipeline,
        'sdk.calls': b.calls,
        'sdk.correlate': b.correlate,
        'sdk.job': b.job,
        'sdk.view': b.view,
        'sdk.outbox': b.outbox,
    }
    result |= {'lake': b.lake, 'hub.lake': b.lake_beside}
    result['hub.tails'] = lambda: b.tails(1024)
    result['hub.backlog'] = b.backlog
    for sync in ('none', 'pipelined'):
        result[f'store.sustained.{sync}'] = lambda s=sync: b.store_sustained(s)
    for size, event_bytes in SIZES.items():
        for durability in ('written', 'synced'):
            result[f'hub.sustained.{size}.{durability}'] = (
                lambda e=event_bytes, d=durability: b.sustained(e, d))
        if b.has_nats:
            result[f'nats.sustained.{size}'] = lambda e=event_bytes: b.nats_sustained(e)
        result[f'hub.read.{size}'] = lambda e=event_bytes: b.read(e)
        result[f'hub.consume.{size}'] = lambda e=event_bytes: b.consume(e)
        if b.has_nats:
            result[f'nats.pull.{size}'] = lambda e=event_bytes: b.nats_pull(e)
        for partitions in (1, 64, 1000):
            result[f'hub.keyed.{size}.{partitions}'] = lambda e=event_bytes, p=partitions: b.publish(
                e, 1, 'written', p, keys=100_000)
        for producers in PRODUCERS:
            for durability in ('written', 'synced'):
                result[f'hub.publish.{size}.{producers}.{durability}'] = (
                    lambda e=event_bytes, p=producers, d=durability: b.publish(e, p, d))
            if b.has_nats:
                result[f'nats.{size}.{producers}'] = lambda e=event_bytes, p=producers: b.nats(e, p)
            if b.has_redis:
                for fsync in ('everysec', 'always'):
                    result[f'redis.{fsync}.{size}.{producers}'] = (
                        lambda e=event_bytes, p=producers, f=fsync: b.redis(e, p, f))
    return result


def _publish_rows(size, producers, nats, redis, wire):
    rows = []
    title = f'{"100 B" if size == "100b" else "1 KiB"}, {producers} producer{"s" if producers > 1 else ""}'
    name = f'{size}.{producers}'
    written = (f'hub.publish.{name}.written', 'events_per_s')
    synced = (f'hub.publish.{name}.synced', 'events_per_s')
    def add(kind, value, reference, versus, target, unit='events/s'):
        rows.append(Row(f'publish.{name}.{kind}', f'publish {title}, {kind.split("-")[0].upper()}', value, unit,
                        reference, versus, target))
    add('written-nats', written, (f'nats.{name}', 'publish_per_s'), 'NATS JetStream', nats)
    add('written-redis', written, (f'redis.everysec.{name}', 'publish_per_s'), 'Redis everysec', redis)
    if wire:
        add('written-transport', (f'hub.publish.{name}.written', 'wire_mb_per_s'),
            (f'transport.sink.{producers}', 'mb_per_s'), 'bare transport', wire, 'MB/s')
    add('synced-written', synced, written, 'WRITTEN', 0.75)
    add('synced-redis', synced, (f'redis.always.{name}', 'publish_per_s'), 'Redis always', 5)
    return rows


def _read_rows():
    source = ('transport.source.1', 'mb_per_s')
    nats = ('nats.100b.1', 'read_per_s')
    rows = [
        Row('read.1k.tail', 'read 1 KiB from the tail cache', ('hub.read.1k', 'tail_mb_per_s'), 'MB/s', source,
            'bare transport', 0.8),
        Row('read.1k.cold', 'read 1 KiB cold, after a restart', ('hub.read.1k', 'cold_mb_per_s'), 'MB/s', source,
            'bare transport', 0.6),
        Row('read.1k.disk', 'the same, page cache dropped', ('hub.read.1k', 'disk_mb_per_s'), 'MB/s', source,
            'bare transport'),
    ]
    for part, title, target in (('tail', 'from the tail cache', 4), ('cold', 'cold, after a restart', 4),
                                ('parsed', 'from the tail cache, each parsed', None)):
        rows.append(Row(f'read.100b.{part}', f'read 100 B {title}', ('hub.read.100b', f'{part}_events_per_s'),
                        'events/s', nats, 'NATS ordered consumer', target))
    return rows


def _partition_rows():
    rows = []
    for size, title in (('100b', '100 B'), ('1k', '1 KiB')):
        for partitions, target in ((64, 0.7), (1000, 0.3)):
            rows.append(Row(f'keyed.{size}.{partitions}', f'publish keyed {title} over {partitions} partitions',
                            (f'hub.keyed.{size}.{partitions}', 'events_per_s'), 'events/s',
                            (f'hub.keyed.{size}.1', 'events_per_s'), 'one partition', target))
    many = 'hub.partitions.10000'
    rows += [
        Row('partitions.memory', '10,000 partitions, memory each', (many, 'bytes_each'), 'bytes', None, 'limit', 2048,
            True),
        Row('partitions.start', '10,000 partitions, start-up', (many, 'start_s'), 's', None, 'limit', 1, True),
        Row('partitions.keyless', 'publish 100 B without keys over 10,000 partitions',
            ('hub.keyless.10000', 'events_per_s'), 'events/s', ('hub.publish.100b.1.written', 'events_per_s'),
            'one partition', 0.7),
    ]
    return rows


def _consume_rows():
    rows = []
    for size, title in (('1k', '1 KiB'), ('100b', '100 B')):
        hub = f'hub.consume.{size}'
        for part, where in (('tail', 'from the tail cache'), ('cold', 'cold, after a restart')):
            for kind, target in (('stream', 0.9), ('queue', 0.5)):
                rows.append(Row(f'consume.{kind}.{size}.{part}', f'{kind.upper()}, {title} {where}',
                                (hub, f'{part}_{kind}_events_per_s'), 'events/s',
                                (hub, f'{part}_read_events_per_s'), 'plain read', target))
        rows.append(Row(f'consume.queue.{size}.nats', f'QUEUE, {title}, acked one by one',
                        (hub, 'tail_queue_events_per_s'), 'events/s', (f'nats.pull.{size}', 'events_per_s'),
                        'NATS pull consumer', 3))
        for kind in ('stream', 'queue'):
            rows.append(Row(f'consume.{kind}.{size}.credit', f'{kind.upper()}, {title}, with the default credit',
                            (hub, f'default_{kind}_events_per_s'), 'events/s',
                            (hub, f'tail_{kind}_events_per_s'), f'{subscriptions.CREDIT:,} events'))
    return rows


def _subscription_rows():
    holes = 'hub.holes'
    rows = [
        Row('holes.beside', 'QUEUE with 100,000 holes', (holes, 'beside_holes_per_s'), 'events/s',
            (holes, 'beside_none_per_s'), 'without holes', 0.9),
        Row('holes.make', 'QUEUE, every other event not acked', (holes, 'make_per_s'), 'events/s',
            (holes, 'full_per_s'), 'all acked'),
        Row('holes.memory', '100,000 holes, memory', (holes, 'live_mb'), 'MB', None, 'limit', 5, True),
        Row('holes.memory.restarted', 'the same after a restart', (holes, 'restarted_mb'), 'MB', None, 'limit', 5,
            True),
        Row('stuck', f'{subscriptions.SUBSCRIPTIONS:,} subscriptions, one of them stuck', ('hub.stuck', 'stuck_per_s'),
            'events/s', ('hub.stuck', 'free_per_s'), 'none stuck', 0.95),
    ]
    for kind, what in (('stream', 'its partitions resume at another'), ('queue', 'its events reach another')):
        hub = f'hub.failover.{kind}'
        rows.append(Row(f'failover.{kind}', f'{kind.upper()}: consumer killed, {what}, p50', (hub, 'p50_ms'), 'ms',
                        None, 'limit', 50, True))
        rows.append(Row(f'failover.{kind}.all', 'the same, the last one, p50', (hub, 'all_p50_ms'), 'ms'))
    count = f'{subscriptions.IDLE_SUBSCRIPTIONS:,} subscriptions'
    rows += [
        Row('idle.memory', f'{count}, memory each', ('hub.idle', 'bytes_each'), 'bytes', None, 'limit', 4096, True),
        Row('idle.memory.restarted', 'the same after a restart', ('hub.idle', 'restarted_bytes_each'), 'bytes', None,
            'limit', 4096, True),
        Row('idle.memory.shared', 'the same, one dead-letter topic for all',
            ('hub.idle.shared', 'restarted_bytes_each'), 'bytes', None, 'limit', 4096, True),
        Row('idle.start', f'{count}, start-up', ('hub.idle', 'start_s'), 's', None, 'limit', 1, True),
    ]
    return rows


def _topology_rows():
    routes = 'hub.routes'
    rows = [
        Row('filter.type', 'filter by type, 1 event in 100 of 100 B matches', ('filters', 'exact_type_per_s'),
            'events/s', None, 'limit', 5e6),
        Row('filter.sql', 'CESQL of three comparisons', ('filters', 'sql_three_per_s'), 'events/s', None, 'limit',
            1.5e6),
        Row('route.copy', 'publish 100 B, one route copies everything', (routes, 'copy_per_s'), 'events/s',
            (routes, 'none_per_s'), 'no route', 0.5),
        Row('route.rare', f'publish 100 B, {topology.ROUTES} routes, one event in {topology.TYPES} matches one',
            (routes, 'rare_per_s'), 'events/s', (routes, 'none_per_s'), 'no route', 0.8),
        Row('route.one', f'publish 100 B, {topology.ROUTES} routes, all events match the same one',
            (routes, 'one_per_s'), 'events/s', (routes, 'copy_per_s'), 'one route', 0.8),
        Row('route.spread', 'the same, consecutive events match different routes', (routes, 'spread_per_s'), 'events/s',
            (routes, 'copy_per_s'), 'one route'),
        Row('transact', 'append 1 and ack 1 in a transaction', ('hub.process', 'transact_per_s'), 'events/s',
            ('hub.process', 'publish_per_s'), 'publish, then ack', 0.6),
        Row('transact.many', f'the same, {topology.MANY_HANDLERS} handlers at a time',
            ('hub.process.many', 'transact_per_s'), 'events/s', ('hub.process.many', 'publish_per_s'),
            'publish, then ack'),
    ]
    for part, where in (('tail', 'from the tail cache'), ('cold', 'cold, after a restart')):
        metric = f'{part}_scanned_per_s'
        rows += [
            Row(f'filter.read.mixed.{part}', f'read 1 type of {topology.TYPES} {where}, mixed',
                ('hub.filtered.mixed', metric), 'events/s', ('hub.filtered.mixed', f'all_{metric}'), 'all types'),
            Row(f'filter.read.runs.{part}', 'the same, types in runs', ('hub.filtered.runs', metric), 'events/s',
                ('hub.filtered.mixed', metric), 'mixed'),
        ]
    return rows


def _sdk_rows():
    calls = 'sdk.calls'
    outbox = 'sdk.outbox'
    direct = (outbox, 'direct_events_per_s')
    return [
        Row('processor.transform', 'filter, map and publish 100 B, exactly once', ('sdk.transform', 'events_per_s'),
            'events/s', None, 'limit', 250_000),
        Row('processor.empty', 'empty pipeline, CPU per event beyond a Subscriber', ('sdk.empty', 'extra_cpu_ns'), 'ns',
            None, 'limit', 300, True),
        Row('processor.empty.rate', 'the same, rate', ('sdk.empty', 'events_per_s'), 'events/s',
            ('sdk.empty', 'subscriber_events_per_s'), 'Subscriber'),
        Row('processor.calls', 'calls of 5 ms, 64 at a time', (calls, 'events_per_s'), 'events/s',
            (calls, 'ideal_per_s'), 'ideal', 0.9),
        Row('processor.calls.threads', 'the same, threads of the process', (calls, 'threads'), ''),
        Row('processor.correlate', 'correlate two events of each key, exactly once', ('sdk.correlate', 'events_per_s'),
            'events/s', ('sdk.transform', 'events_per_s'), 'transform'),
        Row('processor.job', 'a job of 100 items a step, each published', ('sdk.job', 'events_per_s'), 'events/s',
            ('sdk.transform', 'events_per_s'), 'transform'),
        Row('processor.job.steps', 'the same, steps', ('sdk.job', 'steps_per_s'), 'steps/s'),
        Row('view.sqlite', 'materialize a view in SQLite', ('sdk.view', 'view_rows_per_s'), 'rows/s',
            ('sdk.view', 'sqlite_rows_per_s'), 'SQLite alone', 0.7),
        Row('outbox.always', 'outbox, mode always, SYNCED', (outbox, 'always_events_per_s'), 'events/s', direct,
            'direct', 0.7),
        Row('outbox.spill', 'outbox, mode spill', (outbox, 'spill_events_per_s'), 'events/s', direct, 'direct', 0.95),
        Row('outbox.drain', 'drain of an outbox after an outage', (outbox, 'drain_events_per_s'), 'events/s', direct,
            'direct', 0.9),
    ]


def _lake_rows():
    beside = 'hub.lake'
    def metric(name):
        return ('lake', f'lake.{name}')
    return [
        Row('lake.write', 'archive 1 KiB of JSON, MB of events per second of CPU', metric('write.MB/s of CPU'), 'MB/s', None, 'limit', 100),
        Row('lake.ratio', 'the same, compression', metric('write.ratio'), '', metric('write.ratio of gzip'), 'gzip'),
        Row('lake.beside', f'publish 1 KiB of JSON while {lake.ARCHIVED_MB_PER_S} MB/s are archived', (beside, 'lake_per_s'),
            'events/s', (beside, 'none_per_s'), 'no lake', 0.8),
        Row('lake.beside.archived', 'the same, archived meanwhile', (beside, 'archived_mb_per_s'), 'MB/s'),
        Row('lake.history', 'read history as a hub does', metric('history.MB/s'), 'MB/s', None, 'limit', 150),
        Row('lake.seek', 'find a time in a year of hours, the slowest of 100', metric('seek.ms, worst'), 'ms', None,
            'limit', 50, True),
        Row('lake.find', 'find an event by its id, part of the bytes that is read', metric('find.% read'), '%', None,
            'limit', 1, True),
        Row('lake.verify', 'prove objects', metric('verify.MB/s'), 'MB/s', None, 'limit', 300),
        Row('lake.merge', 'merge small objects, lines', metric('merge.MB/s of CPU'), 'MB/s'),
        Row('lake.merge.core', 'the same at the default rate, part of a core', metric('merge.of_core'), ''),
        Row('lake.large.start', 'open a lake of 100,000 objects', metric('large.start_ms'), 'ms',
            metric('large.empty_start_ms'), 'an empty lake'),
        Row('lake.large.index', 'the same, memory of its index', metric('large.index_mib'), 'MiB', None, 'limit', 64,
            True),
    ]


def _sustained_rows(backlog_events):
    rows = []
    for size, title in (('1k', '1 KiB'), ('100b', '100 B')):
        for durability, sync in (('written', 'none'), ('synced', 'pipelined')):
            hub = f'hub.sustained.{size}.{durability}'
            name, what = f'sustained.{size}.{durability}', f'{title}, {durability.upper()}, for a minute'
            rate = (hub, 'events_per_s')
            rows += [
                Row(f'{name}.nats', f'publish {what}', rate, 'events/s', (f'nats.sustained.{size}', 'publish_per_s'),
                    'NATS JetStream'),
                Row(f'{name}.store', f'publish {what}', (hub, 'mb_per_s'), 'MB/s',
                    (f'store.sustained.{sync}', 'mb_per_s'), 'bare store'),
                Row(f'{name}.worst', 'the same, in its slowest 5 s', (hub, 'worst_window_per_s'), 'events/s', rate,
                    'the whole'),
                Row(f'{name}.stall', 'the same, longest time without an acknowledgement', (hub, 'longest_stall_ms'),
                    'ms'),
                Row(f'{name}.memory', 'the same, most memory of the hub', (hub, 'resident_mb'), 'MB'),
            ]
            for part, beside in (('publish', 'a small publisher'), ('follow', 'its follower')):
                rows += [Row(f'{name}.{part}.{percentile}', f'the same, {beside}, {percentile}',
                             (hub, f'beside_{part}_{percentile}_ms'), 'ms') for percentile in ('p50', 'p99', 'p999')]
    for load in sustained.LOADS:
        for part, beside in (('publish', 'publish'), ('follow', 'deliver')):
            rows += [Row(f'tails.{load}.{part}.{percentile}', f'{beside} at {load} % of full speed, {percentile}',
                         ('hub.tails', f'{load}_beside_{part}_{percentile}_ms'), 'ms')
                     for percentile in ('p50', 'p99', 'p999')]
    hub = 'hub.backlog'
    rows += [
        Row('backlog.start', f'serving after kill -9 with {backlog_events:,} events', (hub, 'start_s'), 's'),
        Row('backlog.memory', 'the same, memory minus that of an empty hub', (hub, 'resident_mb'), 'MB'),
        Row('backlog.seek', 'seek across all events', (hub, 'seek_s'), 's'),
        Row('backlog.consume', 'a STREAM catches up', (hub, 'consumed_per_s'), 'events/s'),
        Row('backlog.beside', 'meanwhile, deliver published events, p99', (hub, 'beside_follow_p99_ms'), 'ms'),
    ]
    return rows


def rows(restart_events, backlog_events):
    """All rows, in the order of the table."""
    return [
        *_publish_rows('100b', 1, nats=10, redis=2.4, wire=None),
        *_publish_rows('100b', 4, nats=15, redis=4, wire=None),
        *_publish_rows('1k', 1, nats=3.3, redis=2.6, wire=0.7),
        *_publish_rows('1k', 4, nats=3.3, redis=2.6, wire=0.7),
        *_read_rows(),
        Row('latency', 'one event at a time, p50, WRITTEN', ('hub.latency', 'p50_us'), 'us',
            ('transport.echo', 'p50_us'), 'bare unary echo', 1.4, True),
        Row('fan_out', f'1 producer, {work.READERS} readers, delivered', ('hub.fan_out', 'mb_per_s'), 'MB/s',
            ('transport.source.100', 'mb_per_s'), 'bare transport', 0.8),
        Row('fan_out.copies', 'the same, bytes on disk per byte published', ('hub.fan_out', 'stored_copies'), '', None,
            'limit', 1.1, True),
        *_partition_rows(),
        *_consume_rows(),
        *_subscription_rows(),
        *_topology_rows(),
        *_sdk_rows(),
        *_lake_rows(),
        *_sustained_rows(backlog_events),
        Row('restart', f'serving after kill -9 with {restart_events:,} events', ('hub.restart', 'start_s'), 's', None,
            'limit', 2, True),
        Row('base.sink.keep', 'bare transport up, allocator kept', ('transport.sink.1.keep', 'mb_per_s'), 'MB/s',
            ('transport.sink.1', 'mb_per_s'), 'default allocator'),
        Row('base.source.keep', 'bare transport down, allocator kept', ('transport.source.1.keep', 'mb_per_s'), 'MB/s',
            ('transport.source.1', 'mb_per_s'), 'default allocator'),
        Row('base.publish.store', 'publish 1 KiB, 1 producer, WRITTEN', ('hub.publish.1k.1.written', 'mb_per_s'),
            'MB/s', ('store.none', 'mb_per_s'), 'bare store'),
        Row('base.synced.store', 'publish 1 KiB, 1 producer, SYNCED', ('hub.publish.1k.1.synced', 'mb_per_s'), 'MB/s',
            ('store.pipelined', 'mb_per_s'), 'bare store'),
    ]
