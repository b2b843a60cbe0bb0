"""The command line against a hub: its output, its exit codes, and how it ends."""

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest
from concurrent import futures

import grpc

from cli_hub import (EVENTHUB, EVENTHUBD, TIMEOUT, Hub, HubTest, blocks_signals, json_lines,
                     read_until)

COMMANDS = [*([group] for group in ("apply", "bench", "clock", "consume", "delayed", "export",
                                    "filter", "health", "links", "publish", "read", "routes",
                                    "stats", "subscriptions", "topics")),
            *(["topics", verb] for verb in ("create", "list", "describe", "update", "delete")),
            *(["subscriptions", verb] for verb in (
                "create", "list", "describe", "update", "delete", "pause", "resume", "seek",
                "replay", "snapshots", "dead-letters")),
            *(["subscriptions", "snapshots", verb] for verb in ("create", "list", "delete")),
            *(["subscriptions", "dead-letters", verb] for verb in (
                "list", "show", "redrive", "discard")),
            *(["routes", verb] for verb in (
                "create", "list", "describe", "update", "pause", "resume", "delete", "test")),
            *(["links", verb] for verb in (
                "create", "list", "describe", "update", "pause", "resume", "delete")),
            ["filter", "eval"], ["clock", "show"], ["clock", "confirm"], ["delayed", "list"],
            ["delayed", "cancel"], []]

# Renamed commands, and the new names in their help.
OLD_NAMES = [(["seek"], ["subscriptions", "seek"]), (["replay"], ["subscriptions", "replay"]),
             (["snapshots", "list"], ["subscriptions", "snapshots", "list"]),
             (["dead-letters", "redrive"], ["subscriptions", "dead-letters", "redrive"]),
             (["links", "enable"], ["links", "resume"]), (["links", "disable"], ["links", "pause"])]


