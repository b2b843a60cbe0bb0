"""Starts and kills a daemon that may fail to start, and runs the command line against it.

The environment names the programs: EVENTHUBD, EVENTHUB.
"""

import glob
import os
import subprocess
import time

TIMEOUT = 60


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("EVENTHUB")}


class Hub:
    """A daemon on a data directory, by default below `directory`, which has its log and port file."""

    def __init__(self, directory, data=None):
        self.data = data or os.path.join(directory, "data")
        self.ports = os.path.join(directory, "ports")
        self.log_path = os.path.join(directory, "log")
        self.address = None
        self.process = None

    def start(self, *flags):
        """Returns whether the daemon serves; otherwise it has ended."""
        if os.path.exists(self.ports):
            os.remove(self.ports)
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [os.environ["EVENTHUBD"], f"--data_dir={self.data}", "--listen=127.0.0.1:0",
                 f"--port_file={self.ports}", *flags], stderr=log, env=clean_environment())
        end = time.monotonic() + TIMEOUT
        while not os.path.exists(self.ports):
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < end, self.log()
            time.sleep(0.005)
        with open(self.ports, encoding="utf-8") as file:
            self.address = file.read().strip()
        return True

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT)

    def log(self):
        """Returns the log since the last start."""
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def cli(self, *arguments, **kwargs):
        return subprocess.run([os.environ["EVENTHUB"], *arguments], capture_output=True,
                              timeout=TIMEOUT, check=False,
                              env=dict(clean_environment(), EVENTHUB_ADDRESS=self.address), **kwargs)

    def files(self, pattern):
        return sorted(glob.glob(os.path.join(self.data, pattern)))

    def table_sizes(self):
        return {path: os.path.getsize(path) for path in self.files("log/*.sst")}
