"""The measurements of what the SDK builds on the hub: stream processors, views and the outbox."""

PROCESSED_EVENTS = 1_000_000
CALLED_EVENTS = 50_000
CORRELATED_EVENTS = 200_000
JOB_ITEMS = 100_000


class Measurements:
    """A part of work.Bench."""

    def _processor(self, mode, events, fill=True):
        with self._directory() as directory, self._hub(directory) as hub:
            hub.start()
            self._on_hub(hub, 'create')
            self._on_hub(hub, 'create', topic='benchmark.copies')
            if fill:
                self._on_hub(hub, 'publish', event_bytes=100, events=events)
            return self._run('processor_bench', f'--mode={mode}', f'--address={hub.address}', f'--events={events}')

    def transform(self):
        """A pipeline that filters, maps and publishes, exactly once."""
        return self._processor('transform', PROCESSED_EVENTS // self._divisor)

    def empty_pipeline(self):
        """A pipeline that does nothing, compared with a Subscriber."""
        return self._processor('empty', PROCESSED_EVENTS // self._divisor)

    def calls(self):
        """A pipeline that calls a service that takes 5 ms, 64 times at once."""
        return self._processor('calls', CALLED_EVENTS // self._divisor)

    def correlate(self):
        """A pipeline that collects two events of each key."""
        events = CORRELATED_EVENTS // self._divisor
        return self._processor('correlate', max(events - events % 2000, 2000), fill=False)

    def job(self):
        """A job over many items, a hundred in a step."""
        return self._processor('job', JOB_ITEMS // self._divisor, fill=False)

    def view(self):
        """A view in SQLite."""
        return self._with_scratch('view_bench', 300_000)

    def outbox(self):
        """The outbox in both modes, and its drain."""
        return self._with_scratch('outbox_bench', 1_000_000, '--topic=benchmark')

    def _with_scratch(self, program, events, *flags):
        with self._directory() as directory, self._hub(directory) as hub, self._directory() as scratch:
            hub.start()
            self._on_hub(hub, 'create')
            return self._run(program, f'--address={hub.address}', f'--directory={scratch / "client"}',
                             f'--events={events // self._divisor}', *flags)
