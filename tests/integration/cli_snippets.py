"""Finds the programs in Markdown files, and runs them."""

import os
import pathlib
import re
import subprocess

from cli_hub import EVENTHUB, TIMEOUT, HubTest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def snippet(path, language, section):
    """Returns the only block of that language in the section with that heading of a source file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    part = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    block, = re.findall(rf"^```{language}\n(.*?)^```$", part.group(1), re.DOTALL | re.MULTILINE)
    return block


class SnippetTest(HubTest):
    """Runs programs in `directory`, which the test sets."""

    def run_program(self, *command, **environment):
        """Returns the standard output of a program that must succeed."""
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT,
                                env=dict(os.environ, **environment), cwd=self.directory,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def run_shell(self, script, **environment):
        """The same for a script whose commands must all succeed, with `eventhub` in its path."""
        path = os.pathsep.join([os.path.dirname(EVENTHUB), os.environ["PATH"]])
        environment.setdefault("EVENTHUB_ADDRESS", self.hub.address)
        return self.run_program("bash", "-euo", "pipefail", "-c", script, PATH=path, **environment)
