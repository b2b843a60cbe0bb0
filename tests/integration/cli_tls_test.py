"""Sets up TLS like an operator: deploy/make-certificates.sh, the daemon's flags, the command line, and the programs in
README.md.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import grpc

from cli_hub import EVENTHUB, EVENTHUBD, TIMEOUT, Result

ROOT = pathlib.Path(__file__).resolve().parents[2]


class TlsTest(unittest.TestCase):
    """One hub that accepts only clients with a certificate, and one authority."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="eventhub-tls-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name
        cls.sign("hub", "hub", "hub.example")
        cls.sign("client", "billing")
        port_file = cls.file("port")
        cls.daemon = subprocess.Popen(
            [EVENTHUBD, f"--data_dir={cls.file('data')}", "--listen=127.0.0.1:0",
             f"--port_file={port_file}", f"--tls_cert={cls.file('hub.pem')}",
             f"--tls_key={cls.file('hub.key')}", f"--tls_client_ca={cls.file('ca.pem')}"],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.daemon.wait, TIMEOUT)
        cls.addClassCleanup(cls.daemon.kill)
        cls.run_cli("health", "--wait=30s", "--quiet", address_file=port_file)
        with open(port_file, encoding="utf-8") as file:
            cls.address = file.read().strip()

    @classmethod
    def file(cls, name):
        return os.path.join(cls.directory, name)

    @classmethod
    def sign(cls, *arguments):
        subprocess.run([ROOT / "deploy" / "make-certificates.sh", cls.directory, *arguments],
                       check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT)

    @classmethod
    def run_cli(cls, *arguments, address_file=None, **variables):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("EVENTHUB_")}
        while address_file is not None and not os.path.exists(address_file):
            if cls.daemon.poll() is not None:
                raise AssertionError("the hub does not start")
        address = (open(address_file, encoding="utf-8").read().strip()
                   if address_file is not None else cls.address)
        variables = variables or {"EVENTHUB_TLS_CA": cls.file("ca.pem"),
                                  "EVENTHUB_TLS_CERT": cls.file("billing.pem"),
                                  "EVENTHUB_TLS_KEY": cls.file("billing.key")}
        environment.update(variables, EVENTHUB_ADDRESS=address)
        return Result(subprocess.run([EVENTHUB, *arguments], env=environment, timeout=TIMEOUT,
                                     capture_output=True, check=False, stdin=subprocess.DEVNULL))

    def refused(self, *arguments, code=1, **variables):
        result = self.run_cli("--timeout=500ms", *arguments, **(variables or {"EVENTHUB_TLS": ""}))
        self.assertEqual(result.code, code, result.err)
        return result.err.decode()

    def test_the_environment_or_flags(self):
        result = self.run_cli("stats")
        self.assertEqual(result.code, 0, result.err)
        self.assertIn(f"{self.address} (TLS, clients with a certificate)", result.out.decode())
        flags = [f"--tls-ca={self.file('ca.pem')}", f"--tls-cert={self.file('billing.pem')}",
                 f"--tls-key={self.file('billing.key')}"]
        result = self.run_cli("stats", *flags, EVENTHUB_LOG_LEVEL="info")
        self.assertEqual(result.code, 0, result.err)
        named = self.run_cli("stats", *flags, "--tls-server-name=hub.example", EVENTHUB_LOG_LEVEL="info")
        self.assertEqual(named.code, 0, named.err)

    def test_what_is_not_let_in_is_told_what_may_be_missing(self):
        self.assertIn("does it talk TLS? See --tls-ca", self.refused("stats"))
        self.assertIn("does it ask for a certificate? See --tls-cert",
                      self.refused("stats", f"--tls-ca={self.file('ca.pem')}"))
        self.assertIn("certificate verify failed", self.refused("stats", "--tls"))

    def test_files_are_checked_first(self):
        missing = self.file("missing.pem")
        self.assertIn(f"{missing}: No such file",
                      self.refused("stats", f"--tls-ca={missing}", code=2))
        self.assertIn("--tls-cert needs a key; see --tls-key",
                      self.refused("stats", f"--tls-cert={missing}", code=2))

    def test_what_is_wrong_in_the_environment_is_named_by_its_variable(self):
        missing = self.file("missing.pem")
        self.assertIn("EVENTHUB_TLS: 'maybe' is neither true nor false",
                      self.refused("stats", code=2, EVENTHUB_TLS="maybe"))
        self.assertIn(f"EVENTHUB_TLS_CA: {missing}: No such file",
                      self.refused("stats", code=2, EVENTHUB_TLS_CA=missing))
        self.assertIn("EVENTHUB_TLS_KEY needs a certificate; see --tls-cert",
                      self.refused("stats", code=2, EVENTHUB_TLS_KEY=missing))
        self.assertIn(f"EVENTHUB_TLS_CERT, EVENTHUB_TLS_KEY: {missing}: No such file",
                      self.refused("stats", code=2, EVENTHUB_TLS_CERT=missing,
                                   EVENTHUB_TLS_KEY=missing))

    def test_bad_calls_of_the_script(self):
        for arguments in ([], ["x"], ["hub", "name"], ["client", "../x"], ["client", "ca"]):
            result = subprocess.run(
                [ROOT / "deploy" / "make-certificates.sh", self.directory, *arguments],
                check=False, capture_output=True, timeout=TIMEOUT)
            self.assertEqual(result.returncode, 2, arguments)

    def test_python(self):
        def contents(name):
            with open(self.file(name), "rb") as file:
                return file.read()
        ca, key, certificate = map(contents, ("ca.pem", "billing.key", "billing.pem"))
        with grpc.secure_channel(self.address, grpc.ssl_channel_credentials(ca, key, certificate)) as channel:
            grpc.channel_ready_future(channel).result(TIMEOUT)

    def test_node(self):
        modules = ROOT / "build" / "tools" / "node_modules"
        if not (modules / "@grpc" / "grpc-js").exists() or shutil.which("node") is None:
            self.skipTest("there is no @grpc/grpc-js")
        program = """
            const fs = require('fs'), grpc = require('@grpc/grpc-js');
            const [address, ca, key, certificate] = process.argv.slice(1);
            const read = name => fs.readFileSync(name);
            const credentials = grpc.credentials.createSsl(read(ca), read(key), read(certificate));
            const client = new grpc.Client(address, credentials);
            client.waitForReady(Date.now() + 30000, error => process.exit(error ? 1 : 0));"""
        result = subprocess.run(
            ["node", "-e", program, self.address, self.file("ca.pem"), self.file("billing.key"),
             self.file("billing.pem")],
            env=dict(os.environ, NODE_PATH=str(modules)), timeout=TIMEOUT, check=False)
        self.assertEqual(result.returncode, 0)


if __name__ == "__main__":
    unittest.main()
