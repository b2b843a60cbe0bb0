"""The measured servers, each a separate process on this machine, always stopped at the end."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_LIMIT_S = 60
STOP_LIMIT_S = 30


class Failure(Exception):
    """A program failed; the message names it."""


def free_port():
    """Returns a TCP port that is currently unused."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def await_port(port, process, name):
    """Returns once a process listens on the port."""
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
            return
        time.sleep(0.01)
    raise Failure(f'{name} does not start')


def stop(process, how=signal.SIGTERM):
    """Terminates the process, and kills it if it does not end."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running(command, log, **options):
    """A process that is stopped at the end of the block. Its output goes to the file `log`."""
    with open(log, 'ab') as out:
        process = subprocess.Popen(command, stderr=out, **({'stdout': out} | options))
    try:
        yield process
    finally:
        stop(process)


@contextlib.contextmanager
def data_directory(base):
    """An empty directory on the disk of `base`, deleted at the end of the block."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=base))
    try:
        os.sync()  # Writes of earlier measurements must not reach the disk during this one.
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def nats(directory, log):
    """JetStream with its data in `directory`; yields the URL."""
    port = free_port()
    command = ['nats-server', '-js', '-sd', str(directory), '-a', '127.0.0.1', '-p', str(port)]
    with running(command, log) as process:
        await_port(port, process, 'nats-server')
        yield f'nats://127.0.0.1:{port}'


@contextlib.contextmanager
def redis(directory, log, fsync):
    """Redis with an append-only file, synced according to `fsync`; yields the port. Does not rewrite the file."""
    port = free_port()
    command = ['redis-server', '--port', str(port), '--bind', '127.0.0.1', '--dir', str(directory), '--save', '',
               '--appendonly', 'yes', '--appendfsync', fsync, '--auto-aof-rewrite-percentage', '0']
    with running(command, log) as process:
        await_port(port, process, 'redis-server')
        yield port


@contextlib.contextmanager
def transport(program, log, environment=None):
    """The bare transport's server; yields its address and process id."""
    with running([program, '--mode=server', '--address=localhost:0'], log, stdin=subprocess.PIPE,
                 stdout=subprocess.PIPE, env=os.environ | (environment or {})) as process:
        yield process.stdout.readline().decode().strip(), process.pid


class Hub:
    """A hub on a data directory, which can be killed and started again."""

    def __init__(self, program, client, directory, log):
        self._program, self._client, self._log = program, client, log
        self._directory = directory
        self._process = None
        self.address = None

    @property
    def pid(self):
        """The current process, or the last one."""
        return self._process.pid

    def start(self, *flags):
        """Starts the hub; returns the seconds until its health was SERVING."""
        port_file = self._directory / 'port'
        port_file.unlink(missing_ok=True)
        began = time.monotonic()
        with open(self._log, 'ab') as out:
            self._process = subprocess.Popen(
                [self._program, f'--data_dir={self._directory / "data"}', '--listen=127.0.0.1:0',
                 f'--port_file={port_file}', *flags], stdout=out, stderr=out)
        while not (port_file.exists() and port_file.read_text().endswith('\n')):
            if self._process.poll() is not None or time.monotonic() > began + START_LIMIT_S:
                raise Failure(f'eventhubd does not start, see {self._log}')
            time.sleep(0.002)
        self.address = port_file.read_text().split()[0]
        subprocess.run([self._client, '--mode=wait', f'--address={self.address}', f'--seconds={START_LIMIT_S}'],
                       check=True, timeout=2 * START_LIMIT_S)
        return time.monotonic() - began

    def stop(self, how=signal.SIGTERM):
        """Stops the hub."""
        if self._process is not None:
            stop(self._process, how)

    def resident_bytes(self):
        """Returns the resident memory of the hub."""
        pages = pathlib.Path(f'/proc/{self._process.pid}/statm').read_text().split()[1]
        return int(pages) * os.sysconf('SC_PAGESIZE')

    def drop_file_cache(self):
        """Drops the hub's files from the page cache, so that they are read from disk."""
        os.sync()
        for path in (self._directory / 'data').rglob('*'):
            if path.is_file():
                fd = os.open(path, os.O_RDONLY)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
