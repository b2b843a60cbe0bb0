"""Runs a hub for a test, and the command line against it.

The environment names the programs: EVENTHUB, EVENTHUBD.
"""

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

EVENTHUB = os.environ["EVENTHUB"]
EVENTHUBD = os.environ["EVENTHUBD"]
TIMEOUT = 60


class Result:
    """The result of a call of the command line."""

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

    def start(self, stderr=None):
        """Starts the hub; returns when it serves. Its log goes to `stderr`, or into a file."""
        with open(f"{self.directory}/log", "ab") as log:
            self.process = subprocess.Popen(
                [EVENTHUBD, f"--data_dir={self.directory}/data", f"--listen={self.address}"],
                stderr=stderr or log, stdin=subprocess.DEVNULL)
        result = self.run("health", "--wait=30s", "--quiet")
        if result.code != 0:
            raise AssertionError("the hub does not come up: " + self.log())

    def log(self):
        with open(f"{self.directory}/log", encoding="utf-8") as log:
            return log.read()

    def stop(self, how=signal.SIGTERM):
        """Stops the hub; returns the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(TIMEOUT)
        self.process = None
        return code

    @contextlib.contextmanager
    def stopped(self):
        """Suspends the hub meanwhile: it accepts connections and does not respond."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process is not None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.directory)

    def environment(self):
        return dict(os.environ, EVENTHUB_ADDRESS=self.address)

    def run(self, *arguments, stdin=b""):
        """Runs the command line until it exits; output is bytes."""
        return Result(subprocess.run([EVENTHUB, *arguments], input=stdin, capture_output=True,
                                     env=self.environment(), timeout=TIMEOUT, check=False))

    def run_on_terminal(self, typed, *arguments):
        """The same with a terminal as standard input, on which `typed` is typed."""
        leader, follower = pty.openpty()
        process = self.popen(*arguments, stdin=follower, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        os.close(follower)
        os.write(leader, typed)
        out, err = process.communicate(timeout=TIMEOUT)
        os.close(leader)
        return Result(subprocess.CompletedProcess(arguments, process.returncode, out, err))

    @contextlib.contextmanager
    def background(self, *arguments):
        """Runs the command line meanwhile; its output is dropped."""
        process = self.popen(*arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(TIMEOUT)

    def popen(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([EVENTHUB, *arguments], env=self.environment(), **options)


def read_until(fd, text):
    """Returns the output of a terminal up to and including `text`."""
    said = b""
    deadline = time.monotonic() + TIMEOUT
    while text not in said:
        if not select.select([fd], [], [], deadline - time.monotonic())[0]:
            raise AssertionError(f"there is no {text} in {said}")
        said += os.read(fd, 4096)
    return said


def blocks_signals(pid):
    """Returns whether the command handles SIGINT by now, and would not be killed by it."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        blocked = next(line for line in status if line.startswith("SigBlk:"))
    return int(blocked.split()[1], 16) & 1 << signal.SIGINT - 1 != 0


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


class HubTest(unittest.TestCase):
    """Tests that share a hub per class; each uses its own topics."""

    @classmethod
    def setUpClass(cls):
        cls.hub = cls.start_hub()

    @classmethod
    def start_hub(cls):
        """Returns a hub that runs until the tests of the class are done."""
        hub = Hub()
        cls.addClassCleanup(hub.close)
        hub.start()
        return hub

    def ok(self, *arguments, stdin=b"", hub=None):
        """Returns the standard output of a call that must succeed; `hub` replaces the class's."""
        result = (hub or self.hub).run(*arguments, stdin=stdin)
        self.assertEqual(result.code, 0, (arguments, result.err))
        return result.out.decode()

    def ok_json(self, *arguments, stdin=b"", hub=None):
        """The same for a call with --output=json that prints one object."""
        return json.loads(self.ok(*arguments, "--output=json", stdin=stdin, hub=hub))

    def fails(self, code, *arguments, stdin=b"", hub=None):
        """Returns the error line of a call that must fail with `code` and print nothing else."""
        lines = self.fault_lines(code, *arguments, stdin=stdin, hub=hub)
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def fault_lines(self, code, *arguments, stdin=b"", hub=None):
        """Returns the error lines of a call that must fail with `code` and print nothing else."""
        result = (hub or self.hub).run(*arguments, stdin=stdin)
        self.assertEqual(result.code, code, (arguments, result.out, result.err))
        lines = result.err.decode().splitlines()
        for line in lines:
            self.assertTrue(line.startswith("eventhub: "), lines)
        return lines

    def wait_until(self, condition):
        """Calls `condition` until its result is true, and returns that."""
        deadline = time.monotonic() + TIMEOUT
        while not (outcome := condition()):
            self.assertLess(time.monotonic(), deadline, "it does not come about")
            time.sleep(0.05)
        return outcome

    def topic(self, *options):
        """Creates a topic named after the test."""
        name = self.id().split(".")[-1]
        self.ok("topics", "create", name, *options)
        return name


class OwnHubTest(HubTest):
    """The same with a hub per test: for tests that kill it, or that concern a whole hub."""

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.hub = self.new_hub()

    def new_hub(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        return hub

    @staticmethod
    def kill(hub):
        """Kills the hub and starts it again."""
        hub.stop(signal.SIGKILL)
        hub.start()
