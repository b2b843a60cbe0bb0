"""The programs that README.md shows, run against a hub as they stand there."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from cli_hub import TIMEOUT, HubTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOS = sorted(str(path) for path in (ROOT / "proto/eventhub/v1").glob("*.proto"))


def snippet(language):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(rf"```{language}\n(.*?)```", readme, re.DOTALL).group(1)


class ReadmeTest(HubTest):

    def setUp(self):
        self.ok("topics", "create", "orders", "--if-not-exists")
        self.directory = tempfile.mkdtemp(prefix="eventhub-readme-")
        self.addCleanup(shutil.rmtree, self.directory)

    def run_program(self, *command, **environment):
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT,
                                env=dict(os.environ, **environment), cwd=self.directory,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_Shell(self):
        path = os.pathsep.join([os.path.dirname(os.environ["EVENTHUB"]), os.environ["PATH"]])
        out = self.run_program("bash", "-euc", snippet("sh"), PATH=path,
                               EVENTHUB_ADDRESS=self.hub.address)
        self.assertIn("billed 1\n", out)
        self.assertIn("billed 2\n", out)
        self.assertRegex(out, r"(?m)^0:\d +0:2 +3 .*exit code 75: the bank is shut$")
        self.assertRegex(out, r"(?m)^0:\d +0:3 +1 .*exit code 65: not a payment$")
        self.assertIn("1 dead letter is redriven\n", out)
        self.assertRegex(out, r"(?m)^dead letters: 1 open")

    def test_Cpp(self):
        out = self.run_program(os.environ["SNIPPET"], self.hub.address)
        self.assertEqual(out, '0 shop.order.placed {"total": 42}\n')

    def test_Python(self):
        self.run_program(os.environ["PROTOC"], "-I", str(ROOT / "proto"), "--python_out=.",
                         "--grpc_python_out=.", "--plugin=protoc-gen-grpc_python="
                         + shutil.which("grpc_python_plugin"), *PROTOS)
        out = self.run_program(sys.executable, "-c", snippet("python"), self.hub.address)
        self.assertEqual(out, 'published at 0 0\n0 shop.order.placed {"total": 7}\n')

    def test_Node(self):
        program = pathlib.Path(self.directory) / "program.js"
        program.write_text(snippet("js"), encoding="utf-8")
        out = self.run_program("node", str(program), self.hub.address, str(ROOT / "proto"),
                               NODE_PATH=str(ROOT / "build/tools/node_modules"))
        self.assertIn('shop.order.placed {"total": 3}\n', out)


if __name__ == "__main__":
    unittest.main()
