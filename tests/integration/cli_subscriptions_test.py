"""Subscriptions from the command line: administration, consumers, commands, dead letters."""

import json
import os
import re
import signal
import subprocess
import tempfile
import unittest

from cli_hub import TIMEOUT, Hub, HubTest, json_lines


class SubscriptionTest(HubTest):
    """Helpers of the tests below."""

    def subscription(self, *options, events=0, kind="queue"):
        """Creates a subscription and its topic, named after the test, with events 0, 1, 2, …"""
        name = self.topic("--partitions=1")
        if events:
            self.publish(name, range(events))
        self.ok("subscriptions", "create", name, f"--topic={name}", f"--kind={kind}",
                "--from=earliest", *options)
        return name

    def publish(self, topic, data, *options):
        self.ok("publish", topic, "-q", *options, stdin="".join(f"{x}\n" for x in data).encode())

    def describe(self, name):
        return json.loads(self.ok("subscriptions", "describe", name, "--output=json"))

    def consume(self, name, *options):
        """Consumes everything, one consumer after another; returns lines of data."""
        if not any(option.startswith("--format=") for option in options):
            options = ("--format=%d\\n", *options)
        return self.ok("consume", name, "--idle-exit=1s", *options).splitlines()


LETTERS = ("subscriptions", "dead-letters")
REPLAY = ("subscriptions", "replay")
SEEK = ("subscriptions", "seek")
SNAPSHOTS = ("subscriptions", "snapshots")


