"""Delayed events from the command line: published, listed, cancelled, appended when due."""

import json
import unittest

from cli_hub import HubTest


class DelayedTest(HubTest):

    def publish(self, topic, *options):
        """Returns the fields of the single line that --acks prints."""
        out = self.ok("publish", topic, "--acks", "-q", *options, stdin=b"data\n")
        return out.rstrip("\n").split("\t")

    def listed(self, topic, *options):
        out = self.ok("delayed", "list", topic, "-o", "json", *options)
        return [json.loads(line) for line in out.splitlines()]

    def test_listed_and_taken_back(self):
        topic = self.topic()
        word, later, _ = self.publish(topic, "--deliver-after=2h", "--type=later")
        self.assertEqual(word, "delayed")
        word, last, _ = self.publish(topic, "--deliver-at=2027-06-01", "--type=last")
        self.assertEqual(word, "delayed")
        events = self.listed(topic)
        self.assertEqual([e["delay_id"] for e in events], [later, last])
        self.assertEqual(events[0]["event"]["type"], "later")
        self.assertEqual(events[1]["due_time"], "2027-06-01T00:00:00Z")
        self.assertEqual([e["delay_id"] for e in self.listed(topic, "--due-before=1d")], [later])
        self.assertEqual([e["delay_id"] for e in self.listed(topic, "--due-from=1d")], [last])
        self.assertRegex(self.ok("delayed", "list", topic), rf"(?m)^{later} .* 1h59m.* later ")
        self.assertEqual(self.ok("delayed", "cancel", topic, later, later),
                         "1 of 2 events cancelled\n")
        self.assertIn("does not hold this delayed event (NOT_FOUND)",
                      self.fails(1, "delayed", "cancel", topic, later))
        gone = self.hub.run("delayed", "cancel", topic, later, "--output=json")
        self.assertEqual((gone.code, json.loads(gone.out)), (1, {"cancelled": 0, "asked": 1}))
        self.assertIn("delay_ids[0]", self.fails(1, "delayed", "cancel", topic, "none"))
        self.assertEqual([e["delay_id"] for e in self.listed(topic)], [last])
        self.assertEqual(self.ok("read", topic), "")

    def test_appended_when_due(self):
        topic = self.topic()
        self.publish(topic, "--deliver-after=10ms")
        self.assertIn("data", self.ok("read", topic, "--follow", "--limit=1"))
        self.assertEqual(self.listed(topic), [])

    def test_the_summary_says_so(self):
        result = self.hub.run("publish", self.topic(), "--deliver-after=1h", stdin=b"a\nb\n")
        self.assertEqual(result.code, 0)
        self.assertIn(b"; 2 of them are delayed\n", result.err)

    def test_refusals(self):
        topic = self.topic()
        self.assertIn("exclude each other", self.fails(
            2, "publish", topic, "--deliver-after=1h", "--deliver-at=2027-06-01"))
        self.assertIn("is not a duration", self.fails(2, "publish", topic, "--deliver-after=soon"))
        self.assertIn("NOT_FOUND", self.fails(1, "delayed", "list", "none"))


if __name__ == "__main__":
    unittest.main()
