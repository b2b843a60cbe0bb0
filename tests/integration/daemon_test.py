"""The daemon's command line, environment, exit codes, log and files.

The environment names the program: EVENTHUBD.
"""

import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

EVENTHUBD = os.environ["EVENTHUBD"]
TIMEOUT = 60


class Daemon:
    """A running daemon, stopped at the end of the `with` block."""

    def __init__(self, directory, *flags, environment=None, descriptors=None):
        self.port_file = os.path.join(directory, "ports")
        self.process = subprocess.Popen(
            [EVENTHUBD, f"--port_file={self.port_file}", *flags],
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env=dict(clean_environment(), **(environment or {})),
            preexec_fn=descriptors and limit_descriptors(descriptors))

    def __enter__(self):
        end = time.monotonic() + TIMEOUT
        while not os.path.exists(self.port_file):
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"does not start: {self.process.stderr.read()}")
            time.sleep(0.005)
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT)
        self.process.stderr.close()

    def addresses(self):
        with open(self.port_file, encoding="utf-8") as file:
            return file.read().splitlines()

    def stop(self, how=signal.SIGTERM):
        """Stops it; returns the exit code and the lines of its log."""
        self.process.send_signal(how)
        log = self.process.stderr.read().decode()
        return self.process.wait(TIMEOUT), log.splitlines()


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("EVENTHUB")}


def limit_descriptors(most):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 64), most))


class DaemonTest(unittest.TestCase):

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="eventhub-daemon-")
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name
        self.data = os.path.join(self.directory, "data")

    def path(self, name, contents=None):
        path = os.path.join(self.directory, name)
        if contents is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(contents)
        return path

    def run_daemon(self, *flags, environment=None):
        """Runs a daemon that must exit by itself."""
        return subprocess.run([EVENTHUBD, *flags], capture_output=True, timeout=TIMEOUT,
                              check=False, env=dict(clean_environment(), **(environment or {})))

    def fails(self, code, *flags, environment=None):
        """Returns the only line of output of a daemon that must exit with `code`."""
        result = self.run_daemon(*flags, environment=environment)
        self.assertEqual(result.returncode, code, (flags, result.stderr))
        self.assertEqual(result.stdout, b"")
        lines = result.stderr.decode().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], r"^eventhubd: .+[^.]$")
        self.assertFalse(os.path.exists(self.data), "a start that was wrong left traces")
        return lines[0]

    def start(self, *flags, environment=None):
        if not any(flag.startswith("--listen") for flag in flags):
            flags += ("--listen=127.0.0.1:0",)
        return Daemon(self.directory, f"--data_dir={self.data}", *flags, environment=environment)


