"""A hub with a lake: what its command line shows, refuses and waits for.

The environment names the programs: EVENTHUB, EVENTHUBD.
"""

import contextlib
import glob
import json
import os
import platform
import subprocess
import tempfile
import time
import unittest

from cli_hub import EVENTHUBD, TIMEOUT, Hub

# The number of the call.
OPENAT = "257" if platform.machine() == "x86_64" else "56"


class LakeHub(Hub):
    """A hub that archives at once, in a lake beside its data."""

    def __init__(self, lake=None, flags=()):
        super().__init__()
        self.lake = lake or f"{self.directory}/lake"
        self.flags = [f"--lake={self.lake}", "--lake_flush_interval=10ms",
                      "--retention_interval=20ms", *flags]

    def start(self, stderr=None):
        with open(f"{self.directory}/log", "ab") as log:
            self.process = subprocess.Popen(
                [EVENTHUBD, f"--data_dir={self.directory}/data", f"--listen={self.address}",
                 *self.flags],
                stderr=stderr or log, stdin=subprocess.DEVNULL)
        if self.run("health", "--wait=30s", "--quiet").code != 0:
            raise AssertionError("the hub does not come up: " + self.log())

    def describe(self, topic="t"):
        result = self.run("topics", "describe", topic, "--partitions", "--output=json")
        if result.code != 0:
            raise AssertionError(result.err)
        return json.loads(result.out)

    def publish(self, *ids):
        lines = "".join(json.dumps({"specversion": "1.0", "id": id, "source": "/test",
                                    "type": "test", "data": {"n": 1}}) + "\n" for id in ids)
        return self.run("publish", "t", "--input=json", stdin=lines.encode())

    def break_lake(self):
        """Objects can no longer be written."""
        os.rename(f"{self.lake}/.tmp", f"{self.lake}/.away")
        with open(f"{self.lake}/.tmp", "w", encoding="ascii"):
            pass

    def mend_lake(self):
        os.remove(f"{self.lake}/.tmp")
        os.rename(f"{self.lake}/.away", f"{self.lake}/.tmp")

    def hang(self, name):
        """Whoever reads this file of the lake waits until answer(), as if a server were gone."""
        path = f"{self.lake}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            os.rename(path, path + ".away")
        os.mkfifo(path)

    def answer(self, name):
        path = f"{self.lake}/{name}"
        os.remove(path)
        if os.path.exists(path + ".away"):
            os.rename(path + ".away", path)

    def objects(self):
        found = []
        for folder, _, files in os.walk(self.lake):
            found += [os.path.join(folder, name) for name in files if name.endswith(".zst")]
        return found


