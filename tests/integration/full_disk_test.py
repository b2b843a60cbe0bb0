"""The hub on a disk that is really full: a small tmpfs, in its own mount namespace.

The environment names the programs: EVENTHUBD, EVENTHUB.
"""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from daemon_hub import Hub, clean_environment

TIMEOUT = 60
SEED = int(os.environ.get("EVENTHUB_TEST_CRASH_SEED", time.time_ns() % 1_000_000))
MIB = 1 << 20
DISK = 160 * MIB
IN_NAMESPACE = "EVENTHUB_TEST_IN_NAMESPACE"


class FullDiskTest(unittest.TestCase):

    def setUp(self):
        self.mount = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, self.mount)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", self.mount], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.mount], check=True)
        self.data = os.path.join(self.mount, "data")
        self.outside = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.outside)
        self.event = os.path.join(self.outside, "event")
        with open(self.event, "wb") as file:
            file.write(os.urandom(450_000).hex().encode())
        self.process = None
        self.addCleanup(self.kill)

    def start(self):
        ports = os.path.join(self.outside, "ports")
        if os.path.exists(ports):
            os.remove(ports)
        self.log = open(os.path.join(self.outside, "log"), "a+", encoding="utf-8")
        self.addCleanup(self.log.close)
        self.process = subprocess.Popen(
            [os.environ["EVENTHUBD"], f"--data_dir={self.data}", "--listen=127.0.0.1:0",
             f"--port_file={ports}", "--min_free_disk=40MiB", "--write_buffer=4MiB",
             "--max_log=16MiB", "--shutdown_grace=5s"], stderr=self.log, env=clean_environment())
        end = time.monotonic() + TIMEOUT
        while not os.path.exists(ports):
            if self.process.poll() is not None:
                return False
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)
        with open(ports, encoding="utf-8") as file:
            self.address = file.read().strip()
        return True

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT)

    def cli(self, *arguments, **kwargs):
        return subprocess.run([os.environ["EVENTHUB"], *arguments], capture_output=True,
                              timeout=TIMEOUT, check=False,
                              env=dict(clean_environment(), EVENTHUB_ADDRESS=self.address), **kwargs)

    def publish(self, topic):
        with open(self.event, "rb") as file:
            return self.cli("--timeout=5s", "publish", topic, stdin=file)

    def publish_until_refused(self, topic):
        for accepted in range(1000):
            if self.publish(topic).returncode != 0:
                return accepted
        raise AssertionError("is never refused")

    def free(self):
        stat = os.statvfs(self.mount)
        return stat.f_bavail * stat.f_frsize

    def fill(self):
        """Fills the disk to the last byte with another file."""
        path = os.path.join(self.mount, "foreign")
        with open(path, "ab", buffering=0) as file:
            for size in (MIB, 4096):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError as error:
                    self.assertEqual(error.errno, errno.ENOSPC)
        self.assertLess(self.free(), 4096 * 4)

    def eventually(self, condition):
        end = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), end, self.read_log())
            time.sleep(0.1)

    def read_log(self):
        self.log.seek(0)
        return self.log.read()

    def test_recovers_without_a_restart(self):
        self.assertTrue(self.start(), self.read_log())
        for topic in ("kept", "large"):
            self.assertEqual(self.cli("topics", "create", topic).returncode, 0)
        self.assertEqual(self.publish("kept").returncode, 0)
        self.eventually(lambda: os.path.exists(os.path.join(self.data, "RESERVE")))
        self.assertGreater(self.publish_until_refused("large"), 10)
        # The guard acted before any write found the disk full.
        self.assertGreater(self.free(), 10 * MIB)
        self.fill()
        self.assertIn(b"free", self.publish("large").stderr)
        # A supervisor that restarts hubs which are not live does not restart this one again and
        # again.
        self.assertEqual(self.cli("health", "--quiet").returncode, 1)
        health = self.cli("health").stderr
        self.assertIn(b"the hub is not serving; writes are refused: ", health)
        self.assertNotIn(b"may have been done", health)
        self.assertEqual(self.cli("health", "--live", "--quiet").returncode, 0)
        # There is room to delete, and deletions free space.
        deleted = self.cli("topics", "delete", "large", "--yes")
        self.assertEqual(deleted.returncode, 0, deleted.stderr)
        self.eventually(lambda: self.publish("kept").returncode == 0)
        read = self.cli("read", "kept", "--output=json")
        self.assertEqual(read.returncode, 0, read.stderr)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(TIMEOUT), 0, self.read_log())
        self.assertNotIn("until the hub is restarted", self.read_log())

    def test_start_on_a_full_disk(self):
        self.assertTrue(self.start(), self.read_log())
        self.assertEqual(self.cli("topics", "create", "kept").returncode, 0)
        self.assertEqual(self.publish("kept").returncode, 0)
        self.eventually(lambda: os.path.exists(os.path.join(self.data, "RESERVE")))
        self.kill()
        os.remove(os.path.join(self.data, "RESERVE"))
        self.fill()
        self.assertFalse(self.start())
        self.assertEqual(self.process.returncode, 1)
        self.assertIn("free some space", self.read_log())
        os.remove(os.path.join(self.mount, "foreign"))
        self.assertTrue(self.start(), self.read_log())
        self.assertEqual(self.publish("kept").returncode, 0)