class SubscriptionsTest(SubscriptionTest):

    def test_filters(self):
        name = self.subscription("--filter=subject LIKE 'eu/%'")
        for subject in ("eu/1", "us/2", "eu/3"):
            self.publish(name, [subject], f"--subject={subject}")
        self.assertEqual(self.consume(name), ["eu/1", "eu/3"])
        state = self.describe(name)
        self.assertEqual(state["filter"], {"sql": "subject LIKE 'eu/%'"})
        self.assertEqual(state["stats"]["filtered_events"], 1)
        self.assertEqual(state["stats"]["lag_events"], 0)
        self.ok("subscriptions", "update", name, '--filter={"prefix": {"subject": "us/"}}')
        self.publish(name, ["us/4"], "--subject=us/4")
        self.publish(name, ["eu/5"], "--subject=eu/5")
        self.assertEqual(self.consume(name), ["us/4"])
        self.ok("subscriptions", "update", name, "--filter=none")
        self.assertIsNone(self.describe(name)["filter"])
        bad = self.hub.run("subscriptions", "update", name, "--filter=subject LIKE")
        self.assertEqual(bad.code, 1)
        self.assertIn(b"subscription.filter.sql: line 1, column", bad.err)
        read = self.ok("read", name, "--filter=EXISTS subject AND subject = 'us/2'",
                       "--format=%o %d\\n")
        self.assertEqual(read, "1 us/2\n")

    def test_life_of_a_subscription(self):
        topic = self.topic()
        self.ok("subscriptions", "create", "life", f"--topic={topic}", "--kind=queue",
                "--ordered-by-key", "--ack-deadline=2m", "--min-backoff=1s", "--max-backoff=10m",
                "--max-attempts=5", "--rate-events=1,000", "--rate-bytes=1MiB",
                "--expire-after=7d", "--ack-durability=written", "--description=for a test")
        life = self.describe("life")
        self.assertEqual(life["topic"], topic)
        self.assertEqual(life["kind"], "queue")
        self.assertTrue(life["ordered_by_key"])
        self.assertEqual(life["ack_deadline_seconds"], 120)
        self.assertEqual(life["min_backoff_seconds"], 1)
        self.assertEqual(life["max_backoff_seconds"], 600)
        self.assertEqual(life["max_delivery_attempts"], 5)
        self.assertEqual(life["dead_letter_topic"], "life.dead-letters")
        self.assertEqual(life["events_per_second"], 1000)
        self.assertEqual(life["bytes_per_second"], 1 << 20)
        self.assertEqual(life["expire_after_seconds"], 7 * 86400)
        self.assertEqual(life["ack_durability"], "written")
        self.assertEqual(life["description"], "for a test")
        self.ok("topics", "describe", "life.dead-letters")

        self.ok("subscriptions", "update", "life", "--max-attempts=0", "--rate-events=unlimited",
                "--expire-after=never", "--description=")
        life = self.describe("life")
        self.assertIsNone(life["max_delivery_attempts"])
        self.assertIsNone(life["events_per_second"])
        self.assertEqual(life["bytes_per_second"], 1 << 20)
        self.assertIsNone(life["expire_after_seconds"])
        self.assertEqual(life["description"], "")

        self.ok("subscriptions", "pause", "life")
        self.assertTrue(self.describe("life")["paused"])
        self.ok("subscriptions", "resume", "life")
        self.assertFalse(self.describe("life")["paused"])

        self.ok("subscriptions", "delete", "life", "--yes")
        self.assertIn("NOT_FOUND", self.fails(1, "subscriptions", "describe", "life"))
        self.ok("topics", "describe", "life.dead-letters")

    def test_list(self):
        name = self.subscription(events=7)
        listed = [s for s in json_lines(self.ok("subscriptions", "list", "-o", "json",
                                                f"--topic={name}"))]
        self.assertEqual([s["name"] for s in listed], [name])
        self.assertEqual(listed[0]["stats"]["lag_events"], 7)
        self.assertEqual(listed[0]["consumers"], 0)
        self.assertRegex(self.ok("subscriptions", "list"),
                         rf"(?m)^{name} +{name} +queue +no consumer +7 ")

    def test_describe_says_why(self):
        name = self.subscription(events=3)
        text = self.ok("subscriptions", "describe", name)
        self.assertRegex(text, rf"^{name}: queue of topic {name}\n\n  \* .*no consumer")
        self.assertRegex(text, r"(?m)^lag: +3 events")
        self.consume(name)
        self.assertIn("* all is settled", self.ok("subscriptions", "describe", name))

    def test_refusals(self):
        name = self.subscription()
        create = ("subscriptions", "create", name, "--kind=queue")
        self.assertIn("ALREADY_EXISTS", self.fails(1, *create, f"--topic={name}"))
        self.assertIn("NOT_FOUND", self.fails(1, "subscriptions", "create", "of-none",
                                              "--kind=queue", "--topic=none"))
        self.assertIn("INVALID_ARGUMENT", self.fails(1, "subscriptions", "create", "no/slash",
                                                     "--kind=queue", f"--topic={name}"))
        self.assertIn("INVALID_ARGUMENT", self.fails(1, "subscriptions", "create", "s",
                                                     "--kind=stream", "--ordered-by-key",
                                                     f"--topic={name}"))
        for command in (["subscriptions", "describe"], ["subscriptions", "pause"],
                        ["subscriptions", "delete", "--yes"], ["consume"],
                        [*SEEK, "--yes", "--to=earliest"], [*REPLAY, "--from=earliest"],
                        [*REPLAY, "--cancel"], [*SNAPSHOTS, "list"], [*LETTERS, "list"]):
            self.assertIn("NOT_FOUND", self.fails(1, *command, "none"), command)

    def test_deleting_a_topic(self):
        name = self.subscription()
        self.assertIn(name, self.fails(1, "topics", "delete", name, "--yes"))
        self.ok("topics", "delete", name, "--with-subscriptions", "--yes")
        self.assertIn("NOT_FOUND", self.fails(1, "subscriptions", "describe", name))

    def test_stats(self):
        self.subscription()
        stats = json.loads(self.ok("stats", "--output=json"))
        self.assertGreater(stats["subscriptions"], 0)
        self.assertRegex(self.ok("stats"), r"(?m)^subscriptions: +\d+ with \d+ consumers?$")