def waits_for_a_file(pid):
    """Whether a thread of the process waits in a call that opens a file of hang()."""
    for thread in glob.glob(f"/proc/{pid}/task/*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"{thread}/wchan", encoding="ascii") as file:
                function = file.read()
            if function in ("wait_for_partner", "fifo_open"):
                return True
            if function not in ("", "0"):
                continue
            # The kernel hides where threads wait.
            with open(f"{thread}/syscall", encoding="ascii") as call:
                if call.read().split()[0] == OPENAT:
                    return True
    return False


class ArchiveTest(unittest.TestCase):

    def setUp(self):
        self.hub = LakeHub()
        self.hub.start()
        self.addCleanup(self.hub.close)

    def eventually(self, condition):
        end = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), end, self.hub.log())
            time.sleep(0.02)

    def ok(self, *arguments):
        result = self.hub.run(*arguments)
        self.assertEqual(result.code, 0, result.err)
        return result.out.decode()

    def archived(self):
        return self.hub.describe()["lake"]["lag_events"] == 0

    def test_events_are_archived_and_reported(self):
        self.ok("topics", "create", "t")
        self.assertEqual(self.hub.publish("a", "b", "c").code, 0)
        self.eventually(self.archived)
        topic = self.hub.describe()
        self.assertEqual(topic["lake"]["archived_events"], 3)
        self.assertEqual(topic["lake"]["missing_events"], 0)
        self.assertEqual(topic["partition_list"][0]["archived_offset"], 3)
        self.assertEqual(len(self.hub.objects()), topic["lake"]["objects"])
        lines = b"".join(subprocess.run(["zstd", "-dcq", path], capture_output=True,
                                        check=True).stdout for path in self.hub.objects())
        self.assertEqual(sorted(json.loads(line)["id"] for line in lines.splitlines()),
                         ["a", "b", "c"])
        stats = self.ok("stats")
        self.assertIn(f"{self.hub.lake}, 1 topic", stats)
        self.assertIn("3 events in", stats)

    def test_retention_waits_while_the_lake_cannot_be_written(self):
        self.ok("topics", "create", "t", "--max-age=1s")
        self.hub.break_lake()
        self.assertEqual(self.hub.publish("a", "b").code, 0)
        self.eventually(lambda: self.hub.describe()["stats"]["held_back_bytes"] > 0)
        self.eventually(lambda: self.hub.describe()["lake"]["last_error"] != "")
        topic = self.hub.describe()
        self.assertEqual(topic["partition_list"][0]["start_offset"], 0)
        self.assertIn("kept beyond retention", topic["findings"][0])
        self.assertIn("the lake: topic t", self.ok("health"))
        self.hub.mend_lake()
        self.eventually(lambda: self.hub.describe()["partition_list"][0]["start_offset"] == 2)
        self.assertEqual(self.hub.describe()["lake"]["missing_events"], 0)
        self.assertEqual(self.ok("health"), "serving\n")
        self.assertIn("events are archived again", self.hub.log())

    def test_archiving_is_switched_off_and_on(self):
        self.ok("topics", "create", "t", "--archive=off")
        self.assertEqual(self.hub.publish("a").code, 0)
        topic = self.hub.describe()
        self.assertFalse(topic["archive"])
        self.assertFalse(topic["lake"]["enabled"])
        self.assertIsNone(topic["partition_list"][0]["archived_offset"])
        self.ok("topics", "update", "t", "--archive=on")
        self.eventually(self.archived)
        self.assertEqual(self.hub.describe()["lake"]["archived_events"], 1)
        self.ok("topics", "update", "t", "--archive=off", "--yes")
        self.assertIn("archiving is off", self.ok("topics", "describe", "t"))

    def test_a_deleted_topic_leaves_its_whole_history(self):
        self.ok("topics", "create", "t")
        self.assertEqual(self.hub.publish("a", "b").code, 0)
        self.ok("topics", "delete", "t", "--yes")
        before = len(self.hub.objects())
        self.assertGreater(before, 0)
        self.ok("topics", "create", "t")
        self.assertEqual(self.hub.publish("c").code, 0)
        self.eventually(self.archived)
        self.assertEqual(self.hub.describe()["lake"]["archived_events"], 1)
        folders = {os.path.relpath(path, self.hub.lake).split("/")[0]
                   for path in self.hub.objects()}
        self.assertEqual(len(folders), 2, folders)

        self.hub.break_lake()
        self.assertEqual(self.hub.publish("d").code, 0)
        refused = self.hub.run("topics", "delete", "t", "--yes")
        self.assertEqual(refused.code, 1)
        self.assertIn(b"the lake lacks 1 events of topic t", refused.err)
        self.ok("topics", "delete", "t", "--yes", "--drop-unarchived")

    def test_reads_go_back_beyond_retention(self):
        self.ok("topics", "create", "t", "--max-age=1s")
        self.assertEqual(self.hub.publish("a", "b").code, 0)
        self.eventually(lambda: self.hub.describe()["partition_list"][0]["start_offset"] == 2)
        self.assertEqual(self.hub.describe()["partition_list"][0]["history_start_offset"], 0)
        self.ok("topics", "update", "t", "--max-age=unlimited")
        self.assertEqual(self.hub.publish("c").code, 0)
        self.assertIn("HISTORY FROM", self.ok("topics", "describe", "t", "--partitions"))

        def ids(*flags):
            return self.ok("read", "t", "--format=%o%i ", *flags).split()

        self.assertEqual(ids(), ["0a", "1b", "2c"])
        self.assertEqual(ids("--from=1"), ["1b", "2c"])
        self.assertEqual(ids("--from=0:1"), ["1b", "2c"])
        self.assertEqual(ids("--from=1h", "--filter=id <> 'b'"), ["0a", "2c"])
        self.assertEqual(ids("--to=2"), ["0a", "1b"])
        self.assertEqual(ids("--from=retained"), ["2c"])
        event = {"specversion": "1.0", "id": "d", "source": "/s", "type": "t", "causationid": "a"}
        published = self.hub.run("publish", "t", "--input=json", stdin=json.dumps(event).encode())
        self.assertEqual(published.code, 0, published.err)
        cause = json.loads(self.ok("trace", "d", "--output=json"))
        self.assertEqual((cause["id"], cause["effects"][0]["id"]), ("a", "d"))
        self.assertIn("history", json.loads(self.ok("stats", "--output=json"))["memory"]["shares"])

        self.hub.process.kill()
        self.hub.process.wait()
        self.hub.start()
        self.assertEqual(ids(), ["0a", "1b", "2c", "3d"])

        damaged = min(self.hub.objects())
        os.rename(damaged, damaged + "-")
        self.hub.process.kill()
        self.hub.process.wait()
        self.hub.start()
        refused = self.hub.run("read", "t")
        self.assertEqual(refused.code, 1)
        self.assertIn(os.path.relpath(damaged, self.hub.lake).encode(), refused.err)
        self.assertEqual(ids("--from=retained"), ["2c", "3d"])

    def test_one_subscription_gets_history_again(self):
        self.ok("topics", "create", "t")
        self.ok("subscriptions", "create", "s", "--topic=t", "--kind=queue", "--from=earliest")
        self.assertEqual(self.hub.publish("a", "b", "c", "d").code, 0)

        def consume(count):
            return self.ok("consume", "s", f"--limit={count}", "--format=%i ").split()

        self.assertEqual(consume(4), ["a", "b", "c", "d"])
        self.ok("topics", "update", "t", "--max-age=1s", "--yes")
        self.eventually(lambda: self.hub.describe()["partition_list"][0]["start_offset"] == 4)

        def describe():
            return json.loads(self.ok("subscriptions", "describe", "s", "--output=json"))

        lake = ("lake", f"--lake={self.hub.lake}", "replay", "t", "--to-subscription=s")
        counted = self.ok(*lake)
        self.assertIn("4 events", counted)
        self.assertIn("nothing was replayed", counted)
        self.assertIn("--to-subscription=s", counted)
        plan = json.loads(self.ok("subscriptions", "replay", "s", "--from=earliest", "--dry-run",
                                  "--output=json"))
        self.assertEqual(plan["events"], 4)
        self.assertEqual(describe()["stats"]["replay_events"], 0)

        # A seek does not leave the log, and says so.
        for to, start in (("earliest", "earliest"), ("2020-01-01", "2020-01-01T00:00:00Z")):
            moved = self.ok("subscriptions", "seek", "s", f"--to={to}", "--dry-run")
            self.assertIn("the log of partition 0 begins at offset 4; the events before it, "
                          "from 0 on, are in the lake only\n", moved)
            self.assertIn(f"eventhub subscriptions replay s --from={start}\n", moved)
        in_lake = {to: json.loads(self.ok("subscriptions", "seek", "s", f"--to={to}", "--dry-run",
                                          "--output=json"))["in_lake_only"]
                   for to in ("earliest", "latest", "0:4")}
        self.assertEqual(in_lake, {"earliest": [{"partition": 0, "start_offset": 0,
                                                 "end_offset": 4}], "latest": [], "0:4": []})

        # One after the other, across a crash.
        self.ok("subscriptions", "replay", "s", "--from=0:1", "--to=0:4", "--filter=id <> 'c'")
        refused = self.hub.run("subscriptions", "replay", "s", "--from=earliest")
        self.assertEqual(refused.code, 1)
        self.assertIn(b"has a replay with another filter", refused.err)
        first = consume(1)
        self.hub.process.kill()
        self.hub.process.wait()
        self.hub.start()
        self.assertEqual(first + consume(1), ["b", "d"])
        self.eventually(lambda: describe()["stats"]["replay_events"] == 0)

        # Cancelled.
        self.ok("subscriptions", "replay", "s", "--from=earliest")
        self.assertEqual(consume(1), ["a"])
        self.assertIn("3 events are not delivered again",
                      self.ok("subscriptions", "replay", "s", "--cancel"))
        self.assertEqual(describe()["stats"]["replay_events"], 0)

        # The lake's command waits until all of it is settled.
        replay = self.hub.popen(*lake, "--type=test", "--yes", stderr=subprocess.PIPE)
        self.assertEqual(consume(4), ["a", "b", "c", "d"])
        _, messages = replay.communicate(timeout=TIMEOUT)
        self.assertEqual(replay.returncode, 0, messages)
        self.assertIn(b"4 events of topic t", messages)

        self.ok("topics", "create", "u")
        self.ok("subscriptions", "create", "other", "--topic=u", "--kind=queue")
        wrong = self.hub.run(*lake[:-1], "--to-subscription=other", "--yes")
        self.assertEqual(wrong.code, 1)
        self.assertIn(b"is one of topic 'u', not of 't'", wrong.err)
        early = self.hub.run("subscriptions", "replay", "other", "--from=0:5")
        self.assertEqual(early.code, 1)
        self.assertIn(b"offset 5", early.err)

    def test_a_subscription_does_not_get_the_history_of_another_topic(self):
        self.ok("topics", "create", "t")
        self.assertEqual(self.hub.publish("a").code, 0)
        self.ok("topics", "delete", "t", "--yes")
        self.ok("topics", "create", "t")
        self.ok("subscriptions", "create", "s", "--topic=t", "--kind=queue")
        other = LakeHub()
        self.addCleanup(other.close)
        other.start()
        self.assertEqual(other.run("topics", "create", "t").code, 0)
        self.assertEqual(other.publish("a").code, 0)
        self.eventually(lambda: other.describe()["lake"]["lag_events"] == 0)
        for lake, why in ((self.hub.lake, ""), (other.lake, "it is of hub ")):
            refused = self.hub.run("lake", f"--lake={lake}", "replay", "t", "--to-subscription=s",
                                   "--yes")
            self.assertEqual(refused.code, 1)
            self.assertIn(f"is not that of topic 't' of this hub: {why}", refused.err.decode())
        # Its own is taken.
        self.assertEqual(self.hub.publish("b").code, 0)
        self.eventually(self.archived)
        self.ok("consume", "s", "--limit=1", "--format=%i")
        replay = self.hub.popen("lake", f"--lake={self.hub.lake}", "replay", "t",
                                "--to-subscription=s", "--yes", stderr=subprocess.PIPE)
        self.assertEqual(self.ok("consume", "s", "--limit=1", "--format=%i"), "b")
        self.assertEqual(replay.communicate(timeout=TIMEOUT)[1].count(b"1 event of topic t"), 1)
        self.assertEqual(replay.returncode, 0)

    def test_a_lake_that_does_not_answer_does_not_keep_the_hub_from_ending(self):
        hub = self.hub = LakeHub(flags=["--shutdown_grace=1s"])
        self.addCleanup(hub.close)
        hub.start()
        self.ok("topics", "create", "t", "--max-age=1s")
        # Archiving.
        hub.hang("topic=t/_manifest/_latest")
        self.assertEqual(hub.publish("a", "b").code, 0)
        self.eventually(lambda: waits_for_a_file(hub.process.pid))
        self.assertEqual(hub.stop(), 0)
        self.assertIn(f"without waiting for: reading {hub.lake}/topic=t/_manifest/_latest",
                      hub.log())
        hub.answer("topic=t/_manifest/_latest")
        hub.start()
        self.eventually(lambda: hub.describe()["partition_list"][0]["start_offset"] == 2)
        # Reading.
        name = os.path.relpath(hub.objects()[0], hub.lake)
        hub.hang(name)
        with hub.background("read", "t"):
            self.eventually(lambda: waits_for_a_file(hub.process.pid))
            self.assertEqual(hub.stop(), 0)
        hub.answer(name)
        # A start, and a restore.
        hub.hang("_lake/owner/_latest")
        for target in ([f"--lake={hub.lake}", f"--data_dir={hub.directory}/data"],
                       [f"--restore_from_lake={hub.lake}", f"--data_dir={hub.directory}/other"]):
            process = subprocess.Popen([EVENTHUBD, "--listen=127.0.0.1:0", "--shutdown_grace=1s",
                                        *target], stderr=subprocess.PIPE)
            self.eventually(lambda: waits_for_a_file(process.pid))
            process.terminate()
            _, log = process.communicate(timeout=TIMEOUT)
            self.assertEqual(process.returncode, 0 if "--lake=" in target[0] else 1, log)
            self.assertIn(b"without waiting for: reading", log)
        hub.answer("_lake/owner/_latest")
        # Nothing is lost.
        hub.start()
        self.assertEqual(self.ok("read", "t", "--format=%i "), "a b ")
        self.ok("lake", f"--lake={hub.lake}", "verify")

    def test_another_hub_is_refused(self):
        self.ok("topics", "create", "t")
        with tempfile.TemporaryDirectory() as directory:
            command = [EVENTHUBD, f"--data_dir={directory}/data", "--listen=127.0.0.1:0",
                       f"--lake={self.hub.lake}"]
            other = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
            self.assertEqual(other.returncode, 1)
            self.assertIn(b"belongs to another hub", other.stderr)

    def test_a_hub_that_lost_the_lake_says_so(self):
        self.ok("topics", "create", "t")
        self.assertEqual(self.hub.publish("a").code, 0)
        self.eventually(self.archived)
        other = LakeHub(lake=self.hub.lake, flags=["--lake_takeover"])
        self.addCleanup(other.close)
        other.start()
        self.assertEqual(other.run("topics", "create", "t").code, 0)
        self.assertEqual(other.publish("x").code, 0)
        self.eventually(lambda: other.describe()["lake"]["archived_events"] == 1)
        self.assertEqual(self.hub.publish("b").code, 0)
        self.eventually(
            lambda: "was taken over by hub" in self.hub.describe()["lake"]["last_error"])

    def verify(self, code, *flags):
        result = self.hub.run("lake", f"--lake={self.hub.lake}", "verify", *flags)
        self.assertEqual(result.code, code, result.err)
        return result.err.decode()

    def test_the_lake_is_repaired_from_the_log(self):
        self.ok("topics", "create", "t", "--partitions=2")
        for i in range(3):
            self.assertEqual(self.hub.publish(f"a{i}", f"b{i}").code, 0)
            self.eventually(self.archived)
        files = self.ok("lake", f"--lake={self.hub.lake}", "files").splitlines()
        self.assertGreater(len(files), 2)
        before = []
        for file in files:
            with open(file, "rb") as stored:
                before.append(stored.read())
        os.remove(files[0])
        with open(files[1], "r+b") as damaged:
            damaged.seek(9)
            damaged.write(b"damage")
        orphan = os.path.join(os.path.dirname(files[0]), f"{1:020}-{0:016x}.ndjson.zst")
        for path in (orphan, os.path.join(os.path.dirname(files[0]), "stray")):
            with open(path, "wb"):
                pass
            os.utime(path, (1, 1))
        self.assertIn("2 problems", self.verify(1))
        self.assertIn("--yes removes 1 orphan", self.verify(0, "--repair"))
        for file, content in zip(files, before):
            with open(file, "rb") as stored:
                self.assertEqual(stored.read(), content)
        self.assertIn("removed 1 orphan", self.verify(0, "--repair", "--yes"))
        self.assertFalse(os.path.exists(orphan))
        self.assertTrue(os.path.exists(os.path.join(os.path.dirname(files[0]), "stray")))
        self.assertIn("--yes is for --repair", self.verify(2, "--yes"))
        # Events that the log does not have any more cannot be written again.
        self.ok("topics", "update", "t", "--max-age=1s", "--yes")
        self.eventually(lambda: all(p["start_offset"] == p["end_offset"]
                                    for p in self.hub.describe()["partition_list"]))
        os.remove(files[0])
        self.assertIn("not rebuilt: ", self.verify(1, "--repair"))

    def test_the_setting_is_part_of_topologies(self):
        path = f"{self.hub.directory}/topology.yaml"
        with open(path, "w", encoding="ascii") as file:
            file.write("topics:\n- name: t\n  archive: false\n- name: u\n  archive: true\n")
        self.ok("apply", "-f", path, "--yes")
        self.assertFalse(self.hub.describe("t")["archive"])
        self.assertTrue(self.hub.describe("u")["archive"])
        self.assertIn("no changes", self.ok("apply", "-f", path, "--dry-run"))
        self.assertIn("archive: false", self.ok("export"))


if __name__ == "__main__":
    unittest.main()
