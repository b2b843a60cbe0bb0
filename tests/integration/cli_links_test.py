"""Links between two hubs from the command line: what they transfer, and how they are reported."""

import signal
import subprocess
import unittest

from cli_hub import TIMEOUT, HubTest, OwnHubTest, json_lines


class LinkTest(HubTest):
    """Helpers of the tests below: `hub` reads from `remote`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.remote = cls.start_hub()

    def topics(self):
        """Creates a topic at each hub, both named after the test."""
        name = self.id().split(".")[-1]
        self.ok("topics", "create", name, hub=self.remote)
        self.ok("topics", "create", name)
        return name

    def link(self, name, *options, remote=None):
        """Creates a link of that name between the topics of that name."""
        remote = remote or self.remote.address
        self.ok("links", "create", name, f"--remote={remote}", f"--remote-topic={name}",
                f"--to={name}", *options)

    def publish(self, topic, *data, options=(), hub=None):
        self.ok("publish", topic, "-q", *options, stdin="".join(f"{x}\n" for x in data).encode(),
                hub=hub or self.remote)

    def data(self, topic):
        return self.ok("read", topic, "--format=%d\\n").splitlines()

    def status(self, name):
        return self.ok_json("links", "describe", name)["status"]

    def await_data(self, topic, *data):
        self.wait_until(lambda: len(self.data(topic)) >= len(data))
        self.assertEqual(self.data(topic), [str(x) for x in data])

    def await_state(self, name, state):
        return self.wait_until(lambda: (s := self.status(name))["state"] == state and s)

    def await_error(self, name, words):
        return self.wait_until(lambda: words in ((s := self.status(name))["error"] or "") and s)


class LinksTest(LinkTest):

    def test_life_of_a_link(self):
        name = self.topics()
        created = self.ok_json(
            "links", "create", "life", f"--remote={self.remote.address}",
            f"--remote-topic={name}", f"--to={name}", "--filter=type LIKE 'shop.%'",
            "--from=latest", "--paused", "--description=for a test")
        self.assertEqual(created["remote_address"], self.remote.address)
        self.assertEqual((created["remote_topic"], created["local_topic"]), (name, name))
        self.assertEqual(created["filter"], {"sql": "type LIKE 'shop.%'"})
        self.assertEqual((created["start"], created["disabled"]), ("latest", True))
        self.assertEqual(created["description"], "for a test")
        life = self.ok_json("links", "describe", "life")
        status = life.pop("status")
        self.assertEqual(life, created)
        self.assertEqual((status["state"], status["error"]), ("disabled", None))

        updated = self.ok_json("links", "update", "life", "--filter=none", "--description=",
                               "--resume")
        self.assertEqual((updated["filter"], updated["description"], updated["disabled"]),
                         (None, "", False))
        self.assertEqual(updated["start"], "latest")
        self.await_state("life", "caught up")
        self.ok("links", "pause", "life")
        self.assertEqual(self.status("life")["state"], "disabled")
        self.ok("links", "resume", "life")
        self.await_state("life", "caught up")

        self.assertEqual(self.ok("links", "delete", "life", "--yes"), "")
        for command in (["describe"], ["delete", "--yes"], ["resume"], ["pause"], ["update", "--resume"]):
            self.assertIn("link life does not exist (NOT_FOUND)",
                          self.fails(1, "links", *command, "life"))

    def test_events_flow(self):
        name = self.topics()
        self.publish(name, "a", options=["--type=shop.order", "--subject=s", "--key=k"])
        self.link(name)
        self.publish(name, "b")
        self.await_data(name, "a", "b")
        event = json_lines(self.ok("read", name, "--output=json"))[0]
        there = json_lines(self.ok("read", name, "--output=json", hub=self.remote))[0]
        self.assertEqual(event.pop("hubpath"), self.status(name)["remote_hub_id"])
        del event["hub_append_time"], there["hub_append_time"]
        self.assertEqual(event, there)

    def test_filter_and_start(self):
        name = self.topics()
        self.publish(name, "old", options=["--type=wanted"])
        self.link(name, "--filter=type = 'wanted'", "--from=latest")
        self.wait_until(lambda: self.status(name)["positions"])
        self.publish(name, "unwanted")
        self.publish(name, "new", options=["--type=wanted"])
        self.await_data(name, "new")
        self.wait_until(lambda: self.status(name)["positions"] == [{"partition": 0, "offset": 3}])

    def test_describe_when_it_is_caught_up(self):
        name = self.topics()
        self.publish(name, *range(1500), options=["--durability=written"])
        self.link(name)
        self.wait_until(lambda: self.status(name)["appended_events"] == 1500)
        status = self.await_state(name, "caught up")
        self.assertEqual((status["lag_events"], status["lag_seconds"]), (0, None))
        self.assertEqual(status["positions"], [{"partition": 0, "offset": 1500}])
        text = self.ok("links", "describe", name)
        self.assertRegex(text, rf"^{name}: {name} of {self.remote.address} to {name}\n\n"
                               r"  \* caught up for .*: it has appended all events\n\n")
        self.assertRegex(text, r"(?m)^lag: +0 events$")
        self.assertRegex(text, r"(?m)^appended: +1,500 \(.*B\) since the hub started$")
        self.assertRegex(text, rf"(?m)^remote hub: +{status['remote_hub_id']}$")
        self.assertRegex(text, r"(?m)^next: +0:1500$")
        self.assertRegex(text, r"(?m)^start: +earliest$")

    def test_describe_when_the_remote_is_not_there(self):
        name = self.topics()
        nowhere = f"unix:{self.hub.directory}/nowhere"
        self.link(name, remote=nowhere)
        self.await_error(name, "nowhere")
        text = self.ok("links", "describe", name)
        self.assertRegex(text, r"\n  \* connecting for .*: it is trying to reach the other hub "
                               r"and its topic\n"
                               r"  \* .*nowhere.*\n\n")
        self.assertRegex(text, r"(?m)^remote hub: +not reached yet$")
        self.assertRegex(text, r"(?m)^failures: +[1-9]\d* connections?$")
        self.assertRegex(self.ok("links", "list"),
                         rf"(?m)^{name} +{nowhere} +{name} +{name} +connecting +- .*nowhere")
        self.assertIsNone(self.status(name)["lag_events"])
        self.assertRegex(text, r"(?m)^lag: +unknown$")
        # Give the link a reachable address.
        self.publish(name, "x")
        self.ok("links", "update", name, f"--remote={self.remote.address}")
        self.await_data(name, "x")
        self.await_state(name, "caught up")
        self.assertIsNone(self.status(name)["error"])

    def test_describe_when_the_remote_topic_is_not_there(self):
        name = self.topic()
        self.link(name)
        self.await_error(name, f"at {self.remote.address}, has no topic {name}")
        self.assertRegex(self.ok("links", "describe", name),
                         rf"\n  \* connecting for .*\n  \* the remote hub, \w+ at "
                         rf"{self.remote.address}, has no topic {name}\n")
        self.assertEqual(self.status(name)["failures"], 0)
        self.ok("topics", "create", name, hub=self.remote)
        self.publish(name, "x")
        self.await_data(name, "x")

    def test_describe_when_it_is_behind(self):
        """The local topic is full, so the link stays behind until there is room."""
        name = self.topics()
        self.ok("topics", "update", name, "--max-bytes=1KiB", "--refuse-when-full")
        # A link continues after the events that it has appended, one batch after another.
        for number in range(20):
            self.publish(name, f"{number} " + "x" * 2000)
            if number == 0:
                self.link(name)
                self.wait_until(lambda: len(self.data(name)) == 1)
        status = self.wait_until(
            lambda: (s := self.status(name))["state"] == "blocked" and s["lag_events"] >= 19 and s)
        self.assertIn("full", status["error"])
        self.assertGreater(status["lag_seconds"], 0)
        text = self.ok("links", "describe", name)
        self.assertRegex(text, r"\n  \* blocked for .*: the local topic refuses its events; it "
                               rf"retries\n  \* topic {name} .*full.*\n")
        self.assertRegex(text, r"(?m)^lag: +19 events, the last one appended is .* late$")
        self.assertRegex(self.ok("links", "list"), rf"(?m)^{name} .* blocked +19 +1 +0 +0 +.*full")
        self.ok("topics", "update", name, "--refuse-when-full=off", "--max-bytes=unlimited")
        self.wait_until(lambda: len(self.data(name)) == 20)
        self.await_state(name, "caught up")
        self.assertEqual([x.split()[0] for x in self.data(name)], [str(x) for x in range(20)])

    def test_disabled_it_keeps_its_place(self):
        name = self.topics()
        self.publish(name, "a")
        self.link(name)
        self.await_data(name, "a")
        self.ok("links", "pause", name)
        self.publish(name, "b")
        self.assertRegex(self.ok("links", "describe", name),
                         r"\n  \* paused for .*: it reads nothing until it is resumed\n")
        self.assertEqual(self.data(name), ["a"])
        self.ok("links", "resume", name)
        self.await_data(name, "a", "b")

    def test_what_is_too_large_is_passed_over(self):
        name = self.topics()
        self.ok("topics", "update", name, "--max-event-bytes=1KiB")
        self.link(name)
        self.publish(name, "x" * 2000)
        self.publish(name, "fits")
        self.await_data(name, "fits")
        self.wait_until(lambda: self.status(name)["refused_events"] == 1)
        self.assertIn("\n  * 1 event was skipped: the local topic can never accept them\n",
                      self.ok("links", "describe", name))

    def test_both_ways(self):
        name = self.topics()
        self.link(name)
        self.ok("links", "create", name, f"--remote={self.hub.address}", f"--remote-topic={name}",
                f"--to={name}", hub=self.remote)
        self.publish(name, "there")
        self.publish(name, "here", hub=self.hub)
        for hub in (self.hub, self.remote):
            self.wait_until(lambda hub=hub: len(self.ok("read", name, "--format=%d\\n",
                                                        hub=hub).splitlines()) >= 2)
        # The arrival of later events shows that each link has skipped the events it had seen before.
        self.publish(name, "last")
        self.wait_until(lambda: len(self.data(name)) >= 3)
        self.wait_until(lambda: self.status(name)["looped_events"] >= 1)
        self.assertEqual(sorted(self.data(name)), ["here", "last", "there"])
        self.ok("links", "delete", name, "--yes", hub=self.remote)

    def test_list(self):
        name = self.topics()
        for suffix in ("b", "a"):
            self.ok("links", "create", f"list-{suffix}", f"--remote={self.remote.address}",
                    f"--remote-topic={name}", f"--to={name}", "--paused")
        listed = [link for link in json_lines(self.ok("links", "list", "--output=json"))
                  if link["local_topic"] == name]
        self.assertEqual([link["name"] for link in listed], ["list-a", "list-b"])
        self.assertEqual(listed[0]["status"]["state"], "disabled")
        table = self.ok("links", "list").splitlines()
        self.assertRegex(table[0], "^NAME +REMOTE +REMOTE TOPIC +TO +STATE +LAG +APPENDED +LOST "
                                   "+REFUSED +ERROR$")
        row = next(line for line in table if line.startswith("list-a "))
        self.assertRegex(row, rf"^list-a +{self.remote.address} +{name} +{name} +paused +- +0 +0 "
                              "+0$")
        self.assertEqual(row.index("paused"), table[0].index("STATE"))
        self.ok("links", "delete", "list-a", "list-b", "--yes")
        self.assertNotIn("list-", self.ok("links", "list"))

    def test_refusals(self):
        name = self.topics()
        self.link(name, "--paused")
        for options, words in (
                ([f"--to={name}", "--remote=nowhere"], "link.remote_address: "),
                ([f"--to={name}", "--remote=a b:1"], "link.remote_address: "),
                ([f"--to={name}", "--remote=h:70707"], "link.remote_address: "),
                (["--to=none", "--remote=h:1"], "topic none does not exist (NOT_FOUND)"),
                ([f"--to={name}", "--remote=h:1", "--filter=type ="],
                 "link.filter.sql: line 1, column 7: ")):
            line = self.fails(1, "links", "create", "refused", f"--remote-topic={name}", *options)
            self.assertTrue(line.startswith(f"eventhub: {words}"), line)
        self.assertIn("link.remote_topic: ", self.fails(
            1, "links", "create", "refused", "--remote=h:1", "--remote-topic=a b", f"--to={name}"))
        self.assertIn("link.name: ", self.fails(
            1, "links", "create", "a/b", "--remote=h:1", "--remote-topic=a", f"--to={name}"))
        self.assertIn("ALREADY_EXISTS", self.fails(
            1, "links", "create", name, "--remote=h:1", "--remote-topic=a", f"--to={name}"))
        self.assertIn(f"topic {name} is the target of links: {name} (FAILED_PRECONDITION)",
                      self.fails(1, "topics", "delete", name, "--yes"))
        self.assertIn("link.filter", self.fails(1, "links", "update", name, "--filter=a ="))
        self.ok("links", "delete", name, "--yes")
        self.ok("topics", "delete", name, "--yes")

    def test_to_itself(self):
        name = self.topic()
        self.link(name, remote=self.hub.address)
        self.await_error(name, "is this hub itself")


class LinksRestartTest(OwnHubTest, LinkTest):
    """Tests that kill hubs."""

    def setUp(self):
        super().setUp()
        self.remote = self.new_hub()

    def test_exactly_once_over_kills(self):
        name = self.topics()
        self.link(name)
        rounds, per_round = 4, 5000
        for number in range(rounds):
            publisher = self.remote.popen("publish", name, "-q", "--durability=written",
                                          stdin=subprocess.PIPE)
            publisher.stdin.write(b"".join(
                b"%d\n" % i for i in range(number * per_round, (number + 1) * per_round)))
            publisher.stdin.close()
            # Killed while it appends: a part of the round has arrived.
            self.wait_until(lambda number=number: self.count(name) > number * per_round)
            self.kill(self.hub)
            if number == rounds - 1:
                self.assertEqual(publisher.wait(TIMEOUT), 0)
                self.kill(self.remote)
            self.assertEqual(publisher.wait(TIMEOUT), 0)
            self.wait_until(lambda number=number: self.count(name) >= (number + 1) * per_round)
        self.await_state(name, "caught up")
        self.assertEqual(self.data(name), [str(i) for i in range(rounds * per_round)])

    def count(self, topic):
        return self.ok_json("topics", "describe", topic)["stats"]["events"]

    def test_settings_and_places_are_kept(self):
        name = self.topics()
        self.publish(name, "a")
        self.link(name, "--filter=type = 'eventhub.cli.line'", "--description=größer")
        self.await_data(name, "a")
        self.await_state(name, "caught up")
        before = self.ok_json("links", "describe", name)
        self.remote.stop(signal.SIGKILL)
        self.kill(self.hub)
        after = self.ok_json("links", "describe", name)
        positions = after["status"]["positions"]
        self.assertEqual(positions, before["status"]["positions"])
        del before["status"], after["status"]
        self.assertEqual(after, before)
        # The link reports that the remote hub is unreachable, and continues once the hub is back.
        self.wait_until(lambda: self.status(name)["error"])
        self.assertIn("\n  * connecting for ", self.ok("links", "describe", name))
        self.remote.start()
        self.publish(name, "b")
        self.await_data(name, "a", "b")
        self.ok("links", "delete", name, "--yes")
        self.kill(self.hub)
        self.assertEqual(self.ok("links", "list", "--output=json"), "")


if __name__ == "__main__":
    unittest.main()