class SeekTest(SubscriptionTest):

    def test_seek(self):
        name = self.subscription(events=10)
        self.assertEqual(len(self.consume(name)), 10)
        moves = json.loads(self.ok(*SEEK, name, "--to=earliest", "--dry-run", "-o", "json"))
        self.assertEqual(moves["moves"], [{"partition": 0, "from_offset": 10, "to_offset": 0,
                                           "lag_before": 0, "lag_after": 10}])
        self.assertEqual(self.consume(name), [])
        self.assertIsNone(moves["snapshot"])
        for place in ("--offset=0:7", "--to=0:7"):
            text = self.ok(*SEEK, name, place, "--yes")
            self.assertIn("lag: 0 events before, 3 after", text)
            self.assertEqual(self.consume(name), ["7", "8", "9"])
        self.ok(*SEEK, name, "--to=1h", "--yes")
        self.ok(*SEEK, name, "--to=latest", "--yes")
        self.assertEqual(self.consume(name), [])
        self.fails(2, *SEEK, name)

    def test_seek_keeps_a_snapshot_to_go_back_to(self):
        name = self.subscription(events=6)
        self.consume(name, "--limit=2")
        text = self.ok(*SEEK, name, "--to=latest", "--yes")
        self.assertEqual(self.consume(name), [])
        back = re.search(r"(?m)^to go back: eventhub (.*)$", text).group(1)
        self.ok(*back.split(), "--yes")
        self.assertEqual(self.consume(name), ["2", "3", "4", "5"])

    def test_snapshots_of_seeks_are_the_last_ones(self):
        name = self.subscription(events=3)
        self.ok(*SNAPSHOTS, "create", name, "mine")
        taken = [self.ok_json(*SEEK, name, f"--to={n % 2}", "--yes")["snapshot"]
                 for n in range(1, 14)]
        kept = [s["name"] for s in json_lines(self.ok(*SNAPSHOTS, "list", name, "-o", "json"))]
        self.assertEqual(kept, taken[-10:] + ["mine"])

    def test_a_seek_that_is_refused_keeps_no_snapshot(self):
        name = self.subscription(events=3)
        self.assertIn("OUT_OF_RANGE", self.fails(1, *SEEK, name, "--offset=0:11", "--yes"))
        self.assertIsNone(self.ok_json(*SEEK, name, "--to=latest", "--yes",
                                       "--no-snapshot")["snapshot"])
        self.assertEqual(self.ok(*SNAPSHOTS, "list", name, "-o", "json"), "")

    def test_seek_asks(self):
        name = self.subscription(events=3)
        self.assertIn("seek: requires --yes when there is no terminal to ask on",
                      self.fails(2, *SEEK, name, "--to=latest"))
        result = self.hub.run_on_terminal(b"n\n", *SEEK, name, "--to=latest")
        self.assertEqual(result.code, 1)
        self.assertIn(f"Move subscription '{name}'? [y/N]", result.err.decode())
        self.assertIn("lag: 3 events before, 0 after", result.err.decode())
        self.assertEqual(self.consume(name), ["0", "1", "2"])
        result = self.hub.run_on_terminal(b"y\n", *SEEK, name, "--to=earliest")
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.consume(name), ["0", "1", "2"])

    def test_snapshots(self):
        name = self.subscription(events=6)
        self.consume(name, "--limit=2")
        created = json.loads(self.ok(*SNAPSHOTS, "create", name, "before", "-o", "json"))
        self.assertEqual((created["name"], created["lag_events"]), ("before", 4))
        self.assertIn("ALREADY_EXISTS", self.fails(1, *SNAPSHOTS, "create", name, "before"))
        self.assertEqual(self.consume(name), ["2", "3", "4", "5"])
        self.assertRegex(self.ok(*SNAPSHOTS, "list", name), r"(?m)^before +.*Z +4$")
        self.ok(*SEEK, name, "--to=snapshot:before", "--yes")
        self.assertEqual(self.consume(name), ["2", "3", "4", "5"])
        self.ok(*SNAPSHOTS, "delete", name, "before")
        self.assertIn("NOT_FOUND", self.fails(1, *SEEK, name, "--to=snapshot:before", "--yes"))

    def test_replay(self):
        name = self.subscription(events=10)
        self.consume(name)
        dry = json.loads(self.ok(*REPLAY, name, "--from=3", "--to=6", "--dry-run", "-o", "json"))
        self.assertEqual(dry, {"dry_run": True, "events": 3, "ranges": [
            {"partition": 0, "start_offset": 3, "end_offset": 6}]})
        self.assertEqual(self.consume(name), [])
        self.assertIn("3 events are replayed",
                      self.ok(*REPLAY, name, "--from=0:3", "--to=0:6"))
        for other in ("--to=1:6", "--partition=1"):
            self.fails(2, *REPLAY, name, "--from=0:3", other)
        self.assertEqual(self.consume(name), ["3", "4", "5"])
        self.assertRegex(self.ok(*REPLAY, name, "--from=6", "--to=6"),
                         r"^nothing matched: 0 events are replayed\n$")
        self.assertIn("no partition 7", self.fails(1, *REPLAY, name, "--from=0", "--partition=7"))
        self.ok(*REPLAY, name, "--from=earliest")
        self.assertIn("10 events left to be replayed or redriven",
                      self.ok("subscriptions", "describe", name))
        self.assertRegex(self.ok("subscriptions", "list"), rf"(?m)^{name} .*no consumer")
        self.assertIn("10 events are not delivered again", self.ok(*REPLAY, name, "--cancel"))
        self.assertEqual(self.consume(name), [])


