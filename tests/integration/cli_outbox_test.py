"""`eventhub outbox`: looks into, drains, exports and empties the directory of a service that is gone."""

import json
import os
import subprocess
import unittest

from cli_hub import HubTest, json_lines

OUTBOX_PROCESS = os.environ["OUTBOX_PROCESS"]


class OutboxTest(HubTest):

    def leave(self, topic, count):
        """Leaves events in the test's outbox; returns its directory."""
        directory = f"{self.hub.directory}/{self.id()}"
        subprocess.run([OUTBOX_PROCESS, self.hub.address, directory, "leave", topic, str(count)],
                       check=True, timeout=60)
        return directory

    def ids(self, topic):
        return [event["id"] for event in json_lines(self.ok("read", topic, "-o", "json"))]

    def test_status(self):
        directory = self.leave("orders", 3)
        self.leave("payments", 2)
        lines = self.ok("outbox", "status", directory).splitlines()
        self.assertEqual(lines[0].split(), ["TOPIC", "PENDING", "BYTES", "OLDEST", "REFUSED", "LOST"])
        self.assertRegex(lines[1], r"^orders +3 +\d+ B +\S+ +0 +0$")
        topics = json_lines(self.ok("outbox", "status", directory, "-o", "json"))
        self.assertEqual([(t["topic"], t["pending_events"]) for t in topics],
                         [("orders", 3), ("payments", 2)])
        self.assertIn("oldest", topics[0])
        self.assertIn("there is no outbox in /missing (NOT_FOUND)",
                      self.fails(1, "outbox", "status", "/missing"))

    def test_drain(self):
        topic = self.topic()
        directory = self.leave(topic, 100)
        self.assertEqual(self.ok("outbox", "drain", directory), "100 events published\n")
        self.assertEqual(self.ids(topic), [f"{topic}-{n}" for n in range(100)])
        self.assertEqual(self.ok_json("outbox", "drain", directory)["published_events"], 0)
        self.assertEqual(len(self.ids(topic)), 100)

    def test_drain_of_a_topic_that_is_not_there(self):
        directory = self.leave("nowhere", 5)
        result = self.hub.run("outbox", "drain", directory)
        self.assertEqual((result.code, result.out), (1, b"0 events published\n"))
        self.assertIn(b"5 events left; topic nowhere: ", result.err)
        # Nothing is lost by that.
        self.ok("topics", "create", "nowhere")
        self.assertEqual(self.ok("outbox", "drain", directory), "5 events published\n")

    def test_drain_without_a_hub(self):
        directory = self.leave("orders", 1)
        result = self.hub.run("outbox", "drain", directory, "--address=unix:/missing",
                              "--timeout=200ms")
        self.assertEqual((result.code, result.out), (1, b"0 events published\n"))
        self.assertIn(b"1 event left", result.err)

    def test_refused_events(self):
        topic = self.topic("--max-event-bytes=1KiB")
        directory = self.leave(topic, 1)
        self.ok("topics", "update", topic, "--max-event-bytes=30")
        result = self.hub.run("outbox", "drain", directory)
        self.assertEqual((result.code, result.out), (1, b"0 events published\n"))
        self.assertIn(b"1 event set aside, because the hub refuses them", result.err)
        exported = self.hub.run("outbox", "export", directory, "--refused")
        self.assertEqual(json.loads(exported.out)["id"], f"{topic}-0")
        self.assertIn(b"accepts at most 30", exported.err)
        self.ok("topics", "update", topic, "--max-event-bytes=1KiB")
        self.assertEqual(self.ok("outbox", "drain", directory, "--retry-refused"),
                         "1 event published\n")
        self.assertEqual(self.ids(topic), [f"{topic}-0"])

    def test_export(self):
        topic = self.topic()
        directory = self.leave(topic, 3)
        exported = self.ok("outbox", "export", directory)
        self.assertEqual([e["id"] for e in json_lines(exported)], [f"{topic}-{n}" for n in range(3)])
        # It can be published by hand.
        self.ok("publish", topic, "--input=json", stdin=exported.encode())
        self.assertEqual(len(self.ids(topic)), 3)
        self.leave("other", 1)
        self.assertIn("choose one with --topic: ", self.fails(2, "outbox", "export", directory))
        self.assertEqual(len(json_lines(self.ok("outbox", "export", directory, "--topic=other"))), 1)
        self.assertIn("NOT_FOUND", self.fails(1, "outbox", "export", directory, "--topic=none"))

    def test_drop(self):
        directory = self.leave("orders", 4)
        drop = ["outbox", "drop", directory, "--topic=orders"]
        self.assertIn("--yes", self.fails(2, *drop))
        declined = self.hub.run_on_terminal(b"n\n", *drop)
        self.assertEqual(declined.code, 1)
        self.assertIn(b"Delete 4 events of topic 'orders' for good?", declined.err)
        self.assertEqual(self.ok(*drop, "--yes"), "4 events deleted\n")
        self.assertEqual(self.ok_json("outbox", "status", directory)["pending_events"], 0)
        self.assertIn("NOT_FOUND", self.fails(1, "outbox", "drop", directory, "--topic=x", "--yes"))


if __name__ == "__main__":
    unittest.main()
