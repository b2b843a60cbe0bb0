"""A hub of its own for a test, and ways to call the command line against it.

The programs are named by the environment: EVENTHUB, EVENTHUBD.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import unittest

EVENTHUB = os.environ["EVENTHUB"]
EVENTHUBD = os.environ["EVENTHUBD"]
TIMEOUT = 60


class Result:
    """How a call of the command line ended."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr


class Hub:
    """A hub process on a data directory, reached over a unix socket."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="eventhub-cli-")
        self.address = f"unix:{self.directory}/socket"
        self.process = None

    def start(self):
        """Returns when the hub serves."""
        with open(f"{self.directory}/log", "ab") as log:
            self.process = subprocess.Popen(
                [EVENTHUBD, f"--data_dir={self.directory}/data", f"--listen={self.address}"],
                stderr=log, stdin=subprocess.DEVNULL)
        result = self.run("health", "--wait=30s", "--quiet")
        if result.code != 0:
            raise AssertionError("the hub does not come up: " + self.log())

    def log(self):
        with open(f"{self.directory}/log", encoding="utf-8") as log:
            return log.read()

    def stop(self, how=signal.SIGTERM):
        """Returns the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(TIMEOUT)
        self.process = None
        return code

    def close(self):
        if self.process is not None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.directory)

    def environment(self):
        return dict(os.environ, EVENTHUB_ADDRESS=self.address)

    def run(self, *arguments, stdin=b""):
        """Runs the command line to its end; output is bytes."""
        return Result(subprocess.run([EVENTHUB, *arguments], input=stdin, capture_output=True,
                                     env=self.environment(), timeout=TIMEOUT, check=False))

    def popen(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([EVENTHUB, *arguments], env=self.environment(), **options)


class HubTest(unittest.TestCase):
    """Tests that share a hub per class; each uses topics of its own."""

    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.close)
        cls.hub.start()

    def ok(self, *arguments, stdin=b""):
        """Standard output of a call that must succeed."""
        result = self.hub.run(*arguments, stdin=stdin)
        self.assertEqual(result.code, 0, (arguments, result.err))
        return result.out.decode()

    def fails(self, code, *arguments, stdin=b""):
        """The error line of a call that must fail with `code`: one line, and nothing else."""
        result = self.hub.run(*arguments, stdin=stdin)
        self.assertEqual(result.code, code, (arguments, result.out, result.err))
        lines = result.err.decode().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("eventhub: "), lines)
        return lines[0]

    def topic(self, *options):
        """A new topic, named for the test."""
        name = self.id().split(".")[-1]
        self.ok("topics", "create", name, *options)
        return name
