"""The daemon on a damaged data directory: it refuses to start, names the file and the way on.

The environment names the programs: EVENTHUBD, EVENTHUB.
"""

import glob
import os
import shutil
import tempfile
import time
import unittest

from daemon_hub import Hub

TIMEOUT = 60
REMEDIES = ("restore a backup", "or a backup", "--drop_after_damage")


def flip(path):
    """Flips the bits of one byte in 64: whatever the start reads of the file is damaged."""
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        for at in range(0, len(data), 64):
            data[at] ^= 0xFF
        file.seek(0)
        file.write(data)


def truncate(path):
    os.truncate(path, os.path.getsize(path) // 2)


def empty(path):
    os.truncate(path, 0)


class DamageTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.pristine = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.pristine)
        hub = Hub(cls.pristine)
        # A small log, so that some of the data is in tables, and some in several log files.
        assert hub.start("--write_buffer=1MiB", "--max_log=64MiB"), hub.log()
        try:
            for topic in ("one", "two"):
                created = hub.cli("topics", "create", topic, "--partitions=50")
                assert created.returncode == 0, created.stderr
            # Small batches stay in tables, large ones go to blobs.
            for size, lines in ((200, 10_000), (5_000, 1_000), (200, 2_000)):
                text = "".join(f"{i} {'x' * size}\n" for i in range(lines)).encode()
                published = hub.cli("publish", "one", "--key-field=1", "-q", input=text)
                assert published.returncode == 0, published.stderr
            # Deleting a topic writes tables of all columns.
            deleted = hub.cli("topics", "delete", "two", "--yes")
            assert deleted.returncode == 0, deleted.stderr
            end = time.monotonic() + TIMEOUT
            while not (hub.files("log/*.sst") and hub.files("log/*.blob")):
                assert time.monotonic() < end
                time.sleep(0.05)
            text = "".join(f"{i} late\n" for i in range(500)).encode()
            published = hub.cli("publish", "one", "--key-field=1", "-q", input=text)
            assert published.returncode == 0, published.stderr
            cls.intact = cls.contents(hub)
        finally:
            hub.kill()
        assert hub.files("log/*.log")

    @staticmethod
    def contents(hub):
        read = hub.cli("read", "one", "--output=json")
        assert read.returncode == 0, read.stderr
        return sorted(read.stdout.splitlines())

    def damaged(self, pattern, damage):
        """Yields a hub for each file of the pattern, with that file damaged."""
        for path in Hub(self.pristine).files(pattern):
            with tempfile.TemporaryDirectory() as directory:
                hub = Hub(directory)
                shutil.copytree(os.path.join(self.pristine, "data"), hub.data)
                damage(path.replace(self.pristine, directory))
                try:
                    yield hub, os.path.basename(path)
                finally:
                    hub.kill()

    def expect_refused(self, hub, name):
        self.assertFalse(hub.start(), name)
        self.assertEqual(hub.process.returncode, 1, hub.log())
        log = hub.log()
        self.assertIn(name, log)
        self.assertTrue(any(remedy in log for remedy in REMEDIES), log)

    def expect_refused_or_intact(self, hub, name):
        """A file whose damage is not found at the start is found by whoever reads it."""
        before = hub.table_sizes()
        if not hub.start():
            self.assertEqual(hub.process.returncode, 1, hub.log())
            log = hub.log()
            self.assertIn(name, log)
            self.assertTrue(any(remedy in log for remedy in REMEDIES), log)
            # The attempt has changed nothing.
            self.assertEqual(hub.table_sizes(), before)
            return False
        read = hub.cli("--timeout=5s", "read", "one", "--output=json")
        if read.returncode == 0:
            self.assertEqual(sorted(read.stdout.splitlines()), self.intact, name)
        else:
            self.assertIn(b"damaged", read.stderr.lower() + hub.log().lower().encode(), read.stderr)
        return True

    def test_files_that_every_start_needs(self):
        for pattern in ("EVENTHUB_FORMAT", "log/CURRENT", "log/MANIFEST-*"):
            for damage in (flip, empty, os.remove):
                with self.subTest(pattern=pattern, damage=damage.__name__):
                    for hub, name in self.damaged(pattern, damage):
                        self.expect_refused(hub, "MANIFEST" if "MANIFEST" in name else name)

    def test_tables(self):
        for damage in (flip, truncate, empty, os.remove):
            refused = 0
            for hub, name in self.damaged("log/*.sst", damage):
                with self.subTest(name=name, damage=damage.__name__):
                    refused += not self.expect_refused_or_intact(hub, name)
            self.assertGreater(refused, 0, damage.__name__)

    def test_blobs(self):
        for damage in (flip, truncate, empty, os.remove):
            for hub, name in self.damaged("log/*.blob", damage):
                with self.subTest(name=name, damage=damage.__name__):
                    self.expect_refused_or_intact(hub, name)

    def test_logs(self):
        for hub, name in self.damaged("log/*.log", flip):
            with self.subTest(name=name):
                self.expect_refused_or_intact(hub, name)

    def test_all_logs_are_missing(self):
        for hub, _ in self.damaged("LOCK", lambda path: None):
            for path in hub.files("log/*.log"):
                os.remove(path)
            self.expect_refused(hub, ".log")

    def test_files_that_no_start_needs(self):
        for pattern in ("log/OPTIONS-*", "log/IDENTITY"):
            for damage in (flip, empty, os.remove):
                with self.subTest(pattern=pattern, damage=damage.__name__):
                    for hub, _ in self.damaged(pattern, damage):
                        self.assertTrue(hub.start(), hub.log())
                        self.assertEqual(self.contents(hub), self.intact)

    def test_directory_in_use(self):
        for hub, _ in self.damaged("LOCK", lambda path: None):
            self.assertTrue(hub.start(), hub.log())
            with tempfile.TemporaryDirectory() as directory:
                second = Hub(directory)
                second.data = hub.data
                self.assertFalse(second.start())
                self.assertEqual(second.process.returncode, 1)
                self.assertIn("is in use by another process", second.log())
            self.assertEqual(self.contents(hub), self.intact)


if __name__ == "__main__":
    unittest.main()
