"""Runs the programs in README.md, unchanged, against a hub."""

import os
import pathlib
import shutil
import sys
import tempfile
import unittest

from cli_snippets import ROOT, SnippetTest, snippet

PROTOS = sorted(str(path) for path in (ROOT / "proto/eventhub/v1").glob("*.proto"))


class ReadmeTest(SnippetTest):

    def setUp(self):
        self.ok("topics", "create", "orders", "--if-not-exists")
        self.directory = tempfile.mkdtemp(prefix="eventhub-readme-")
        self.addCleanup(shutil.rmtree, self.directory)

    def test_Topology(self):
        out = self.run_shell(snippet("README.md", "sh", "Channel topology"))
        self.assertRegex(out, r"(?m)^shop +bus +copied +shop ")
        self.assertIn("it would be in: shop\n", out)
        self.assertRegex(out, r"(?m)^from: +egress of crm:7070$")

    def test_Shell(self):
        out = self.run_shell(snippet("README.md", "sh", "Subscriptions"))
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
        out = self.run_program(sys.executable, "-c", snippet("README.md", "python", "Publish and read"), self.hub.address)
        self.assertEqual(out, 'published at 0 0\n0 shop.order.placed {"total": 7}\n')

    def test_Node(self):
        program = pathlib.Path(self.directory) / "program.js"
        program.write_text(snippet("README.md", "js", "Publish and read"), encoding="utf-8")
        out = self.run_program("node", str(program), self.hub.address, str(ROOT / "proto"),
                               NODE_PATH=str(ROOT / "build/tools/node_modules"))
        self.assertEqual(out, 'published at 0 0\n0n shop.order.placed {"total": 3}\n')


if __name__ == "__main__":
    unittest.main()