class UsageTest(unittest.TestCase):
    """Tests that need no hub."""

    def run_cli(self, *arguments, **environment):
        return subprocess.run([EVENTHUB, *arguments], capture_output=True, text=True, check=False,
                              env=dict(os.environ, **environment), stdin=subprocess.DEVNULL,
                              timeout=TIMEOUT)

    def test_every_help_has_examples(self):
        for command in COMMANDS:
            result = self.run_cli(*command, "--help")
            self.assertEqual(result.returncode, 0, command)
            self.assertIn("Examples:", result.stdout, command)
            examples = result.stdout.split("Examples:")[1]
            self.assertIn("eventhub " + " ".join(command), examples)
            self.assertRegex(result.stdout, r"[^\n]\n\Z")

    def test_an_old_name_is_the_new_command(self):
        for old, new in OLD_NAMES:
            for arguments in (["--help"], [], ["--nonsense"]):
                was, now = (self.run_cli(*name, *arguments) for name in (old, new))
                self.assertEqual((was.returncode, was.stdout, was.stderr),
                                 (now.returncode, now.stdout, now.stderr), (old, arguments))
            self.assertEqual(self.run_cli("help", *old).stdout, self.run_cli(*new, "--help").stdout)
            self.assertIn("Usage: eventhub " + " ".join(new), self.run_cli(*old, "-h").stdout)
        self.assertNotRegex(self.run_cli("--help").stdout, r"(?m)^  (seek|replay|dead-letters) ")

    def test_help_is_as_wide_as_the_terminal(self):
        for columns in (60, 80, 100, 200):
            leader, follower = pty.openpty()
            fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
            for command in COMMANDS:
                process = subprocess.run([EVENTHUB, *command, "--help"], stdout=subprocess.PIPE,
                                         stderr=follower, check=True, timeout=TIMEOUT)
                for line in process.stdout.decode().splitlines():
                    # Other lines are examples, which must stay copyable.
                    if re.match(r"\S|   {27}\S", line):
                        self.assertLessEqual(len(line), min(columns, 100), (command, line))
            os.close(leader)
            os.close(follower)

    def test_version(self):
        self.assertRegex(self.run_cli("--version").stdout, r"^eventhub \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        for arguments in ([], ["nothing"], ["topics"], ["topics", "create"], ["publish"],
                          ["topics", "create", "t", "--max-age=7y"],
                          ["topics", "create", "t", "--max-bytes=many"],
                          ["topics", "create", "t", "--partitions=0"],
                          ["topics", "create", "t", "--max-event-bytes=17MiB"],
                          ["topics", "delete", "t"],
                          ["publish", "t", "--durability=never"],
                          ["publish", "t", "--key=a", "--key-field=b"],
                          ["publish", "t", "--attribute=x"],
                          ["read", "t", "--from=yesterday"], ["read", "t", "--format=%x"],
                          ["read", "t", "--output=xml"], ["health", "--wait=soon"],
                          ["topics", "update", "t"], ["topics", "create", "t", "u"],
                          ["topics", "create", "t", "--keep-until-acked=much"],
                          ["read", "t", "--limit"], ["read", "t", "--limit=1", "--limit=2"],
                          ["subscriptions", "create", "s", "--kind=queue"],
                          ["subscriptions", "create", "s", "--topic=t", "--kind=pile"],
                          ["subscriptions", "create", "s", "--topic=t", "--kind=queue",
                           "--max-attempts=1001"],
                          ["subscriptions", "update", "s"], ["subscriptions", "delete", "s"],
                          ["subscriptions", "seek", "s"], ["subscriptions", "seek", "s", "--to=somewhere"],
                          ["subscriptions", "seek", "s", "--to=snapshot:"], ["subscriptions", "seek", "s", "--offset=1"],
                          ["subscriptions", "replay", "s"], ["subscriptions", "replay", "s", "--from=1", "--to=soon"],
                          *(["subscriptions", "replay", "s", "--cancel", option] for option in
                            ("--dry-run", "--from=1", "--to=2", "-p1", "--rate-events=1",
                             "--rate-bytes=1KiB")),
                          ["subscriptions", "snapshots", "create", "s"], ["subscriptions", "dead-letters", "redrive", "s"],
                          ["subscriptions", "dead-letters", "discard", "s", "--all", "--type=t"],
                          ["subscriptions", "dead-letters", "list", "s", "--range=0"],
                          ["consume", "s", "--exec=a", "--exec-batch=b"],
                          ["consume", "s", "--exec='"], ["consume", "s", "--concurrency=2"],
                          ["consume", "s", "--retry-delay=1s"],
                          ["topics", "create", "t", "--retention=some"],
                          ["topics", "create", "t", "--deduplicate=soon"],
                          ["topics", "create", "t", "--refuse-when-full=maybe"],
                          ["routes", "create", "r"], ["routes", "create", "r", "--from=a"],
                          ["routes", "create", "r", "--from=a", "--to=b,"],
                          ["routes", "create", "r", "--from=a", "--to=b", "--set=x"],
                          ["routes", "create", "r", "--from=a", "--to=b", "--key=k", "--no-key"],
                          ["routes", "create", "r", "--from=a", "--to=b", "--filter={"],
                          ["routes", "create", "r", "--from=a", "--to=b", "--on-unavailable=ask"],
                          ["routes", "update", "r"], ["routes", "test"],
                          ["routes", "update", "r", "--resume", "--pause"],
                          ["routes", "update", "r", "--enable", "--disable"],
                          ["links", "create", "l", "--remote=h:1", "--remote-topic=t"],
                          ["links", "create", "l", "--remote=h:1", "--remote-topic=t", "--to=t",
                           "--from=soon"],
                          ["links", "update", "l"], ["links", "delete"], ["links", "resume"],
                          ["apply"], ["apply", "-f"], ["export", "x"],
                          ["consume", "s", "--exec=true", "--batch-size=2"]):
            result = self.run_cli(*arguments)
            self.assertEqual(result.returncode, 2, (arguments, result.stderr))
            self.assertRegex(result.stderr, r"^eventhub: .*--help\)\n$", arguments)
            self.assertEqual(result.stdout, "")

    def test_wrong_usage_is_told_in_plain_words(self):
        for arguments, message in (
                (["topcis", "list"], "'eventhub' has no command 'topcis'; did you mean 'topics'?"),
                (["topics", "lst"], "'topics' has no command 'lst'; did you mean 'list'?"),
                (["read", "t", "--folow"],
                 "'read' has no option '--folow'; did you mean '--follow'?"),
                (["read"], "TOPIC is missing"),
                (["read", "t", "--limit=few"], "--limit: 'few' is not a number of at least 1"),
                (["publish", "t", "--key=a", "--key-field=b"], "exclude each other"),
                (["publish", "t", "--attribute=Tenant=x"],
                 "--attribute: 'Tenant' is not a valid attribute name: only a-z and 0-9"),
                (["routes", "create", "r", "--from=a", "--to=b", "--set=tenant_id=x"],
                 "--set: 'tenant_id' is not a valid attribute name: only a-z and 0-9"),
                (["topics", "create", "t", "--deduplicate=31d"],
                 "--deduplicate: '31d' is not 1s to 30d, or off"),
                (["subscriptions", "replay", "s", "--from=1", "--rate-events=0"],
                 "--rate-events: '0' is not a number of at least 1"),
                (["subscriptions", "replay", "s", "--from=1", "--rate-bytes=0"],
                 "--rate-bytes: '0' would deliver nothing; omit the option for no limit"),
                (["subscriptions", "create", "s", "--topic=t"], "--kind is missing")):
            error = self.run_cli(*arguments).stderr
            self.assertIn(message, error)
            self.assertNotRegex(error, "required|expected|convert")

    def test_a_variable_that_is_no_setting_is_an_error(self):
        result = self.run_cli("filter", "eval", "true", EVENTHUB_ADRESS="hub:7070")
        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (2, "", "eventhub: EVENTHUB_ADRESS: unknown setting; "
                                 "did you mean EVENTHUB_ADDRESS?\n"))

    def test_the_settings_of_both_programs_are_accepted_by_both(self):
        def text(program):
            return subprocess.run([program, "--help"], capture_output=True, text=True, check=True,
                                  timeout=TIMEOUT).stdout
        names = {name: "" for name in re.findall(r"\(Env:(EVENTHUB_[A-Z_]+)\)", text(EVENTHUB))}
        self.assertIn("EVENTHUB_TLS_SERVER_NAME", names)
        for default, name in re.findall(r"--\w+=(\S*) +\((EVENTHUB_[A-Z_]+)\)", text(EVENTHUBD)):
            names[name] = default.strip("'")
        self.assertIn("EVENTHUB_TAIL_CACHE", names)
        for name, value in names.items():
            environment = dict(os.environ, **{name: value})
            daemon = subprocess.run([EVENTHUBD, "--data_dir="], capture_output=True, text=True,
                                    check=False, timeout=TIMEOUT, env=environment)
            self.assertEqual(daemon.stderr, "eventhubd: --data_dir: is empty\n", name)
            result = self.run_cli("--address=unix:/nonexistent/socket", "health", "--quiet",
                                  **{name: value})
            self.assertEqual((result.returncode, result.stderr), (1, ""), name)

    def test_output_that_nobody_takes(self):
        def run(*arguments, **options):
            process = subprocess.Popen([EVENTHUB, *arguments], stderr=subprocess.PIPE, text=True,
                                       **options)
            return process.communicate(timeout=TIMEOUT)[1], process.returncode
        event = ["filter", "eval", "true"]
        # The file is closed, and no file opened later uses its descriptor.
        self.assertEqual(run(*event, preexec_fn=lambda: os.close(1)),
                         ("eventhub: writing to standard output: Bad file descriptor "
                          "(FAILED_PRECONDITION)\n", 1))
        with open("/dev/full", "wb") as full:
            for arguments in (event, ["--help"], ["topics", "--help"], ["--version"]):
                self.assertEqual(run(*arguments, stdout=full),
                                 ("eventhub: writing to standard output: No space left on device "
                                  "(RESOURCE_EXHAUSTED)\n", 1), arguments)
        # A closed pipe is not reported, as by any filter, even if SIGPIPE is ignored.
        for ignored, code in ((False, -signal.SIGPIPE), (True, 128 + signal.SIGPIPE)):
            for arguments in (event, ["--help"]):
                reader, writer = os.pipe()
                os.close(reader)
                self.assertEqual(run(*arguments, stdout=writer, restore_signals=not ignored),
                                 ("", code), arguments)
                os.close(writer)

    def test_an_address_that_leads_nowhere(self):
        for address, code, message in (
                ("nohost.invalid:7070", 1,
                 "hub at nohost.invalid:7070 (EVENTHUB_ADDRESS): cannot resolve the host name: "),
                ("localhost:1", 1,
                 "hub at localhost:1 (EVENTHUB_ADDRESS): cannot connect: "),
                ("localhost", 2, "EVENTHUB_ADDRESS: 'localhost' has no port; it takes host:port")):
            result = self.run_cli("--timeout=300ms", "stats", EVENTHUB_ADDRESS=address)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertTrue(result.stderr.startswith("eventhub: " + message), result.stderr)
            self.assertNotRegex(result.stderr, "C-ares|DNS|last error")
        self.assertIn("--address: 'a:b' has a port", self.run_cli("-a", "a:b", "stats").stderr)

    def test_a_hub_that_is_not_there(self):
        address = "unix:/nonexistent/eventhub.socket"
        for arguments in (["topics", "list"], ["stats"], ["health"], ["read", "t"],
                          ["read", "t", "--follow"], ["consume", "s"],
                          ["subscriptions", "list"], ["subscriptions", "dead-letters", "list", "s"],
                          ["routes", "list"], ["links", "list"], ["export"],
                          ["apply", "-f", "/dev/null"]):
            result = self.run_cli("--timeout=300ms", *arguments, EVENTHUB_ADDRESS=address)
            self.assertEqual(result.returncode, 1, (arguments, result.stderr))
            self.assertRegex(result.stderr, r"^eventhub: [^\n]+\n$", arguments)


