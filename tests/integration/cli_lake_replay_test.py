"""`eventhub lake replay`: to standard output and into topics, exactly once whatever is killed.

The environment names the programs: EVENTHUB, EVENTHUBD, LAKE_PROCESS.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from cli_hub import EVENTHUB, TIMEOUT, HubTest, blocks_signals, json_lines

LAKE_PROCESS = os.environ["LAKE_PROCESS"]
EVENTS = 1000
PARTITIONS = 3
BIG_EVENTS = 20000


class LakeReplayTest(HubTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.mkdtemp(prefix="eventhub-lake-")
        cls.addClassCleanup(shutil.rmtree, directory)
        cls.lake = f"{directory}/lake"
        for topic, events, partitions in (("orders", EVENTS, PARTITIONS), ("big", BIG_EVENTS, 2)):
            subprocess.run([LAKE_PROCESS, cls.lake, topic, str(events), str(partitions)],
                           check=True, timeout=TIMEOUT)

    def arguments(self, *arguments):
        return ["lake", f"--lake={self.lake}", "replay", *arguments]

    def replay(self, *arguments):
        return self.ok(*self.arguments(*arguments))

    def refused(self, code, *arguments):
        return self.fails(code, *self.arguments(*arguments))

    def read(self, topic):
        return json_lines(self.ok("read", topic, "--output=json"))

    def test_dry_run(self):
        text = self.replay("orders")
        self.assertRegex(text, r"order\.paid +334\n")
        self.assertRegex(text, r"1,000 events, \S+ KiB, from 2025-11-24T16:00:00Z to "
                               r"2025-11-25T01:01:39Z; takes about ")
        self.assertIn("nothing was replayed", text)
        plan = json.loads(self.replay("orders", "--from=0:100", "--to=0:200", "--output=json",
                                      "--rate-events=10"))
        self.assertEqual(plan["events"], 100)
        self.assertAlmostEqual(plan["seconds"], 10, delta=1)
        plan = json.loads(self.replay("orders", "--filter=type = 'order.paid'", "--partition=1",
                                      "--from=2025-11-24T17:00:00Z", "--to=2025-11-24T18:00:00Z",
                                      "--output=json"))
        expected = [n for n in range(100, 200) if n % PARTITIONS == 1 and n % 3 == 0]
        self.assertEqual(plan["types"], {"order.paid": len(expected)} if expected else {})
        result = self.hub.run(*self.arguments("orders", "--into=dry"))
        self.assertEqual(result.code, 0, result.err)
        self.assertIn(b"takes at least", result.out)
        self.fails(1, "topics", "describe", "dry")

    def test_output(self):
        events = json_lines(self.replay("orders", "--yes"))
        self.assertEqual([e["id"] for e in events], [f"id-{n}" for n in range(EVENTS)])
        some = json_lines(self.replay("orders", "--yes", "--from=1:10", "--to=1:13"))
        self.assertEqual([(e["hub_partition"], e["hub_offset"]) for e in some],
                         [(1, 10), (1, 11), (1, 12)])
        some = json_lines(self.replay("orders", "--yes", "--filter=subject = 'order/5'"))
        self.assertEqual(len(some), 10)
        self.assertEqual({e["subject"] for e in some}, {"order/5"})
        some = json_lines(self.replay("orders", "--yes", "--type=order.paid"))
        self.assertEqual(len(some), 334)

    def test_output_goes_on_after_an_event(self):
        events = json_lines(self.replay("orders", "--yes"))
        last = events[416]
        after = f"{last['hub_append_time']}/{last['hub_partition']}/{last['hub_offset']}"
        rest = json_lines(self.replay("orders", "--yes", f"--after={after}"))
        self.assertEqual(rest, events[417:])

    def test_interrupted_output_says_how_to_go_on(self):
        process = self.hub.popen(*self.arguments("orders", "--yes", "--rate-events=200"),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = process.stdout.readline()
        self.wait_until(lambda: blocks_signals(process.pid))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 130, err)
        events = json_lines(first + out)
        self.assertLess(len(events), EVENTS)
        message = err.decode()
        self.assertIn(f"interrupted after {len(events)} event", message)
        command = message[message.index("eventhub lake"):].strip().replace("eventhub ", "", 1)
        command = command.replace("--rate-events=200", "").split()
        rest = json_lines(self.ok(*command))
        self.assertEqual([e["id"] for e in events + rest], [f"id-{n}" for n in range(EVENTS)])

    def check_replayed(self, topic, ids):
        events = self.read(topic)
        self.assertEqual(sorted(e["id"] for e in events), sorted(ids))
        for event in events:
            partition, offset = map(int, event["replayoffset"].split(":"))
            number = int(event["id"].removeprefix("id-"))
            self.assertEqual((partition, offset), (number % PARTITIONS, number // PARTITIONS))
            self.assertEqual(event["hub_partition"], partition)
            self.assertEqual(event["replaytopic"], "orders")
            self.assertEqual(event["data"]["number"], number)
        return events

    def test_into_a_topic(self):
        self.replay("orders", "--into=all", "--yes")
        events = self.check_replayed("all", [f"id-{n}" for n in range(EVENTS)])
        first = next(e for e in events if e["id"] == "id-7")
        self.assertEqual(first["replaytime"], "2025-11-24T16:00:07Z")
        # Again: everything is there.
        again = self.hub.run(*self.arguments("orders", "--into=all", "--yes"))
        self.assertEqual(again.code, 0, again.err)
        self.assertIn(b"going on after 1,000 events", again.err)
        self.assertEqual(len(self.read("all")), EVENTS)
        # Another selection is another replay.
        self.assertIn("another selection",
                      self.refused(1, "orders", "--into=all", "--type=order.paid", "--yes"))
        self.ok("topics", "create", "other", "--partitions=3")
        self.ok("publish", "other", stdin=b"x\n")
        self.assertIn("not of this replay", self.refused(1, "orders", "--into=other", "--yes"))
        self.ok("topics", "create", "narrow")
        self.assertIn("has 1 partitions", self.refused(1, "orders", "--into=narrow", "--yes"))

    def test_a_part_into_a_topic(self):
        self.replay("orders", "--into=part", "--from=2025-11-24T17:00:00Z",
                    "--to=2025-11-24T18:00:00Z", "--filter=type = 'order.placed'", "--yes")
        self.check_replayed("part", [f"id-{n}" for n in range(100, 200) if n % 3 != 0])

    def test_killed_and_interrupted_replays_go_on(self):
        command = self.arguments("big", "--into=killed", "--yes")
        for how, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
            before = self.count("killed")
            process = self.hub.popen(*command, "--rate-events=1000", stderr=subprocess.PIPE)
            self.wait_until(lambda before=before: self.count("killed") > before)
            process.send_signal(how)
            err = process.communicate(timeout=TIMEOUT)[1]
            self.assertEqual(process.returncode, code, err)
        self.assertIn(b"; to go on: eventhub lake", err)
        self.assertLess(self.count("killed"), BIG_EVENTS)
        self.ok(*command)
        ids = self.ok("read", "killed", "--format=%p %o %i\n").split("\n")[:-1]
        self.assertEqual(len(ids), BIG_EVENTS)
        self.assertEqual({line.split()[2] for line in ids}, {f"id-{n}" for n in range(BIG_EVENTS)})
        for line in ids:
            partition, offset, event = line.split()
            self.assertEqual(int(event[3:]), int(offset) * 2 + int(partition))

    def count(self, topic):
        result = self.hub.run("topics", "describe", topic, "--output=json")
        return json.loads(result.out)["stats"]["events"] if result.code == 0 else 0

    def test_rate(self):
        start = time.monotonic()
        self.replay("orders", "--from=0:0", "--to=0:60", "--rate-events=100", "--yes")
        self.assertGreater(time.monotonic() - start, 0.5)

    def test_usage(self):
        self.assertIn("no topic 'nothing'", self.refused(1, "nothing"))
        self.assertIn("no partition 7", self.refused(1, "orders", "--partition=7"))
        self.assertIn("several are named", self.refused(2, "orders", "--from=0:1", "--to=1:2"))
        self.assertIn("--after is for standard output",
                      self.refused(2, "orders", "--into=x", "--after=2026-01-01/0/1"))
        self.assertIn("is not APPENDTIME/PARTITION/OFFSET",
                      self.refused(2, "orders", "--after=yesterday"))
        self.assertIn("would replay nothing", self.refused(2, "orders", "--rate-bytes=0"))
        self.assertIn("--filter", self.refused(2, "orders", "--filter=nosuch(1)"))


if __name__ == "__main__":
    unittest.main()