class ConsumeTest(SubscriptionTest):

    def test_prints_and_acks(self):
        name = self.subscription(events=5)
        self.assertEqual(self.consume(name, "--limit=2"), ["0", "1"])
        self.assertEqual(self.describe(name)["stats"]["lag_events"], 3)
        events = json_lines(self.ok("consume", name, "--limit=3", "--output=json"))
        self.assertEqual([e["data"] for e in events], ["2", "3", "4"])
        self.assertEqual({e["hub_delivery_attempt"] for e in events}, {1})
        self.assertEqual(self.describe(name)["stats"]["lag_events"], 0)

    def test_ends_with_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                name = f"ends-with-{number}"
                self.ok("topics", "create", name)
                self.ok("subscriptions", "create", name, f"--topic={name}", "--kind=stream")
                consumer = self.hub.popen("consume", name, "--format=%d\\n", "--name=me",
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.wait_until(lambda name=name: self.describe(name)["consumers"])
                self.assertEqual(self.describe(name)["consumers"][0]["name"], "me")
                self.publish(name, ["x"])
                self.assertEqual(consumer.stdout.readline(), b"x\n")
                consumer.send_signal(number)
                _, err = consumer.communicate(timeout=TIMEOUT)
                self.assertEqual((consumer.returncode, err), (0, b""))
                self.assertEqual(self.describe(name)["stats"]["lag_events"], 0)

    def test_two_share_and_one_is_killed(self):
        name = self.subscription(events=2000)
        with tempfile.TemporaryDirectory() as folder:
            consumers = []
            for number in range(2):
                with open(f"{folder}/{number}", "wb") as out:
                    consumers.append(self.hub.popen(
                        "consume", name, "--format=%d\\n", "--credit-events=10", stdout=out))
            self.wait_until(lambda: all(os.path.getsize(f"{folder}/{n}") > 0 for n in range(2)))
            consumers[0].kill()
            consumers[0].wait()
            self.wait_until(lambda: self.describe(name)["stats"]["lag_events"] == 0)
            consumers[1].terminate()
            self.assertEqual(consumers[1].wait(TIMEOUT), 0)
            lines = []
            for number in range(2):
                with open(f"{folder}/{number}", encoding="utf-8") as out:
                    lines += [line for line in out if line.endswith("\n")]
        self.assertEqual({int(line) for line in lines}, set(range(2000)))
        self.assertLessEqual(len(lines), 2000 + 10)

    def test_goes_on_over_a_killed_hub(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        for command in (["topics", "create", "t"],
                        ["subscriptions", "create", "s", "--topic=t", "--kind=stream"]):
            self.assertEqual(hub.run(*command).code, 0)
        consumer = hub.popen("consume", "s", "--format=%d\\n", stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        self.addCleanup(consumer.communicate)
        self.addCleanup(consumer.kill)
        for number in range(3):
            self.assertEqual(hub.run("publish", "t", "-q", stdin=b"%d\n" % number).code, 0)
            # Events whose acks were under way when the hub was killed are delivered again.
            line = consumer.stdout.readline()
            while line in [f"{earlier}\n" for earlier in range(number)]:
                line = consumer.stdout.readline()
            self.assertEqual(line, f"{number}\n")
            hub.stop(signal.SIGKILL)
            hub.start()
        consumer.terminate()
        self.assertEqual(consumer.wait(TIMEOUT), 0)

    def test_a_subscription_that_is_deleted(self):
        name = self.subscription(events=1)
        consumer = self.hub.popen("consume", name, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        consumer.stdout.readline()
        self.ok("subscriptions", "delete", name, "--yes")
        _, err = consumer.communicate(timeout=TIMEOUT)
        self.assertEqual(consumer.returncode, 1)
        self.assertRegex(err.decode(), r"^eventhub: .*\(NOT_FOUND\)\n$")

    def test_summary(self):
        name = self.subscription(events=3)
        result = self.hub.run("consume", name, "--limit=3", "--summary", "--format=")
        self.assertEqual(result.code, 0, result.err)
        self.assertRegex(result.err.decode(), r"^consumed 3 events, .*/s; 3 acked, "
                                              r"0 to be retried, 0 parked, 0 skipped\n$")

    def test_the_summary_counts_what_the_hub_confirmed(self):
        hub = Hub()
        self.addCleanup(hub.close)
        hub.start()
        self.ok("topics", "create", "t", hub=hub)
        self.ok("subscriptions", "create", "s", "--topic=t", "--kind=queue", hub=hub)
        self.ok("publish", "t", "-q", stdin=b"x\n", hub=hub)
        with tempfile.TemporaryDirectory() as folder:
            consumer = hub.popen("consume", "s", "--limit=2", "--summary",
                                 f"--exec=sh -c 'touch {folder}/begun; "
                                 f"until [ -e {folder}/go ]; do sleep 0.05; done'",
                                 stderr=subprocess.PIPE)
            self.wait_until(lambda: os.path.exists(f"{folder}/begun"))
            hub.stop(signal.SIGKILL)
            hub.start()
            with open(f"{folder}/go", "wb"):
                pass
            _, err = consumer.communicate(timeout=TIMEOUT)
        self.assertEqual(consumer.returncode, 0, err)
        self.assertIn(b"the hub did not confirm 1 event; ", err)
        self.assertRegex(err.decode(), r"consumed 2 events, .*/s; 1 acked, 0 to be retried, "
                                       r"0 parked, 0 skipped, 1 not confirmed\n$")


class ExecTest(SubscriptionTest):

    def run_exec(self, name, script, *options):
        """Runs a shell script for each event until there are none; returns the standard output."""
        return self.ok("consume", name, "--idle-exit=1s", f"--exec=sh -c '{script}'", *options)

    def test_data_and_environment(self):
        name = self.topic("--partitions=2")
        self.ok("subscriptions", "create", name, f"--topic={name}", "--kind=queue")
        self.ok("publish", name, "-q", "--partition=1", "--key=k", "--type=t.x", "--subject=s u",
                "--attribute=traceparent=00-ab", "--id-prefix=n", stdin=b"hello $HOME\n")
        out = self.run_exec(name, 'echo "$EVENTHUB_ID|$EVENTHUB_TYPE|$EVENTHUB_SUBJECT|'
                                  '$EVENTHUB_KEY|$EVENTHUB_PARTITION|$EVENTHUB_OFFSET|'
                                  '$EVENTHUB_ATTEMPT|$EVENTHUB_ATTR_TRACEPARENT|'
                                  '$EVENTHUB_SUBSCRIPTION|$(cat)"')
        self.assertEqual(out, f"n1|t.x|s u|k|1|0|1|00-ab|{name}|hello $HOME\n")

    def test_braces_stand_for_the_data(self):
        name = self.subscription()
        self.publish(name, ["a b; $(date)"])
        self.assertEqual(self.ok("consume", name, "--limit=1", "--exec=printf '<%s>' {}"),
                         "<a b; $(date)>")

    def test_exit_codes(self):
        name = self.subscription("--min-backoff=0", "--max-attempts=3", events=4)
        self.run_exec(name, 'case "$(cat)" in 0) exit 0;; 1) exit 65;; 2) exit 100;; '
                            '*) echo "no route" >&2; exit 75;; esac')
        stats = self.describe(name)["stats"]
        self.assertEqual(stats["lag_events"], 0)
        self.assertEqual(stats["acked_events"], 1)
        self.assertEqual(stats["skipped_events"], 1)
        self.assertEqual(stats["open_dead_letters"], 2)
        letters = json_lines(self.ok(*LETTERS, "list", name, "--output=json"))
        self.assertEqual({letter["source_offset"]: (letter["attempts"], letter["reason"])
                          for letter in letters},
                         {1: (1, "exit code 65"), 3: (3, "exit code 75: no route")})

    def test_exit_codes_are_known_to_one_whose_parent_ignores_its_children(self):
        name = self.subscription(events=1)
        consumer = self.hub.popen(
            "consume", name, "--limit=1", "--exec=sh -c 'exit 65'",
            preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(consumer.wait(TIMEOUT), 0)
        stats = self.describe(name)["stats"]
        self.assertEqual((stats["acked_events"], stats["open_dead_letters"]), (0, 1))

    def test_a_retry_comes_with_its_attempt(self):
        name = self.subscription("--min-backoff=0", events=1)
        out = self.run_exec(name, "echo $EVENTHUB_ATTEMPT; test $EVENTHUB_ATTEMPT = 3")
        self.assertEqual(out, "1\n2\n3\n")

    def test_a_stream_keeps_its_order(self):
        name = self.subscription("--min-backoff=0", kind="stream", events=6)
        out = self.run_exec(name, 'data=$(cat); echo $data; '
                                  'test "$data" != 3 -o $EVENTHUB_ATTEMPT = 3', "--concurrency=4")
        self.assertEqual(out.split(), ["0", "1", "2", "3", "3", "3", "4", "5"])

    def test_a_batch_that_fails_comes_again(self):
        name = self.subscription("--min-backoff=0", events=3)
        out = self.ok("consume", name, "--idle-exit=1s",
                      "--exec-batch=sh -c 'cat; test $EVENTHUB_ATTEMPT = 2'")
        attempts = [(e["data"], e["hub_delivery_attempt"]) for e in json_lines(out)]
        self.assertEqual(sorted(attempts), [(d, n) for d in "012" for n in (1, 2)])

    def test_retry_delay_and_describe(self):
        name = self.subscription("--max-attempts=9", events=1)
        result = self.hub.run("consume", name, "--limit=1", "--retry-delay=1h",
                              "--exec=sh -c 'echo the bank is shut >&2; exit 1'")
        self.assertEqual((result.code, result.err), (0, b"the bank is shut\n"))
        head = self.describe(name)["partition_list"][0]
        self.assertEqual((head["head_attempts"], head["head_reason"]),
                         (1, "exit code 1: the bank is shut"))
        self.assertIn("the bank is shut", self.ok("subscriptions", "describe", name))

    def test_batches(self):
        name = self.subscription(events=10)
        out = self.ok("consume", name, "--limit=10", "--batch-size=4",
                      "--exec-batch=sh -c 'echo $EVENTHUB_PARTITION $EVENTHUB_OFFSET "
                      "$EVENTHUB_EVENTS; cat'")
        heads = [line for line in out.splitlines() if not line.startswith("{")]
        events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        self.assertEqual([event["data"] for event in events], [str(i) for i in range(10)])
        self.assertEqual(sum(int(head.split()[2]) for head in heads), 10)
        self.assertTrue(all(int(head.split()[2]) <= 4 for head in heads))
        self.assertEqual(self.describe(name)["stats"]["lag_events"], 0)

    def test_concurrency(self):
        name = self.subscription(events=4)
        # Each command waits for the three others, so all of them must run concurrently.
        with tempfile.TemporaryDirectory() as folder:
            self.run_exec(name, f"touch {folder}/$EVENTHUB_OFFSET; until [ $(ls {folder} | wc -l) "
                                "= 4 ]; do sleep 0.05; done", "--concurrency=4")
        self.assertEqual(self.describe(name)["stats"]["acked_events"], 4)

    def test_a_signal_lets_commands_finish(self):
        name = self.subscription(events=1)
        with tempfile.TemporaryDirectory() as folder:
            consumer = self.hub.popen(
                "consume", name, f"--exec=sh -c 'touch {folder}/begun; "
                f"until [ -e {folder}/go ]; do sleep 0.05; done; echo finished'",
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
            self.wait_until(lambda: os.path.exists(f"{folder}/begun"))
            # Like Ctrl-C, sent to the whole process group of the terminal.
            os.killpg(consumer.pid, signal.SIGINT)
            self.assertIn(b"interrupt again to give up", consumer.stderr.readline()
                          + consumer.stderr.readline())
            with open(f"{folder}/go", "wb"):
                pass
            out, _ = consumer.communicate(timeout=TIMEOUT)
        self.assertEqual((consumer.returncode, out), (0, b"finished\n"))
        self.assertEqual(self.describe(name)["stats"]["lag_events"], 0)

    def test_a_program_that_is_not_there_costs_no_attempt(self):
        name = self.subscription(events=1)
        self.assertIn("cannot run './none'", self.fails(1, "consume", name, "--exec=./none"))
        for option in ("--exec", "--exec-batch"):  # For example from an unset variable.
            self.assertIn("the command is empty", self.fails(2, "consume", name, f"{option}="))
        self.assertEqual(self.describe(name)["stats"]["delivered_events"], 0)


class DeadLettersTest(SubscriptionTest):

    def dead(self, events=4):
        """Creates a subscription whose events are all dead letters."""
        name = self.subscription(events=events)
        self.ok("consume", name, f"--limit={events}",
                "--exec=sh -c 'echo reason $(cat) >&2; exit 65'")
        return name

    def selected(self, name, *options):
        return [letter["source_offset"] for letter in
                json_lines(self.ok(*LETTERS, "list", name, "-o", "json", *options))]

    def test_list_and_show(self):
        name = self.dead()
        self.assertEqual(self.selected(name), [0, 1, 2, 3])
        self.assertEqual(self.selected(name, "--range=0:1-2"), [1, 2])
        self.assertEqual(self.selected(name, "--range=0:0", "--range=0:3"), [0, 3])
        self.assertEqual(self.selected(name, "--reason-contains=reason 2"), [2])
        self.assertEqual(self.selected(name, "--type=none"), [])
        self.assertEqual(self.selected(name, "--until=1h"), [])
        self.assertEqual(len(self.selected(name, "--since=1h")), 4)
        self.assertEqual(self.selected(name, "--limit=2"), [0, 1])
        result = self.hub.run(*LETTERS, "list", name, "--limit=3")
        self.assertEqual((result.code, len(result.out.splitlines())), (0, 1 + 3))
        self.assertEqual(result.err, b"eventhub: there are more; see --limit\n")
        table = self.ok(*LETTERS, "list", name)
        self.assertRegex(table, r"^LETTER +SOURCE +ATTEMPTS")
        self.assertRegex(table, r"(?m)^0:3 +0:3 +1 .* exit code 65: reason 3$")
        event = json.loads(self.ok(*LETTERS, "show", name, "0:2"))
        self.assertEqual((event["data"], event["hub_offset"], event["deadletteroffset"]), ("2", 2, "2"))
        self.assertEqual(event["deadletterreason"], "exit code 65: reason 2")
        self.assertIn("NOT_FOUND", self.fails(1, *LETTERS, "show", name, "--range=0:9"))

    def test_what_matches_nothing(self):
        name = self.dead(events=1)
        for verb in ("redrive", "discard"):
            yes = ["--yes"] if verb == "discard" else []
            for condition in ("--type=none", "--range=0:5-9"):
                self.assertRegex(self.ok(*LETTERS, verb, name, condition, *yes),
                                 "^nothing matched: 0 dead letters are ")
            self.assertIn("has no such dead letters (NOT_FOUND)",
                          self.fails(1, *LETTERS, verb, name, "--range=0:9"))
        for verb in ("list", "show", "redrive", "discard"):
            yes = ["--yes"] if verb == "discard" else []
            self.assertRegex(self.fails(1, *LETTERS, verb, name, "--range=7:0-9", *yes),
                             r"no partition 7 \(.*NOT_FOUND\)$")
        self.assertRegex(self.ok(*LETTERS, "discard", name, "--range=0:0"),
                         "^1 dead letter is discarded\n$")

    def test_redrive_returns_them(self):
        name = self.dead()
        self.fails(2, *LETTERS, "redrive", name)
        self.fails(2, *LETTERS, "redrive", name, "--all", "--range=0:1")
        self.assertEqual(self.ok(*LETTERS, "redrive", name, "--range=0:1-2", "--dry-run"),
                         "2 dead letters would be redriven\n")
        self.assertEqual(self.ok(*LETTERS, "redrive", name, "--range=0:1-2"),
                         "2 dead letters are redriven\n")
        self.assertEqual(sorted(self.consume(name)), ["1", "2"])
        self.assertEqual(self.selected(name), [0, 3])
        self.assertEqual(json.loads(self.ok(*LETTERS, "redrive", name, "--all", "-o",
                                            "json")),
                         {"dry_run": False, "events": 2, "to_come": 0, "trimmed": 0,
                          "in_flight": 0})
        self.assertEqual(sorted(self.consume(name, "--format=%d %n\\n")), ["0 1", "3 1"])

    def test_discard_gives_them_up(self):
        name = self.dead()
        self.fails(2, *LETTERS, "discard", name)
        self.assertEqual(self.ok(*LETTERS, "discard", name, "--range=0:0"),
                         "1 dead letter is discarded\n")
        self.assertEqual(self.selected(name), [1, 2, 3])
        self.assertIn("dead-letters discard: requires --yes when there is no terminal to ask on",
                      self.fails(2, *LETTERS, "discard", name, "--all"))
        self.fails(2, *LETTERS, "discard", name, "--since=1h")
        result = self.hub.run_on_terminal(b"n\n", *LETTERS, "discard", name, "--all")
        self.assertEqual(result.code, 1)
        self.assertIn(f"Discard 3 dead letters of subscription '{name}' for good? [y/N]",
                      result.err.decode())
        self.assertEqual(self.selected(name), [1, 2, 3])
        self.assertEqual(self.ok(*LETTERS, "discard", name, "--all", "--yes"),
                         "3 dead letters are discarded\n")
        self.assertEqual(self.selected(name), [])
        self.assertEqual(self.consume(name), [])

    def test_a_topic_that_took_them_goes_with_them_on_request(self):
        name = self.dead(events=2)
        old, new = f"{name}.dead-letters", f"{name}.new"
        self.ok("topics", "create", new)
        self.ok("subscriptions", "update", name, f"--dead-letter-topic={new}")
        self.assertIn(f"open dead letters remain in topic {old}",
                      self.ok("subscriptions", "describe", name))
        self.assertIn("has open or unsettled redriven dead letters", self.fails(1, "topics", "delete", old, "-y"))
        self.assertEqual(self.selected(name, f"--topic={old}"), [0, 1])
        self.assertEqual(self.selected(name, f"--topic={new}"), [])
        self.ok("topics", "delete", old, "--discard-dead-letters", "-y")
        self.assertEqual(self.selected(name), [])


if __name__ == "__main__":
    unittest.main()