class KilledTest(unittest.TestCase):
    """A hub with default flags is killed when its disk is full: the next one starts and serves."""

    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        self.mount = os.path.join(self.directory, "disk")
        os.mkdir(self.mount)
        self.hub = Hub(self.directory, os.path.join(self.mount, "data"))
        self.random = random.Random(SEED)

    def mount_disk(self, mib):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", self.mount], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.mount], check=True)
        self.addCleanup(self.hub.kill)

    def lines(self, size):
        """Yields lines whose first column spreads over the keys, in pieces that fit into a pipe."""
        payload = "x" * size
        number = 0
        while True:
            piece = []
            while len(piece) * (size + 10) < 60_000:
                piece.append(f"{number * 7919 % 1000003} {payload}\n")
                number += 1
            yield "".join(piece).encode()

    def publish_until_refused(self, topic, size, prefix):
        """Publishes until a moment after the first refusal; returns what was acknowledged."""
        path = os.path.join(self.directory, "acks")
        with open(path, "wb") as acks:
            publisher = subprocess.Popen(
                [os.environ["EVENTHUB"], f"--address={self.hub.address}", "--timeout=60s", "publish",
                 topic, "--acks", "-q", "--key-field=1", f"--id-prefix={prefix}"],
                stdin=subprocess.PIPE, stdout=acks, stderr=subprocess.DEVNULL,
                env=clean_environment())
        os.set_blocking(publisher.stdin.fileno(), False)
        end = time.monotonic() + 2 * TIMEOUT
        refused = None
        delay = self.random.uniform(0, 2)
        pieces = self.lines(size)
        rest = b""
        while refused is None or time.monotonic() < refused + delay:
            self.assertLess(time.monotonic(), end, self.hub.log())
            if refused is None and "writes are refused: " in self.hub.log():
                refused = time.monotonic()
            rest = rest or next(pieces)
            try:
                rest = rest[os.write(publisher.stdin.fileno(), rest):]
            except BlockingIOError:
                time.sleep(0.01)
        self.hub.kill()
        publisher.kill()
        publisher.wait(TIMEOUT)
        publisher.stdin.close()
        with open(path, "rb") as acks:
            lines = acks.read().split(b"\n")[:-1]
        return [tuple(line.split()) for line in lines]

    def expect_kept(self, topic, acknowledged):
        read = self.hub.cli("read", topic, "--format=%p %o %i\\n")
        self.assertEqual(read.returncode, 0, read.stderr)
        kept = {tuple(line.split()) for line in read.stdout.splitlines()}
        lost = set(acknowledged) - kept
        self.assertFalse(lost, f"{len(lost)} of {len(acknowledged)}")

    def run_case(self, disk, size, settings, rounds, flags=()):
        """Each round begins with what the last one left on the disk."""
        self.mount_disk(disk)
        self.assertTrue(self.hub.start(*flags), self.hub.log())
        self.assertEqual(self.hub.cli("topics", "create", "t", *settings).returncode, 0)
        acknowledged = []
        for number in range(rounds):
            acknowledged += self.publish_until_refused("t", size, f"{number}-")
            self.assertTrue(self.hub.start(*flags), self.hub.log())
            if "--retention=latest-per-key" not in settings:
                self.expect_kept("t", acknowledged)
        self.assertGreater(len(acknowledged), 50)
        # Deletions make room, without a restart.
        self.assertEqual(self.hub.cli("topics", "create", "other").returncode, 0)
        deleted = self.hub.cli("--timeout=20s", "topics", "delete", "t", "--yes")
        self.assertEqual(deleted.returncode, 0, deleted.stderr)
        published = self.hub.cli("--timeout=40s", "publish", "other", input=b"one\n")
        self.assertEqual(published.returncode, 0, published.stderr)
        self.assertNotIn("ssertion", self.hub.log())

    def test_batches(self):
        self.run_case(448, 1000, ["--partitions=2"], 2)

    def test_large_events(self):
        self.run_case(512, 450_000, [], 2)

    # Without a limit, the compaction of small values fills this disk.
    def test_many_partitions(self):
        self.run_case(1200, 900, ["--partitions=3000"], 1)

    def test_compacted_and_deduplicated(self):
        self.run_case(448, 300, ["--retention=latest-per-key", "--deduplicate=1h"], 1)

    def test_small_disk(self):
        self.run_case(300, 450_000, [], 2, ["--min_free_disk=100MiB"])

    # Smaller than what the hub keeps free by default.
    def test_too_small_disk(self):
        self.mount_disk(200)
        self.assertTrue(self.hub.start(), self.hub.log())
        self.assertEqual(self.hub.cli("topics", "create", "t").returncode, 0)
        refused = self.hub.cli("--timeout=5s", "publish", "t", input=b"one\n")
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn(b"--min_free_disk", refused.stderr)

    def test_medium_disk(self):
        self.run_case(600, 5000, ["--partitions=20"], 1)


def enter_namespace():
    """Runs this test again in a namespace where it may mount. Returns the error if that fails."""
    if IN_NAMESPACE in os.environ:
        return None
    unshare = ["unshare", "--mount", "--propagation=private"]
    probe = subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", "/mnt"], check=False,
                           capture_output=True)
    if probe.returncode != 0:
        return f"cannot mount: {probe.stderr.decode().strip()}"
    os.environ[IN_NAMESPACE] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, "-B", *sys.argv])


if __name__ == "__main__":
    reason = enter_namespace()
    if reason is not None:
        print(f"skipped: {reason}")
        sys.exit(77)
    print(f"EVENTHUB_TEST_CRASH_SEED={SEED}", flush=True)
    unittest.main()
