"""The data of a person is sealed and erased: the command line against a hub with a lake.

The environment names the programs: EVENTHUB, EVENTHUBD.
"""

import json
import os
import signal
import subprocess
import unittest

from cli_archive_test import LakeHub
from cli_hub import EVENTHUBD, HubTest, json_lines

OLD_KEY = "0" * 64
NEW_KEY = "1" * 64


class EraseTest(HubTest):

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.hub = LakeHub()
        self.addCleanup(self.hub.close)
        self.keys = f"{self.hub.directory}/keys"
        self.write_keys(OLD_KEY)
        self.hub.flags.append(f"--erasure_master_key_file={self.keys}")
        self.hub.start()

    def write_keys(self, *keys):
        with open(self.keys, "w", encoding="ascii") as file:
            file.write("# master keys\n" + "\n".join(keys) + "\n")

    def publish(self, topic, **subjects):
        """Publishes an event for each id, about its subject; returns nothing."""
        lines = ""
        for event_id, subject in subjects.items():
            event = {"specversion": "1.0", "id": event_id, "source": "/test", "type": "test",
                     "data": {"text": f"secret of {event_id}"}}
            if subject:
                event["datasubject"] = subject
            lines += json.dumps(event) + "\n"
        self.ok("publish", topic, "--input=json", stdin=lines.encode())

    def read(self, topic):
        """Returns the events by id."""
        return {e["id"]: e for e in json_lines(self.ok("read", topic, "-o", "json"))}

    def texts(self, topic):
        return {i: e["data"]["text"] if "data" in e else None for i, e in self.read(topic).items()}

    def files_with(self, text):
        found = []
        for root in (f"{self.hub.directory}/data", self.hub.lake):
            for folder, _, files in os.walk(root):
                for name in files:
                    with open(os.path.join(folder, name), "rb") as file:
                        if text in file.read():
                            found.append(os.path.join(folder, name))
        return found

    def consumed(self, subscription, count):
        events = json_lines(self.ok("consume", subscription, f"--limit={count}", "-o", "json"))
        return {e["id"]: e["data"]["text"] if "data" in e else None for e in events}

    def replayed(self, subscription):
        self.ok("subscriptions", "replay", subscription, "--from=earliest")
        return self.consumed(subscription, 4)

    def archived(self, topic):
        self.wait_until(lambda: self.hub.describe(topic)["lake"]["lag_events"] == 0)

    def test_erased_everywhere(self):
        self.ok("topics", "create", "t", "--erasable=on", "--max-age=1s")
        self.ok("topics", "create", "copy")
        self.ok("topics", "create", "clear")
        self.ok("routes", "create", "r", "--from=t", "--to=copy")
        self.publish("t", a="ann", b="bob", c="ann", d="")
        self.publish("clear", e="ann")
        everything = {i: f"secret of {i}" for i in "abcd"}
        self.assertEqual(self.texts("copy"), everything)
        # Retention deletes the events of t: they are read from the lake.
        self.archived("t")
        self.wait_until(lambda: self.hub.describe("t")["stats"]["events"] == 0)
        self.assertEqual(self.texts("t"), everything)
        # So are those that a subscription gets again.
        self.ok("subscriptions", "create", "again", "--topic=t", "--kind=queue")
        self.assertEqual(self.replayed("again"), everything)
        self.archived("copy")
        self.assertEqual(self.files_with(b"secret of a"), [])
        self.assertEqual(self.files_with(b"secret of b"), [])

        self.ok("publish", "t", "--attribute=datasubject=ann", "--deliver-after=1h",
                stdin=b"secret of later")
        counted = {t["topic"]: t for t in self.ok_json("erase", "--subject=ann")["topics"]}
        self.assertEqual(set(counted), {"t", "copy", "clear"})
        self.assertEqual(counted["t"]["sealed_events"], 2)
        self.assertEqual(counted["t"]["delayed_events"], 1)
        self.assertEqual(counted["clear"]["unsealed_events"], 1)
        result = self.hub.run("erase", "--subject=ann")
        self.assertRegex(result.out.decode(), r"(?m)^copy +2 +0 +0 +0 +0$")
        self.assertIn(b"nothing was erased", result.err)
        self.assertEqual(self.texts("copy"), everything)
        self.assertEqual(self.ok("erasures", "list", "-o", "json"), "")

        self.assertRegex(self.ok("erase", "--subject=ann", "--yes"), r"^erased: 1 key destroyed; ")
        for topic in ("t", "copy"):
            self.assertEqual(self.texts(topic), {**everything, "a": None, "c": None})
            erased = self.read(topic)["a"]
            self.assertIn("dataerased", erased)
            self.assertNotIn("datasealed", erased)
            self.assertEqual(erased["datasubject"], "ann")
        self.assertEqual(self.replayed("again"), {**everything, "a": None, "c": None})
        self.assertEqual(self.texts("clear"), {"e": "secret of e"})
        self.assertIn("erased the subject with the hash", self.hub.log())
        self.assertNotIn("ann", self.hub.log())
        self.assertEqual(self.ok_json("erase", "--subject=ann")["topics"][0]["topic"], "clear")
        listed = json_lines(self.ok("erasures", "list", "-o", "json"))
        self.assertEqual([e["destroyed_keys"] for e in listed], [1])
        self.hub.stop(signal.SIGKILL)
        self.hub.start()
        self.assertEqual(self.texts("copy"), {**everything, "a": None, "c": None})
        self.publish("t", f="ann")
        self.assertEqual(self.texts("copy")["f"], "secret of f")

    def test_consumers_get_clear_data(self):
        self.ok("topics", "create", "t", "--erasable=on")
        self.publish("t", a="ann", b="bob", c="")
        for name in ("memory", "disk", "late"):
            self.ok("subscriptions", "create", name, "--topic=t", "--kind=queue",
                    "--from=earliest")

        everything = {i: f"secret of {i}" for i in "abc"}
        self.assertEqual(self.consumed("memory", 3), everything)
        self.hub.stop()
        self.hub.start()
        self.assertEqual(self.consumed("disk", 3), everything)
        self.ok("erase", "--subject=ann", "--yes")
        self.assertEqual(self.consumed("late", 3), {**everything, "a": None})

    def test_object_with_sealed_data_is_repaired(self):
        self.ok("topics", "create", "t", "--erasable=on")
        self.publish("t", a="ann", b="")
        self.archived("t")
        (path,) = self.hub.objects()
        os.remove(path)
        self.ok("lake", f"--lake={self.hub.lake}", "verify", "--repair", "--yes")
        self.assertTrue(os.path.exists(path))
        self.ok("lake", f"--lake={self.hub.lake}", "verify")

    def test_master_key_is_replaced(self):
        self.ok("topics", "create", "t", "--erasable=on")
        self.publish("t", a="ann", b="bob")
        self.hub.stop()
        self.write_keys(NEW_KEY, OLD_KEY)
        self.hub.start()
        self.assertEqual(self.ok("erasures", "rewrap"), "2 keys wrapped with the present master key\n")
        self.assertEqual(self.ok_json("erasures", "rewrap"), {"rewrapped_keys": 0})
        self.hub.stop()
        self.write_keys(NEW_KEY)
        self.hub.start()
        self.assertEqual(self.texts("t"), {"a": "secret of a", "b": "secret of b"})
        self.hub.stop()
        self.write_keys(OLD_KEY)
        command = [EVENTHUBD, f"--data_dir={self.hub.directory}/data",
                   f"--listen={self.hub.address}", *self.hub.flags]
        refused = subprocess.run(command, capture_output=True, timeout=60, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(b"is not among those of --erasure_master_key_file", refused.stderr)
        os.remove(self.keys)
        refused = subprocess.run(command, capture_output=True, timeout=60, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn(b"cannot read master keys", refused.stderr)
        self.hub.flags[-1] = f"--erasure_master_key_command=echo {NEW_KEY}"
        self.hub.start()
        self.assertEqual(self.texts("t")["a"], "secret of a")

    def test_erasure_is_published(self):
        self.hub.stop()
        self.hub.flags.append("--erasure_topic=erasures")
        self.hub.start()
        self.assertIn("the topic erasures, to which erasures are published, does not exist",
                      self.fails(1, "erase", "--subject=ann", "--yes"))
        self.ok("topics", "create", "erasures")
        result = self.ok_json("erase", "--subject=ann", "--yes")
        (event,) = self.read("erasures").values()
        self.assertEqual((event["type"], event["datasubject"], event["subject"]),
                         ("eventhub.subject.erased", "ann", result["subject_hash"]))

    def test_hub_without_master_keys(self):
        self.hub.stop()
        self.hub.flags.pop()
        self.hub.start()
        self.assertIn("--erasure_master_key_file (NO_MASTER_KEY)".split(" (")[0],
                      self.fails(1, "topics", "create", "t", "--erasable=on"))
        self.assertIn("no master key", self.fails(1, "erasures", "rewrap"))

    def test_restored_hub_has_its_keys(self):
        self.ok("topics", "create", "t", "--erasable=on")
        self.publish("t", a="ann", b="bob")
        self.archived("t")
        self.ok("erase", "--subject=ann", "--yes")
        self.hub.stop()
        data = f"{self.hub.directory}/data"
        os.rename(data, f"{self.hub.directory}/lost")
        environment = dict(os.environ, EVENTHUB_ERASURE_MASTER_KEY_FILE=self.keys)
        subprocess.run([EVENTHUBD, f"--data_dir={data}", f"--restore_from_lake={self.hub.lake}"],
                       env=environment, capture_output=True, timeout=60, check=True)
        self.hub.start()
        self.assertEqual(self.texts("t"), {"a": None, "b": "secret of b"})


if __name__ == "__main__":
    unittest.main()