class WaitTest(HubTest):
    """Calls wait for an unreachable hub until their timeout."""

    @classmethod
    def setUpClass(cls):
        pass

    def test_for_as_long_as_was_asked(self):
        hub = Hub()
        self.addCleanup(hub.close)
        for arguments in (["topics", "list"], ["topics", "create", "t"], ["stats"]):
            began = time.monotonic()
            error = self.fails(1, "--timeout=700ms", *arguments, hub=hub)
            self.assertGreater(time.monotonic() - began, 0.6)
            self.assertIn("No such file", error)
            self.assertNotIn("may have been done", error)

    def test_a_hub_that_does_not_know_the_call_is_too_old(self):
        server = grpc.server(futures.ThreadPoolExecutor(1))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        hub = Hub()
        self.addCleanup(hub.close)
        hub.address = f"127.0.0.1:{port}"
        for arguments in (["faults", "count"], ["faults", "resubmit", "--all", "--yes"],
                          ["topics", "get", "t", "k"]):
            with self.subTest(arguments=arguments):
                error = self.fails(1, *arguments, hub=hub)
                self.assertIn(f"hub at {hub.address}: ", error)
                self.assertIn("older than the command: upgrade the hub (UNIMPLEMENTED)", error)
                self.assertNotIn("may have been done", error)

    def test_only_a_change_that_was_sent_may_be_done(self):
        class Transport(grpc.GenericRpcHandler):
            """Fails every call as a broken transport does, without a hub."""

            def service(self, handler_call_details):
                return grpc.unary_unary_rpc_method_handler(
                    lambda request, context: context.abort(grpc.StatusCode.INTERNAL, "reset"))
        server = grpc.server(futures.ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers((Transport(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(server.stop, None)
        hub = Hub()
        self.addCleanup(hub.close)
        hub.address = f"127.0.0.1:{port}"
        for arguments, in_doubt in (
                (["topics", "create", "t"], True),
                (["topics", "delete", "t", "--yes"], True),
                (["subscriptions", "seek", "s", "--to=earliest", "--no-snapshot", "--yes"], True),
                (["subscriptions", "seek", "s", "--to=earliest", "--yes"], False),  # It takes a snapshot first.
                (["subscriptions", "seek", "s", "--to=earliest", "--dry-run"], False),
                (["topics", "update", "t", "--max-age=1d", "--yes"], True),
                (["topics", "update", "t", "--max-age=1d"], False),  # It reads the topic first.
                (["apply", "-f", "/dev/null", "--yes"], True),
                (["apply", "-f", "/dev/null"], False),  # It makes a plan first.
                (["apply", "-f", "/dev/null", "--dry-run"], False),
                (["topics", "list"], False), (["export"], False), (["stats"], False)):
            with self.subTest(arguments=arguments):
                error = self.fails(1, *arguments, hub=hub)
                self.assertIn("reset (INTERNAL)", error)
                self.assertEqual("it may have been done" in error, in_doubt, error)

    def test_what_could_not_be_told_was_done(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        with open("/dev/full", "wb") as full:
            process = hub.popen("topics", "create", "u", stdout=full, stderr=subprocess.PIPE)
            error = process.communicate(timeout=TIMEOUT)[1].decode()
        self.assertEqual(error, "eventhub: writing to standard output: No space left on device "
                                "(RESOURCE_EXHAUSTED)\n")
        self.ok("topics", "describe", "u", hub=hub)

    def test_a_signal_ends_what_waits_for_a_hub_that_is_silent(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        self.ok("topics", "create", "t", hub=hub)
        self.ok("subscriptions", "create", "s", "--topic=t", "--kind=queue", hub=hub)
        with hub.stopped():
            for arguments, code in ((["read", "t", "--follow"], 0), (["read", "t"], 130),
                                    (["consume", "s"], 0), (["health", "--wait=1m"], 130),
                                    (["stats"], -signal.SIGINT)):
                with self.subTest(arguments=arguments):
                    process = hub.popen("--timeout=1m", *arguments, stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL)
                    if arguments != ["stats"]:
                        self.wait_until(lambda p=process: blocks_signals(p.pid))
                    process.send_signal(signal.SIGINT)
                    began = time.monotonic()
                    process.communicate(timeout=TIMEOUT)
                    self.assertEqual(process.returncode, code)
                    self.assertLess(time.monotonic() - began, 30)
            process = hub.popen("publish", "t", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.wait_until(lambda: blocks_signals(process.pid))
            process.stdin.write(b"1\n")
            process.stdin.flush()
            while process.poll() is None:  # The second signal ends it at once.
                process.send_signal(signal.SIGINT)
                time.sleep(0.05)
            process.stdin.close()
            self.assertEqual(process.returncode, 128 + signal.SIGINT)

    def test_a_consumer_does_not_wait_for_a_silent_hub_for_ever(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        self.ok("topics", "create", "t", hub=hub)
        self.ok("subscriptions", "create", "s", "--topic=t", "--kind=queue", hub=hub)
        process = hub.popen("consume", "s", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.ok("publish", "t", "-q", stdin=b"1\n", hub=hub)
        process.stdout.readline()
        self.wait_until(lambda: self.ok_json("subscriptions", "describe", "s",
                                             hub=hub)["stats"]["lag_events"] == 0)
        with hub.stopped():
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0)

    def test_what_takes_long_shows_on_a_terminal_how_far_it_is(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        self.ok("topics", "create", "t", hub=hub)
        with tempfile.NamedTemporaryFile() as lines:
            lines.write(b"1\n2\n3\n")
            lines.flush()
            for arguments, shown in ((["publish", "t", lines.name], b"0 events, 0 B, 0/s, 0% of 6 B"),
                                     (["publish", "t"], b"0 events, 0 B, 0/s\r"),
                                     (["export"], b"exporting, 1s\r")):
                with self.subTest(arguments=arguments):
                    leader, follower = pty.openpty()
                    with hub.stopped():
                        process = hub.popen(*arguments, stdin=subprocess.PIPE, stderr=follower,
                                            stdout=subprocess.DEVNULL)
                        os.close(follower)
                        read_until(leader, shown)
                    process.stdin.close()
                    self.assertEqual(process.wait(TIMEOUT), 0)
                    os.close(leader)

    def test_until_it_is_there(self):
        hub = Hub()
        self.addCleanup(hub.close)
        waiting = [hub.popen("--timeout=30s", *arguments, stdout=subprocess.PIPE)
                   for arguments in (["topics", "create", "t"], ["topics", "list"], ["export"])]
        hub.start()
        for process in waiting:
            process.communicate(timeout=TIMEOUT)
            self.assertEqual(process.returncode, 0)
        self.ok("topics", "describe", "t", hub=hub)


class TopicsTest(HubTest):

    def test_life_of_a_topic(self):
        self.ok("topics", "create", "life", "--partitions=4", "--max-age=7d", "--max-bytes=10GiB",
                "--durability=written", "--max-event-bytes=64KiB", "--description=for a test")
        topic = json.loads(self.ok("topics", "describe", "life", "--output=json", "--partitions"))
        self.assertEqual(topic["partitions"], 4)
        self.assertEqual(topic["max_age_seconds"], 7 * 86400)
        self.assertEqual(topic["max_bytes"], 10 << 30)
        self.assertEqual(topic["default_durability"], "written")
        self.assertEqual(topic["max_event_bytes"], 64 << 10)
        self.assertEqual(topic["description"], "for a test")
        self.assertEqual(topic["stats"]["events"], 0)
        self.assertEqual([p["end_offset"] for p in topic["partition_list"]], [0] * 4)

        self.ok("topics", "update", "life", "--partitions=6", "--max-age=unlimited")
        topic = json.loads(self.ok("topics", "describe", "life", "--output=json"))
        self.assertEqual(topic["partitions"], 6)
        self.assertIsNone(topic["max_age_seconds"])
        self.assertEqual(topic["max_bytes"], 10 << 30)

        text = self.ok("topics", "describe", "life", "--partitions")
        self.assertRegex(text, r"(?m)^max bytes: +10\.0 GiB$")
        self.assertRegex(text, r"(?m)^PARTITION +START +END")

        self.ok("topics", "delete", "life", "--yes")
        self.assertIn("NOT_FOUND", self.fails(1, "topics", "describe", "life"))
        self.assertIn("NOT_FOUND", self.fails(1, "topics", "delete", "life", "--yes"))

    def test_latest_event_of_a_key(self):
        self.ok("topics", "create", "prices", "--retention=latest-per-key", "--latest-min-age=1h")
        topic = json.loads(self.ok("topics", "describe", "prices", "--output=json"))
        self.assertEqual(topic["latest_per_key"], {"min_age_seconds": 3600,
                                                   "delete_marker_age_seconds": 86400})
        self.ok("publish", "prices", "--key-field=1", "-q", stdin=b"a 1\nb 2\na 3\n")
        self.assertEqual(self.ok("topics", "get", "prices", "a", "--format=%k %o %d\\n"), "a 2 a 3\n")
        self.assertIn("a 3", self.ok("topics", "get", "prices", "a"))
        event = json.loads(self.ok("topics", "get", "prices", "b", "--output=json"))
        self.assertEqual((event["partitionkey"], event["data"]), ("b", "b 2"))
        self.assertIn("no event with the key c (NOT_FOUND)",
                      self.fails(1, "topics", "get", "prices", "c"))
        self.assertIn("NOT_FOUND", self.fails(1, "topics", "get", "prices", "a", "-p", "1"))
        self.ok("topics", "create", "no-prices")
        self.assertIn("retention.latest_per_key",
                      self.fails(1, "topics", "get", "no-prices", "a"))
        self.assertIn("excludes all limits", self.fails(
            2, "topics", "create", "x", "--retention=latest-per-key", "--max-age=1d"))
        self.assertIn("only be set when the topic is created", self.fails(
            1, "topics", "update", "no-prices", "--retention=latest-per-key", "--yes"))
        self.ok("topics", "update", "prices", "--latest-min-age=0")

    def test_list(self):
        for name in ("list-b", "list-a"):
            self.ok("topics", "create", name)
        names = [t["name"] for t in json_lines(self.ok("topics", "list", "-o", "json"))]
        self.assertEqual([n for n in names if n.startswith("list-")], ["list-a", "list-b"])
        self.ok("publish", "list-a", "-q", stdin=b"1\n2\n3\n")
        text = self.ok("topics", "list")
        self.assertRegex(text, r"(?m)^NAME +PARTITIONS +EVENTS +SIZE")
        self.assertRegex(text, r"(?m)^list-a +1 +3 +\d+ B ")
        self.assertRegex(text, r"(?m)^list-b +1 +0 +0 B ")

    def test_update(self):
        topic = self.topic("--description=old", "--max-age=1d")

        def update(*options):
            return json.loads(self.ok("topics", "update", topic, "-o", "json", *options))
        self.assertEqual(update("--description=")["description"], "")
        self.assertEqual(update("--keep-until-acked")["keep_until_acked"], True)
        kept = update("--keep-until-acked=10GiB")
        self.assertEqual((kept["keep_until_acked"], kept["keep_until_acked_max_bytes"]),
                         (True, 10 << 30))
        kept = update("--keep-until-acked=off")
        self.assertEqual((kept["keep_until_acked"], kept["keep_until_acked_max_bytes"]),
                         (False, None))
        self.assertEqual(kept["max_age_seconds"], 86400)

    def test_create_twice(self):
        topic = self.topic("--partitions=3")
        self.assertIn("ALREADY_EXISTS", self.fails(1, "topics", "create", topic))
        self.ok("topics", "create", topic, "--if-not-exists", "--partitions=9")
        described = json.loads(self.ok("topics", "describe", topic, "-o", "json"))
        self.assertEqual(described["partitions"], 3)

    def test_refusals_of_the_hub(self):
        self.assertIn("INVALID_ARGUMENT", self.fails(1, "topics", "create", "no/slash"))
        topic = self.topic("--partitions=2")
        self.fails(1, "topics", "update", topic, "--partitions=1")

    def test_update_asks_before_events_are_lost_or_keys_moved(self):
        topic = self.topic("--max-age=7d")
        self.ok("topics", "update", topic, "--max-age=6d")  # An empty topic loses nothing.
        self.ok("publish", topic, "-q", stdin=b"1\n")
        self.ok("topics", "update", topic, "--max-age=8d", "--max-event-bytes=1KiB")
        line = self.fails(2, "topics", "update", topic, "--max-age=1h", "--partitions=2")
        self.assertIn(f"topics update of topic '{topic}', which moves keys", line)
        self.assertIn("deletes events appended more than 1h ago: requires --yes when there is no "
                      "terminal to ask on", line)
        result = self.hub.run_on_terminal(b"n\n", "topics", "update", topic, "--max-bytes=1KiB")
        self.assertEqual(result.code, 1)
        self.assertEqual(result.err.decode(),
                         "! it deletes the oldest events beyond 1KiB\n"
                         f"Change topic '{topic}'? [y/N] eventhub: topic '{topic}' stays as it is "
                         "(CANCELLED)\n")
        self.assertIsNone(self.ok_json("topics", "describe", topic)["max_bytes"])
        result = self.hub.run_on_terminal(b"y\n", "topics", "update", topic, "--max-bytes=1KiB")
        self.assertEqual(result.code, 0, result.err)
        self.ok("topics", "update", topic, "--partitions=2", "--yes")
        described = self.ok_json("topics", "describe", topic)
        self.assertEqual((described["max_bytes"], described["partitions"]), (1024, 2))

    def test_delete_asks_on_a_terminal(self):
        topic = self.topic()
        result = self.hub.run_on_terminal(b"n\n", "topics", "delete", topic)
        self.assertEqual(result.code, 1)
        self.assertEqual(result.err.decode(),
                         f"Delete topic '{topic}' with 0 events (0 B), for good? [y/N] "
                         f"eventhub: topic '{topic}' is kept (CANCELLED)\n")
        self.ok("topics", "describe", topic)
        self.assertEqual(self.hub.run_on_terminal(b"y\n", "topics", "delete", topic).code, 0)
        self.fails(1, "topics", "describe", topic)


class PublishReadTest(HubTest):

    def test_text(self):
        topic = self.topic()
        self.ok("publish", topic, "--type=t", "--source=/s", "--key=k", "--id-prefix=n",
                stdin="one\ntwo\r\n\nGrüße\nlast".encode())
        self.assertEqual(self.ok("read", topic, "--format=%o %i %t %s %k %c %d\\n").splitlines(), [
            "0 n1 t /s k text/plain one", "1 n2 t /s k text/plain two",
            "2 n3 t /s k text/plain Grüße", "3 n4 t /s k text/plain last"])
        line = self.ok("read", topic, "--limit=1")
        self.assertRegex(line, r"^0:0\t\d{4}-\d\d-\d\dT[0-9:]{8}\.\d{6}Z\tt\tk\tone\n$")

    def test_attributes_may_be_repeated_before_a_file(self):
        topic = self.topic()
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as lines:
            lines.write("one\n")
            lines.flush()
            self.ok("publish", topic, "--attribute=a=1", "--attribute", "b=2", lines.name)
        event = json.loads(self.ok("read", topic, "--output=json"))
        self.assertEqual((event["a"], event["b"]), ("1", "2"))

    def test_defaults_of_text(self):
        topic = self.topic()
        for _ in range(2):
            self.ok("publish", topic, stdin=b"a\n")
        events = json_lines(self.ok("read", topic, "--output=json"))
        self.assertEqual(len({event["id"] for event in events}), 2)
        self.assertTrue(all(event["type"] == "eventhub.cli.line" for event in events))
        self.assertTrue(all("time" in event for event in events))

    def test_an_event_that_no_request_can_bring(self):
        topic = self.topic()
        began = time.monotonic()
        error = self.fails(1, "publish", topic, "-q", stdin=b"x" * 5_000_000)
        self.assertLess(time.monotonic() - began, 8)
        self.assertRegex(error, r"the request of 50\d+ bytes exceeds the hub's limit of "
                                r"4194304 bytes \(its --max_request\) \(RESOURCE_EXHAUSTED\)$")
        self.assertIn("topic.max_event_bytes: is 4194304, but the hub accepts no request with "
                      "an event of more than 4193280 bytes (--max_request)",
                      self.fails(1, "topics", "update", topic, "--max-event-bytes=4MiB"))

    def test_cloudevents_round_trip(self):
        topic, copy = self.topic(), "copy-of-cloudevents"
        self.ok("topics", "create", copy)
        events = [
            {"specversion": "1.0", "id": "1", "source": "/s", "type": "a", "subject": "x",
             "time": "2026-01-31T12:00:00.5Z", "partitionkey": "k", "traceparent": "00-ab",
             "sampled": True, "retries": 3, "datacontenttype": "application/json",
             "data": {"n": 9007199254740993, "s": "Grüße\n"}},
            {"specversion": "1.0", "id": "2", "source": "/s", "type": "b",
             "datacontenttype": "text/plain", "data": "plain \u001b text"},
            {"specversion": "1.0", "id": "3", "source": "/s", "type": "c",
             "datacontenttype": "application/octet-stream", "data_base64": "AAH/"},
            {"specversion": "1.0", "id": "4", "source": "/s", "type": "d"}]
        lines = "".join(json.dumps(event) + "\n" for event in events)
        self.ok("publish", topic, "--input=json", stdin=lines.encode())
        first = self.ok("read", topic, "--output=json")
        self.ok("publish", copy, "--input=json", stdin=first.encode())
        for text in (first, self.ok("read", copy, "--output=json")):
            read = json_lines(text)
            for event in read:
                self.assertEqual(event.pop("hub_partition"), 0)
                self.assertIn("hub_append_time", event)
                del event["hub_append_time"]
            self.assertEqual([event.pop("hub_offset") for event in read], [0, 1, 2, 3])
            self.assertEqual(read, events)

    def test_key_field_keeps_order_per_key(self):
        topic = self.topic("--partitions=4")
        lines = "".join(f'{{"user":{{"id":"u{i % 7}"}},"n":{i}}}\n' for i in range(2000))
        self.ok("publish", topic, "--content-type=application/json", "--key-field=user.id",
                stdin=lines.encode())
        last, partitions = {}, {}
        for event in json_lines(self.ok("read", topic, "--output=json")):
            key, number = event["partitionkey"], event["data"]["n"]
            self.assertEqual(key, f"u{number % 7}")
            self.assertLess(last.get(key, -1), number)
            last[key] = number
            self.assertEqual(partitions.setdefault(key, event["hub_partition"]), event["hub_partition"])
        self.assertEqual(sorted(last.values()), list(range(1993, 2000)))
        self.assertGreater(len(set(partitions.values())), 1)

    def test_acks_are_where_the_events_are(self):
        topic = self.topic("--partitions=3")
        acks = self.ok("publish", topic, "--acks", "--key-field=1", "--id-prefix=e",
                       stdin="".join(f"key{i % 11} {i}\n" for i in range(5000)).encode())
        read = self.ok("read", topic, "--format=%p\\t%o\\t%i\\n")
        self.assertEqual(len(acks.splitlines()), 5000)
        self.assertEqual(sorted(acks.splitlines()), sorted(read.splitlines()))

    def test_ranges(self):
        topic = self.topic("--partitions=2")
        for partition in "01":
            self.ok("publish", topic, f"--partition={partition}",
                    stdin="".join(f"{i}\n" for i in range(10)).encode())

        def read(*options):
            return self.ok("read", topic, "--format=%p:%d ", *options).split()
        self.assertEqual(read("--partition=1", "--from=8"), ["1:8", "1:9"])
        self.assertEqual(read("--partition=0", "--from=2", "--to=4"), ["0:2", "0:3"])
        self.assertEqual(len(read("--partition=0", "--partition=1")), 20)
        self.fails(2, "read", topic, "--limit=-1")
        self.assertEqual(sorted(read("--from=0:9,1:8")), ["0:9", "1:8", "1:9"])
        self.assertEqual(read("--from=latest"), [])
        self.assertEqual(len(read("--from=1h")), 20)
        self.assertEqual(read("--to=1h"), [])
        self.assertEqual(len(read("--limit=7")), 7)
        times = self.ok("read", topic, "--partition=1", "--format=%a\\n").splitlines()
        self.assertEqual(len(read("--partition=1", f"--from={times[0]}")), 10)
        self.assertIn("OUT_OF_RANGE", self.fails(1, "read", topic, "--from=11"))
        self.assertIn("NOT_FOUND", self.fails(1, "read", topic, "--partition=2"))

    def test_files_and_summary(self):
        topic = self.topic()
        path = f"{self.hub.directory}/lines"
        with open(path, "w", encoding="utf-8") as lines:
            lines.writelines(f"{i}\n" for i in range(100_000))
        result = self.hub.run("publish", topic, path, path)
        self.assertEqual(result.code, 0, result.err)
        self.assertRegex(result.err.decode(), r"^published 200,000 events, .*/s\n$")
        result = self.hub.run("read", topic, "--summary", "--format=%d\\n")
        self.assertEqual(result.out, b"".join(b"%d\n" % i for i in range(100_000)) * 2)
        self.assertRegex(result.err.decode(), r"^read 200,000 events, .*/s\n$")
        self.assertIn(path + ".none", self.fails(1, "publish", topic, "-q", path + ".none"))

    def test_lines_that_are_no_events(self):
        topic = self.topic()
        good = b'{"id":"%d","source":"/s","type":"t"}\n'
        lines = good % 1 + b'{"id":2}\n' + good % 3
        self.assertIn("line 2: member 'id' is not a string",
                      self.fails(1, "publish", topic, "-q", "--input=json", stdin=lines))
        self.assertEqual(self.ok("read", topic, "--format=%i\\n"), "1\n")
        self.assertIn("1 line was left out; standard input, line 2: member 'id'",
                      self.fails(1, "publish", topic, "-q", "--input=json", "--keep-going",
                                 stdin=lines))
        self.assertEqual(self.ok("read", topic, "--format=%i "), "1 1 3 ")
        for lines, hint in ((b'{\n"id": "1"\n}\n', "jq -c . writes them so"),
                            (b'[{"id":"1"}]\n', "jq -c '.[]' writes them so")):
            self.assertIn(hint, self.fails(1, "publish", topic, "-q", "--input=json", stdin=lines))
            self.assertIn(hint, self.fails(1, "publish", topic, "-q", "--key-field=a.b",
                                           stdin=lines))
        self.assertIn("type", self.fails(1, "publish", topic, "-q", "--input=json",
                                         stdin=b'{"id":"1","source":"/s"}\n'))

    def test_refusals_of_the_hub(self):
        self.assertIn("NOT_FOUND", self.fails(1, "publish", "none", "-q", stdin=b"x\n"))
        self.assertIn("topic none does not exist (NOT_FOUND); see: eventhub topics create --help",
                      self.fails(1, "read", "none"))
        topic = self.topic("--max-event-bytes=1KiB")
        self.fails(1, "publish", topic, "-q", stdin=b"x" * 2000)
        self.assertEqual(self.ok("read", topic), "")

    def test_what_the_hub_refuses_ends_it_before_the_next_file(self):
        topic = self.topic("--max-event-bytes=1KiB")
        pipe, path = f"{self.hub.directory}/pipe", f"{self.hub.directory}/next"
        os.mkfifo(pipe)
        with open(path, "w", encoding="utf-8") as lines:
            lines.write("next\n")
        publisher = self.hub.popen("publish", topic, "-q", pipe, path, stderr=subprocess.DEVNULL)
        with open(pipe, "wb", buffering=0) as lines:
            lines.write(b"x" * 2000 + b"\n")

            def closed():
                try:
                    return not lines.write(b"more\n")
                except BrokenPipeError:
                    return True
            self.wait_until(closed)
        self.assertEqual(publisher.wait(TIMEOUT), 1)
        self.assertNotIn("next", self.ok("read", topic, "--format=%d\\n"))

    def test_nothing_to_publish(self):
        self.ok("publish", self.topic(), "--quiet")

    def test_control_characters_do_not_reach_the_terminal(self):
        topic = self.topic()
        self.ok("publish", topic, "--key=\x1b[2J", stdin=b"\x1b]0;title\x07\xff\n")
        text = self.ok("read", topic)
        self.assertIn("\\x1b[2J\t\\x1b]0;title\\x07\\xff\n", text)
        self.assertEqual(self.ok("publish", topic, "--acks", "-q", "--id-prefix=\x1b[2J\n",
                                 stdin=b"x\n"), "0\t1\t\\x1b[2J\\n1\n")

    def test_a_reader_that_goes_away(self):
        topic = self.topic()
        self.ok("publish", topic, "-q", stdin=b"x\n" * 50_000)
        read = self.hub.popen("read", topic, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        read.stdout.readline()
        read.stdout.close()
        self.assertEqual(read.wait(TIMEOUT), -signal.SIGPIPE)
        self.assertEqual(read.stderr.read(), b"")
        read.stderr.close()


class FollowTest(HubTest):

    def follow(self, topic, *options):
        process = self.hub.popen("read", topic, "--follow", "--format=%d\\n", *options,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_prints_what_comes_and_ends_with_ctrl_c(self):
        topic = self.topic()
        self.ok("publish", topic, "-q", stdin=b"before\n")
        reader = self.follow(topic)
        self.assertEqual(reader.stdout.readline(), "before\n")
        self.ok("publish", topic, "-q", stdin=b"after\n")
        self.assertEqual(reader.stdout.readline(), "after\n")
        reader.send_signal(signal.SIGINT)
        self.assertEqual(reader.wait(TIMEOUT), 0)
        self.assertEqual(reader.stderr.read(), "")

    # `read --follow | head -1`, also if no event comes, or if SIGPIPE is ignored.
    def test_ends_with_its_reader(self):
        topic = self.topic()
        self.ok("subscriptions", "create", topic + ".s", "--topic", topic, "--kind=queue")
        for command in (["read", topic, "--follow"], ["consume", topic + ".s"]):
            for ignored, code in ((True, 128 + signal.SIGPIPE), (False, -signal.SIGPIPE)):
                for lines in (0, 1):
                    process = self.hub.popen(*command, "--format=%d\\n", stdout=subprocess.PIPE,
                                             stderr=subprocess.PIPE, restore_signals=not ignored)
                    self.addCleanup(process.communicate)
                    self.addCleanup(process.kill)
                    if lines:
                        self.ok("publish", topic, "-q", stdin=b"event\n")
                        self.assertEqual(process.stdout.readline(), b"event\n")
                    process.stdout.close()
                    self.assertEqual(process.wait(TIMEOUT), code, (command, lines))
                    self.assertEqual(process.stderr.read(), b"")

    def test_limit_ends_it(self):
        topic = self.topic()
        reader = self.follow(topic, "--limit=2")
        self.ok("publish", topic, "-q", stdin=b"1\n2\n3\n")
        self.assertEqual(reader.wait(TIMEOUT), 0)
        self.assertEqual(reader.stdout.read(), "1\n2\n")

    def test_publisher_takes_what_was_read_when_interrupted(self):
        topic = self.topic()
        publisher = self.hub.popen("publish", topic, "-q", "--acks", stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        publisher.stdin.write("one\n")
        publisher.stdin.flush()
        self.assertTrue(publisher.stdout.readline().startswith("0\t0\t"))
        publisher.send_signal(signal.SIGINT)
        # Its input stays open until it ends, because the end of the input would end it too.
        self.assertEqual(publisher.wait(TIMEOUT), 130)
        _, err = publisher.communicate(timeout=TIMEOUT)
        self.assertTrue(err.endswith("eventhub: interrupted before the end of the input\n"), err)
        self.assertEqual(self.ok("read", topic, "--format=%d\\n"), "one\n")

    def test_goes_on_over_a_killed_hub(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        self.assertEqual(hub.run("topics", "create", "t").code, 0)
        reader = hub.popen("read", "t", "--follow", "--format=%d\\n", "--limit=4",
                           stdout=subprocess.PIPE, text=True)
        self.addCleanup(reader.communicate)
        publisher = hub.popen("publish", "t", "--acks", "-q", stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
        for number in range(2):
            publisher.stdin.write(f"{number}\n")
            publisher.stdin.flush()
            self.assertTrue(publisher.stdout.readline().startswith(f"0\t{number}\t"))
        self.assertEqual([reader.stdout.readline() for _ in range(2)], ["0\n", "1\n"])
        hub.stop(signal.SIGKILL)
        publisher.stdin.write("2\n3\n")
        publisher.stdin.flush()
        hub.start()
        out, _ = publisher.communicate(timeout=TIMEOUT)
        self.assertEqual(publisher.returncode, 0)
        self.assertEqual([line.split("\t")[1] for line in out.splitlines()], ["2", "3"])
        self.assertEqual(reader.communicate(timeout=TIMEOUT)[0], "2\n3\n")
        self.assertEqual(reader.returncode, 0)
        self.assertEqual(hub.stop(), 0)


    def test_tells_that_the_hub_does_not_answer(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        self.assertEqual(hub.run("topics", "create", "t").code, 0)
        self.assertEqual(hub.run("subscriptions", "create", "s", "--topic=t",
                                 "--kind=queue").code, 0)
        processes = [hub.popen("read", "t", "--follow", stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True),
                     hub.popen("consume", "s", stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True),
                     hub.popen("publish", "t", "--acks", stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)]
        for process in processes:
            self.addCleanup(process.communicate)
            self.addCleanup(process.kill)
        publisher = processes[2]
        publisher.stdin.write("1\n")
        publisher.stdin.flush()
        for process in processes:
            self.assertTrue(process.stdout.readline())
        hub.stop(signal.SIGKILL)
        for process in processes:
            self.assertIn("does not respond, still trying", process.stderr.readline())
        hub.start()
        for process in processes:
            self.assertEqual(process.stderr.readline(),
                             f"eventhub: hub at {hub.address}: connected\n")

    def test_ends_at_its_time_though_nothing_comes(self):
        topic = self.topic("--partitions=2")
        for place in ("1s", "2020-01-01"):
            reader = self.follow(topic, f"--to={place}")
            self.assertEqual(reader.wait(TIMEOUT), 0)
            self.assertEqual(reader.stdout.read(), "")

    def test_another_hub_at_the_address_is_told_of(self):
        hubs = []
        for count in (3, 8):
            hub = Hub()
            self.addCleanup(hub.close)
            hub.start()
            self.ok("topics", "create", "ord", hub=hub)
            self.ok("publish", "ord", "-q", hub=hub,
                    stdin="".join(f"{count}/{i}\n" for i in range(count)).encode())
            hubs.append(hub)
        hub, other = hubs
        reader = hub.popen("read", "ord", "--follow", "--format=%d\\n", stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
        self.addCleanup(reader.communicate)
        self.addCleanup(reader.kill)
        self.assertEqual([reader.stdout.readline() for _ in range(3)],
                         ["3/0\n", "3/1\n", "3/2\n"])
        self.assertEqual((hub.stop(), other.stop()), (0, 0))
        shutil.rmtree(f"{hub.directory}/data")
        shutil.move(f"{other.directory}/data", f"{hub.directory}/data")
        hub.start()
        out, err = reader.communicate(timeout=TIMEOUT)
        self.assertEqual((reader.returncode, out), (1, ""), err)
        self.assertIn("another log", err)
        self.assertIn("--from=earliest", err)

    def test_a_full_topic_is_told_of(self):
        topic = self.topic("--max-bytes=1KiB", "--refuse-when-full")
        self.assertEqual(self.hub.run("publish", topic, stdin=b"x" * 2000 + b"\n").code, 0)
        publisher = self.hub.popen("publish", topic, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(publisher.communicate)
        self.addCleanup(publisher.kill)
        publisher.stdin.write("1\n")
        publisher.stdin.close()
        publisher.stdin = None
        self.assertRegex(publisher.stderr.readline(),
                         f"^eventhub: hub at .* is refusing requests, still trying: .*{topic}")
        self.ok("topics", "update", topic, "--max-bytes=1MiB")
        self.assertRegex(publisher.communicate(timeout=30)[1], "published 1 event")
        self.assertEqual(publisher.returncode, 0)

    def test_counts_the_bytes_that_were_acknowledged(self):
        topic = self.topic("--max-event-bytes=1KiB")
        result = self.hub.run("publish", topic, stdin=b"x" * 2000 + b"\n")
        self.assertEqual(result.code, 1)
        self.assertRegex(result.err.decode(), r"^published 0 events, 0 B in ")


class HealthTest(HubTest):

    def test_health(self):
        self.assertEqual(self.ok("health"), "serving\n")
        self.assertEqual(self.ok("health", "--quiet"), "")
        self.assertEqual(self.ok("health", "--ready"), "serving\n")
        self.assertEqual(self.ok("health", "--live"), "live\n")
        self.fails(2, "health", "--live", "--ready")
        self.fails(2, "health", "--live", "--service=ready")
        self.assertEqual(self.ok("health", "--service=eventhub.v1.EventHubService"), "serving\n")
        self.assertIn("NOT_FOUND", self.fails(1, "health", "--service=none"))

    def test_clock(self):
        self.assertEqual(self.ok("clock", "show"), "trusted\n")
        self.assertEqual(self.ok_json("clock", "show"), {"trusted": True, "doubt": None})
        self.assertRegex(self.ok("clock", "confirm"), r"^the hub now uses 20\d\d-[^\n]*Z\n$")

    def test_quiet_failure(self):
        result = self.hub.run("--address=unix:/nonexistent/socket", "health", "--quiet")
        self.assertEqual((result.code, result.out, result.err), (1, b"", b""))

    def test_stats(self):
        topic = self.topic()
        before = json.loads(self.ok("stats", "--output=json"))
        self.ok("publish", topic, "-q", stdin=b"x\n" * 100)
        after = json.loads(self.ok("stats", "--output=json"))
        self.assertTrue(after["writable"])
        published = [stats["totals"]["published_events"] for stats in (before, after)]
        self.assertEqual(published[1] - published[0], 100)
        self.assertGreater(after["syncs"], before["syncs"])
        self.assertRegex(self.ok("stats"), r"(?m)^writable: +yes$")
        self.assertLess(after["memory"]["process_bytes"], after["memory"]["limit_bytes"])
        self.assertGreater(after["memory"]["shares"]["tail_cache"]["limit_bytes"], 0)
        self.assertEqual(after["memory"]["findings"], [])
        self.assertGreaterEqual(after["connections"]["open"], 1)
        self.assertRegex(self.ok("stats"), r"(?m)^memory: +[0-9.]+ MiB of [0-9.]+ [MG]iB$")
        self.assertRegex(self.ok("stats"), r"(?m)^  tail cache: +[0-9.]+ .?i?B of [0-9.]+ [MG]iB$")


class BenchTest(HubTest):

    def test_measures_and_cleans_up(self):
        result = json.loads(self.ok("bench", "--events=20000", "--size=1KiB", "--producers=2",
                                    "--partitions=2", "--round-trips=20", "--output=json"))
        self.assertEqual(result["data_bytes"], 1024)
        self.assertGreater(result["publish_events_per_second"], 0)
        self.assertGreater(result["read_events_per_second"], 0)
        self.assertGreaterEqual(result["round_trip_p99_ms"], result["round_trip_p50_ms"])
        self.assertEqual(self.ok("topics", "list", "--output=json"), "")
        self.assertIn("events/s", self.ok("bench", "--events=1000", "--round-trips=0"))


if __name__ == "__main__":
    unittest.main()