class FlagsTest(DaemonTest):

    def test_each_flag_refuses_bad_values(self):
        for flag, value in [
                ("data_dir", ""),
                ("listen", ""), ("listen", "here"), ("listen", ":80"), ("listen", "host:port"),
                ("listen", "host:65536"), ("listen", "host:-1"), ("listen", "unix:"),
                ("listen", "127.0.0.1:0,bad"),
                ("log_format", "xml"), ("log_level", "loud"), ("log_level", "Info"),
                ("tail_cache", "much"), ("tail_cache", "-1"), ("tail_cache", "1.5GiB"),
                ("tail_cache", "20000000TiB"),
                ("write_buffer", "1023KiB"), ("memory_limit", "100MiB"), ("max_log", "1"),
                ("max_request", "1023"), ("max_request", "2GiB"),
                ("max_in_flight", "1"), ("max_in_flight_per_connection", "1kB"),
                ("max_connections", "0"), ("max_connections_per_peer", "-1"),
                ("min_free_disk", "x"),
                ("disk_threads", "0"), ("disk_threads", "257"), ("disk_threads", "two"),
                ("retention_interval", "0"), ("retention_interval", "30"),
                ("compaction_interval", "0"),
                ("lake", "ftp://bucket"), ("lake", "s3://"),
                ("lake_flush_interval", "0"), ("lake_flush_interval", "soon"),
                ("lake_max_lag", "1023KiB"), ("lake_max_lag_age", "-1s"),
                ("lake_when_behind", "wait"), ("lake_rate", "1"), ("lake_takeover", "perhaps"),
                ("lake_merge", "perhaps"), ("lake_merge_rate", "1"),
                ("lake_merge_grace", "-1s"),
                ("producer_expiry", "-1s"), ("shutdown_grace", "-1s"), ("shutdown_grace", "soon"),
                ("drop_after_damage", "maybe")]:
            with self.subTest(flag=flag, value=value):
                line = self.fails(2, f"--data_dir={self.data}", f"--{flag}={value}")
                self.assertIn(f"--{flag}: ", line)

    def test_the_command_line_itself_is_checked(self):
        for arguments, line in [
                (["--bogus=1"], "eventhubd: --bogus: unknown flag; see --help"),
                (["--bogus"], "eventhubd: --bogus: has no value"),
                (["--tailcache=1"],
                 "eventhubd: --tailcache: unknown flag; did you mean --tail_cache?"),
                (["serve"], "eventhubd: serve: is not a flag; see --help"),
                (["-p", "1"], "eventhubd: -p: is not a flag; see --help"),
                (["--"], "eventhubd: --: is not a flag; see --help"),
                (["--data_dir"], "eventhubd: --data_dir: has no value")]:
            with self.subTest(arguments=arguments):
                self.assertEqual(self.fails(2, *arguments), line)

    def test_flags_of_tls_that_need_others(self):
        for flags, line in [
                (["--tls_cert=c"], "eventhubd: --tls_cert: needs --tls_key"),
                (["--tls_key=k"], "eventhubd: --tls_key: needs --tls_cert"),
                (["--tls_client_ca=a"],
                 "eventhubd: --tls_client_ca: needs --tls_cert and --tls_key")]:
            with self.subTest(flags=flags):
                self.assertEqual(self.fails(2, f"--data_dir={self.data}", *flags), line)

    def test_environment_variables_are_checked(self):
        line = self.fails(2, f"--data_dir={self.data}", environment={"EVENTHUB_MAX_LOG": "x"})
        self.assertIn("EVENTHUB_MAX_LOG: ", line)

    def test_a_value_is_named_by_what_it_was_set_with(self):
        bad = {"EVENTHUB_DISK_THREADS": "0"}
        self.assertEqual(self.fails(2, f"--data_dir={self.data}", environment=bad),
                         "eventhubd: EVENTHUB_DISK_THREADS: must be 1 to 256")
        self.assertEqual(self.fails(2, f"--data_dir={self.data}", "--disk_threads=0",
                                    environment=bad),
                         "eventhubd: --disk_threads: must be 1 to 256")

    def test_a_variable_that_is_no_setting_is_an_error(self):
        for name, line in [
                ("EVENTHUB_TAILCACHE", "did you mean EVENTHUB_TAIL_CACHE?"),
                ("EVENTHUB_ADRESS", "did you mean EVENTHUB_ADDRESS?"),
                ("EVENTHUB_PORT", "unknown setting"),
                ("EVENTHUB_", "unknown setting"),
                ("EVENTHUB_QUITE_ANOTHER", "unknown setting; unset it, or see --help")]:
            with self.subTest(name=name):
                answer = self.fails(2, "--data_dir=", environment={name: "1"})
                self.assertTrue(answer.startswith(f"eventhubd: {name}: "), answer)
                self.assertIn(line, answer)

    def test_variables_of_others_are_accepted(self):
        others = {
            # Settings of the command line.
            "EVENTHUB_ADDRESS": "hub:7070", "EVENTHUB_TLS": "1", "EVENTHUB_TLS_SERVER_NAME": "hub",
            # Variables that Kubernetes sets for the Services eventhub and eventhub-metrics.
            "EVENTHUB_SERVICE_HOST": "10.0.0.1", "EVENTHUB_SERVICE_PORT": "7070",
            "EVENTHUB_SERVICE_PORT_GRPC": "7070", "EVENTHUB_PORT": "tcp://10.0.0.1:7070",
            "EVENTHUB_PORT_7070_TCP": "tcp://10.0.0.1:7070", "EVENTHUB_PORT_7070_TCP_PROTO": "tcp",
            "EVENTHUB_PORT_7070_TCP_PORT": "7070", "EVENTHUB_PORT_50051_TCP_ADDR": "10.0.0.1",
            "EVENTHUB_METRICS_SERVICE_HOST": "10.0.0.2", "EVENTHUB_METRICS_PORT": "udp://10.0.0.2:1",
            "EVENTHUB_METRICS_PORT_1_UDP_ADDR": "10.0.0.2",
            # Variables of a command that `eventhub consume --exec` runs.
            "EVENTHUB_ID": "1", "EVENTHUB_ATTR_TENANT": "x", "EVENTHUB_SUBSCRIPTION": "s"}
        self.assertIn("--data_dir: is empty", self.fails(2, "--data_dir=", environment=others))

    def test_flag_files_are_checked(self):
        missing = self.path("missing")
        self.assertEqual(self.fails(2, f"--flagfile={missing}"),
                         f"eventhubd: --flagfile: cannot read {missing}")
        bad = self.path("bad", "--data_dir=x\n--log_level=loud\n--nonsense=1\n")
        self.assertIn(f"{bad}: --nonsense: ", self.fails(2, f"--flagfile={bad}"))
        nested = self.path("nested", f"--flagfile={bad}\n")
        self.assertIn("--flagfile: cannot be in a flag file",
                      self.fails(2, f"--flagfile={nested}"))

    def test_help_names_each_flag_its_variable_and_default(self):
        for flag in ["--help", "-h"]:
            result = self.run_daemon(flag)
            self.assertEqual(result.returncode, 0)
            self.assertEqual(result.stderr, b"")
        text = result.stdout.decode()
        self.assertIn("--listen=127.0.0.1:7070   (EVENTHUB_LISTEN)", text)
        self.assertIn("--min_free_disk=256MiB   (EVENTHUB_MIN_FREE_DISK)", text)
        self.assertIn("--drop_after_damage=false", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_what_cannot_be_printed_is_a_failure(self):
        for flag in ["--help", "--version"]:
            with open("/dev/full", "wb") as full:
                result = subprocess.run([EVENTHUBD, flag], stdout=full, stderr=subprocess.PIPE,
                                        timeout=TIMEOUT, check=False)
            self.assertEqual((result.returncode, result.stderr), (
                1, b"eventhubd: cannot write to standard output: No space left on device\n"), flag)

    def test_version(self):
        result = self.run_daemon("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout.decode(), r"^eventhubd \d+\.\d+\.\d+\n$")

    def test_all_sources_of_flags_and_their_precedence(self):
        flags = self.path("flags", "# a comment\n\n  --listen=unix:" + self.path("from-file")
                          + "\n--log_level=debug\n--nodrop_after_damage\n")
        environment = {"EVENTHUB_DATA_DIR": self.data,
                       "EVENTHUB_LISTEN": "unix:" + self.path("from-environment"),
                       "EVENTHUB_LOG_FORMAT": "json"}
        cases = [([], "from-environment"),
                 ([f"--flagfile={flags}"], "from-file"),
                 ([f"--flagfile={flags}", "--listen", "unix:" + self.path("from-flag")],
                  "from-flag")]
        for arguments, socket_name in cases:
            with self.subTest(arguments=arguments):
                with Daemon(self.directory, *arguments, environment=environment) as daemon:
                    self.assertEqual(daemon.addresses(), ["unix:" + self.path(socket_name)])
                    code, log = daemon.stop()
                    self.assertEqual(code, 0)
                    json.loads(log[0])
                os.remove(daemon.port_file)


class StartTest(DaemonTest):

    def fails_to_start(self, *flags):
        """Returns the last line of the log of a daemon that cannot start."""
        result = self.run_daemon(f"--data_dir={self.data}", "--listen=127.0.0.1:0", *flags)
        self.assertEqual(result.returncode, 1, result.stderr)
        return result.stderr.decode().splitlines()[-1]

    def test_the_port_file_has_an_address_per_line(self):
        unix = "unix:" + self.path("socket")
        with self.start(f"--listen=127.0.0.1:0,{unix},localhost:0") as daemon:
            tcp, second, third = daemon.addresses()
            self.assertEqual(second, unix)
            self.assertRegex(third, r"^localhost:[1-9]\d*$")
            host, port = tcp.rsplit(":", 1)
            socket.create_connection((host, int(port)), TIMEOUT).close()
            self.assertEqual(daemon.stop()[0], 0)

    def test_a_port_file_that_cannot_be_written(self):
        path = self.path("none/ports")
        self.assertIn(f"cannot write {path}", self.fails_to_start(f"--port_file={path}"))

    def test_both_signals_end_it_in_order(self):
        for number in [signal.SIGTERM, signal.SIGINT]:
            with self.start() as daemon:
                code, log = daemon.stop(number)
            self.assertEqual(code, 0)
            self.assertIn("shutting down", log[-2])
            self.assertIn("done", log[-1])
            os.remove(daemon.port_file)

    def test_a_second_daemon_on_the_same_data_is_refused(self):
        with self.start() as daemon:
            self.assertIn(f"data directory {self.data} is in use by another process",
                          self.fails_to_start())
            self.assertEqual(daemon.stop()[0], 0)

    def test_data_of_a_newer_format_is_refused_and_untouched(self):
        with self.start() as daemon:
            self.assertEqual(daemon.stop()[0], 0)
        with open(os.path.join(self.data, "EVENTHUB_FORMAT"), "r+", encoding="utf-8") as file:
            file.write("999\n")
        before = self.snapshot()
        self.assertRegex(self.fails_to_start(), "has format 999; this hub supports formats up to")
        self.assertEqual(self.snapshot(), before)

    def snapshot(self):
        files = {}
        for directory, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    files[path] = (os.stat(path).st_mtime_ns, file.read())
        return files

    def test_a_data_directory_that_cannot_be(self):
        self.data = self.path("file", "in the way")
        self.assertIn(self.data, self.fails_to_start())
        self.data = "/proc/eventhub"
        self.assertIn(self.data, self.fails_to_start())

    def test_a_data_directory_that_cannot_be_written(self):
        os.mkdir(self.data, 0o500)
        nobody = None
        if os.geteuid() == 0:  # Root may write everywhere.
            os.chmod(self.directory, 0o755)
            os.chmod(self.data, 0o555)
            nobody = 65534
        try:
            result = subprocess.run(
                [EVENTHUBD, f"--data_dir={self.data}", "--listen=127.0.0.1:0"], user=nobody,
                capture_output=True, timeout=TIMEOUT, check=False, env=clean_environment())
        except PermissionError:
            self.skipTest("the daemon's folder is closed to other users")
        self.assertEqual(result.returncode, 1, result.stderr)
        line = result.stderr.decode().splitlines()[-1]
        user = nobody or os.geteuid()
        self.assertIn(f"the hub runs as user {user}:", line)
        self.assertIn(f"{self.data} belongs to {os.stat(self.data).st_uid}:", line)
        mode = stat.S_IMODE(os.stat(self.data).st_mode)
        self.assertRegex(line, rf"with mode {mode:04o}: chown -R {user}:\d+ {self.data} ")

    def test_what_it_makes_is_for_its_user_alone(self):
        unix = self.path("socket")
        with self.start(f"--listen=unix:{unix}") as daemon:
            self.assertEqual(os.stat(unix).st_mode & 0o777, 0o660)
            self.assertEqual(os.stat(daemon.port_file).st_mode & 0o777, 0o644)
            for directory, _, names in os.walk(self.data):
                self.assertEqual(os.stat(directory).st_mode & 0o777, 0o700, directory)
                for name in names:
                    mode = os.stat(os.path.join(directory, name)).st_mode & 0o777
                    self.assertEqual(mode, 0o600, name)
            self.assertEqual(daemon.stop()[0], 0)

    def test_unprotected_addresses_are_said_at_each_start(self):
        with self.start("--listen=127.0.0.1:0,0.0.0.0:0") as daemon:
            local, everywhere = daemon.addresses()
            code, log = daemon.stop()
        self.assertEqual(code, 0)
        warnings = [line for line in log if "unprotected" in line]
        self.assertEqual(len(warnings), 1, log)
        self.assertIn(f" {everywhere} is unprotected", warnings[0])
        self.assertNotIn(local, warnings[0])

    def test_files_of_tls_that_cannot_be_used(self):
        missing = self.path("missing.pem")
        self.assertIn(f"{missing}: No such file",
                      self.fails_to_start(f"--tls_cert={missing}", f"--tls_key={missing}"))
        text = self.path("text.pem", "not PEM")
        self.assertIn(f"{text}: holds no certificate",
                      self.fails_to_start(f"--tls_cert={text}", f"--tls_key={text}"))

    def test_connections_leave_descriptors_to_the_store(self):
        with Daemon(self.directory, f"--data_dir={self.data}", "--listen=127.0.0.1:0",
                    descriptors=256) as daemon:
            host, port = daemon.addresses()[0].rsplit(":", 1)
            clients = [socket.create_connection((host, int(port))) for _ in range(250)]
            # Refused connections are reset, and accepted ones get a greeting; after that, all have been
            # handled.
            for client in clients:
                client.settimeout(TIMEOUT)
                try:
                    client.recv(1)
                except ConnectionResetError:
                    pass
            descriptors = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
            self.assertGreater(descriptors, 64, "the soft limit is raised")
            self.assertLess(descriptors, 256 - 64)
            for client in clients:
                client.close()
            code, log = daemon.stop()
        self.assertEqual(code, 0)
        self.assertRegex("\n".join(log), "serving at most 32 connections at a time")

    def test_too_few_descriptors_are_refused(self):
        result = subprocess.run(
            [EVENTHUBD, f"--data_dir={self.data}", "--listen=127.0.0.1:0"], capture_output=True,
            timeout=TIMEOUT, check=False, env=clean_environment(),
            preexec_fn=limit_descriptors(64))
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr.decode(), r"may have 64 files .* needs 256 .*ulimit -n")
        self.assertFalse(os.path.exists(self.data))

    def test_an_address_in_use_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            result = self.run_daemon(f"--data_dir={self.data}", f"--listen=127.0.0.1:0,{address}")
        self.assertEqual(result.returncode, 1)
        first, second = result.stderr.decode().splitlines()
        self.assertRegex(first, r"info +eventhubd .* opens ")
        self.assertRegex(second, rf"error +cannot listen on {address}: Address already in use$")


class LogTest(DaemonTest):

    def test_json_lines_are_json(self):
        awkward = self.path('da"ta\\ \u00e4')
        with Daemon(self.directory, f"--data_dir={awkward}", "--listen=127.0.0.1:0",
                    "--log_format=json") as daemon:
            code, log = daemon.stop()
        self.assertEqual(code, 0)
        records = [json.loads(line) for line in log]
        for record in records:
            self.assertEqual(set(record), {"time", "level", "message"})
            self.assertRegex(record["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertEqual(record["level"], "info")
        self.assertTrue(any(awkward in record["message"] for record in records))

    def test_a_failed_start_is_json_too(self):
        with self.start():
            result = self.run_daemon(f"--data_dir={self.data}", "--listen=127.0.0.1:0",
                                     "--log_format=json")
        self.assertEqual(result.returncode, 1)
        records = [json.loads(line) for line in result.stderr.decode().splitlines()]
        self.assertEqual(records[-1]["level"], "error")
        self.assertIn("in use", records[-1]["message"])

    def test_text_lines(self):
        with self.start() as daemon:
            code, log = daemon.stop()
        self.assertEqual(code, 0)
        for line in log:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info|error) +\S")

    def test_the_level_is_kept_to(self):
        with self.start("--log_level=error") as daemon:
            self.assertEqual(daemon.stop(), (0, []))


if __name__ == "__main__":
    unittest.main()
