"""`eventhub lake restore`: a hub is set up again from its lake, whatever is killed meanwhile.

The environment names the programs: EVENTHUB, EVENTHUBD.
"""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from cli_archive_test import LakeHub
from cli_hub import EVENTHUBD, TIMEOUT, json_lines

MANY = 30000


class LakeRestoreTest(unittest.TestCase):

    def setUp(self):
        self.hub = self.new_hub()
        self.hub.start()

    def new_hub(self, lake=None, flags=()):
        hub = LakeHub(lake=lake, flags=flags)
        self.addCleanup(hub.close)
        return hub

    def eventually(self, condition, hub=None):
        end = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), end, (hub or self.hub).log())
            time.sleep(0.02)

    def ok(self, *arguments, hub=None, stdin=b""):
        result = (hub or self.hub).run(*arguments, stdin=stdin)
        self.assertEqual(result.code, 0, (arguments, result.err))
        return result.out.decode()

    def publish(self, topic, first, end, hub=None):
        lines = "".join(json.dumps({"specversion": "1.0", "id": f"e-{n}", "source": "/test",
                                    "type": f"type.{n % 3}", "partitionkey": f"k-{n % 7}",
                                    "data": {"n": n}}) + "\n" for n in range(first, end))
        self.ok("publish", topic, "--input=json", stdin=lines.encode(), hub=hub)

    def archive(self, *topics, hub=None):
        hub = hub or self.hub
        for topic in topics:
            self.eventually(lambda t=topic: hub.describe(t)["lake"]["lag_events"] == 0, hub)

    def await_settings(self, text):
        """Waits until the lake has a record of the hub that contains `text`."""
        def has():
            folder = f"{self.hub.lake}/_lake/hub"
            records = os.listdir(folder) if os.path.isdir(folder) else []
            if not records:
                return False
            with open(f"{folder}/{max(records)}", "rb") as record:
                return text in record.read()
        self.eventually(has)

    def read(self, topic, hub=None):
        events = json_lines(self.ok("read", topic, "--output=json", hub=hub))
        return sorted(events, key=lambda e: (e["hub_partition"], e["hub_offset"]))

    @staticmethod
    def popen_restore(hub, lake=None):
        return subprocess.Popen([EVENTHUBD, f"--data_dir={hub.directory}/data",
                                 f"--restore_from_lake={lake or hub.lake}"],
                                stderr=subprocess.PIPE)

    def restore(self, hub, code=0, lake=None):
        process = self.popen_restore(hub, lake)
        err = process.communicate(timeout=TIMEOUT)[1].decode()
        self.assertEqual(process.returncode, code, err)
        return err

    def check_lake(self, topic, events, hub=None):
        """The lake has each event of the topic once."""
        lake = (hub or self.hub).lake
        self.ok("lake", f"--lake={lake}", "verify")
        lines = json_lines(self.ok("lake", f"--lake={lake}", "cat", f"--topic={topic}"))
        self.assertEqual(sorted(e["id"] for e in lines), sorted(f"e-{n}" for n in range(events)))

    def test_a_hub_is_restored(self):
        self.ok("topics", "create", "t", "--partitions=3", "--description=history")
        self.ok("topics", "create", "gone")
        self.ok("topics", "delete", "gone", "--yes")
        self.ok("topics", "create", "state", "--retention=latest-per-key")
        self.ok("topics", "create", "off", "--archive=off")
        self.ok("topics", "create", "target", "--archive=off")
        self.ok("topics", "create", "recent", "--max-age=1s")
        self.ok("subscriptions", "create", "billing", "--topic=t", "--kind=queue")
        self.ok("routes", "create", "copies", "--from=off", "--to=target")
        for topic in ("t", "state", "recent"):
            self.publish(topic, 0, 100)
        self.publish("t", 100, 150)
        self.ok("subscriptions", "create", "early", "--topic=state", "--kind=stream",
                "--from=earliest")
        self.ok("consume", "early", "--limit=40")
        self.archive("t", "state", "recent")
        self.await_settings(b"copies")
        self.await_settings(b"\x0a\x05early\x12\x02\x10\x28")  # It has settled 40 events.
        before = {topic: self.read(topic) for topic in ("t", "state")}
        topics = json.loads(self.ok("topics", "describe", "t", "--output=json"))
        self.assertEqual(self.hub.stop(), 0)

        new = self.new_hub(lake=self.hub.lake)
        dry = self.ok("lake", f"--lake={new.lake}", "restore", f"--data-dir={new.directory}/data")
        self.assertRegex(dry, r"t +3 +150 ")
        self.assertIn("nothing was restored", dry)
        self.assertFalse(os.path.exists(f"{new.directory}/data"))
        self.ok("lake", f"--lake={new.lake}", "restore", f"--data-dir={new.directory}/data",
                "--yes")
        new.start()
        # Offsets, partitions, append times and bytes are those of before.
        for topic, events in before.items():
            self.assertEqual(self.read(topic, hub=new), events)
        same = json.loads(self.ok("topics", "describe", "t", "--output=json", hub=new))
        for key in ("partitions", "description", "create_time"):
            self.assertEqual(same.get(key), topics.get(key), key)
        # What retention has deleted is in the lake alone, and is read from there.
        self.assertEqual(self.ok("read", "recent", "--from=retained", hub=new), "")
        self.assertEqual(len(self.read("recent", hub=new)), 100)
        self.assertEqual(sum(p["end_offset"] for p in new.describe("recent")["partition_list"]), 100)
        self.assertIn("billing", self.ok("subscriptions", "list", hub=new))
        rest = json_lines(self.ok("consume", "early", "--output=json", "--idle-exit=1s", hub=new))
        self.assertEqual(sorted(e["hub_offset"] for e in rest), list(range(40, 100)))
        self.assertIn("copies", self.ok("routes", "list", hub=new))
        self.assertNotIn("gone", self.ok("topics", "list", hub=new))
        latest = self.ok("topics", "get", "state", "k-1", hub=new)
        self.assertIn("99", latest)

        # It goes on, and so does its archive.
        self.publish("t", 150, 200, hub=new)
        self.archive("t", hub=new)
        self.assertEqual(len(self.read("t", hub=new)), 200)
        self.check_lake("t", 200, hub=new)
        self.ok("topics", "create", "later", hub=new)
        ids = {t["topic"]: t["topic_id"] for t in json_lines(
            self.ok("lake", f"--lake={new.lake}", "ls", "--output=json"))}
        self.publish("later", 0, 1, hub=new)
        self.archive("later", hub=new)
        added = {t["topic"]: t["topic_id"] for t in json_lines(
            self.ok("lake", f"--lake={new.lake}", "ls", "--output=json"))}
        self.assertGreater(added["later"], max(ids.values()))

        # The former hub finds that the lake has another history, and archives nothing any more.
        self.assertEqual(new.stop(), 0)
        self.hub.start()
        self.publish("t", 1000, 1010)
        self.eventually(lambda: self.hub.describe("t")["lake"]["last_error"] != "")
        self.check_lake("t", 200)

    def test_killed_restores_go_on(self):
        self.ok("topics", "create", "t", "--partitions=4")
        self.publish("t", 0, MANY)
        self.archive("t")
        before = self.read("t")
        self.hub.stop()
        new = self.new_hub(lake=self.hub.lake)
        killed = 0
        for delay in (0, 0.01, 0.03, 0.1):
            process = self.popen_restore(new)
            self.eventually(lambda p=process: p.poll() is not None or
                            os.path.exists(f"{new.directory}/data/log/CURRENT"))
            time.sleep(delay)
            process.kill()
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        self.assertGreater(killed, 0)
        self.restore(new)
        new.start()
        self.assertTrue(self.read("t", hub=new) == before)  # Without a difference of 30,000 events.
        self.publish("t", MANY, MANY + 10, hub=new)
        self.archive("t", hub=new)
        self.check_lake("t", MANY + 10, hub=new)

    def test_refusals(self):
        self.ok("topics", "create", "t")
        self.publish("t", 0, 10)
        self.archive("t")
        other = self.new_hub()
        self.assertIn("is not a lake", self.restore(other, 1, lake=other.directory))
        other.start()
        self.ok("topics", "create", "mine", hub=other)
        self.assertIn("is in use by another process", self.restore(other, 1, lake=self.hub.lake))
        other.stop()
        self.assertIn("is not empty", self.restore(other, 1, lake=self.hub.lake))
        other.start()
        self.assertIn("mine", self.ok("topics", "list", hub=other))

    def test_a_restored_backup_gets_what_it_lacks(self):
        self.ok("topics", "create", "t", "--partitions=2")
        self.publish("t", 0, 50)
        self.archive("t")
        self.hub.stop()
        backup = self.new_hub(lake=self.hub.lake)
        diverged = self.new_hub(lake=self.hub.lake)
        for hub in (backup, diverged):
            shutil.copytree(f"{self.hub.directory}/data", f"{hub.directory}/data")
        self.hub.start()
        self.publish("t", 50, 100)
        self.ok("topics", "create", "u")
        self.publish("u", 0, 5)
        self.archive("t", "u")
        self.await_settings(b"u")
        before = {topic: self.read(topic) for topic in ("t", "u")}
        self.hub.stop()

        # Without the lake's events, it would give their offsets to others: nothing is mixed.
        diverged.start()
        self.publish("t", 200, 210, hub=diverged)
        self.eventually(lambda: diverged.describe("t")["lake"]["last_error"] != "", diverged)
        self.assertIn("--restore_from_lake", diverged.describe("t")["lake"]["last_error"])
        diverged.stop()
        self.assertIn("not known to be those of the lake", self.restore(diverged, 1))
        self.check_lake("t", 100)

        self.restore(backup)
        backup.start()
        for topic, events in before.items():
            self.assertEqual(self.read(topic, hub=backup), events)
        self.publish("t", 100, 120, hub=backup)
        self.archive("t", hub=backup)
        self.check_lake("t", 120, hub=backup)


if __name__ == "__main__":
    unittest.main()
