"""Faults from the command line: the dead letters of all subscriptions."""

import json
import unittest

from cli_hub import HubTest, json_lines


class FaultsTest(HubTest):

    def dead(self, events=3, suffix=""):
        """A subscription, named after the test, with dead letters 0, 1, 2, … of its topic."""
        name = self.id().split(".")[-1] + suffix
        self.ok("topics", "create", name, "--partitions=1")
        self.ok("publish", name, "-q", stdin="".join(f"{i}\n" for i in range(events)).encode())
        self.ok("subscriptions", "create", name, f"--topic={name}", "--kind=queue",
                "--from=earliest")
        self.ok("consume", name, f"--limit={events}",
                '--exec=sh -c "echo reason $(cat) >&2; exit 65"')
        return name

    def listed(self, *options):
        return json_lines(self.ok("faults", "list", "--output=json", *options))

    def states(self, name):
        return sorted((fault["state"], fault["failures"])
                      for fault in self.listed(f"--subscription={name}", "--state=all"))

    def test_they_are_listed_counted_and_shown(self):
        name = self.dead()
        faults = self.listed(f"--subscription={name}")
        self.assertEqual([fault["source_offset"] for fault in faults], [0, 1, 2])
        self.assertEqual({fault["subscription"] for fault in faults}, {name})
        self.assertEqual({(fault["state"], fault["failures"]) for fault in faults}, {("open", 1)})
        self.assertIsNone(faults[0]["detail"])  # A plain consumer.
        for fault in faults:
            self.assertRegex(fault["fault"], "^[0-9a-f]{32}$")
        table = self.ok("faults", "list", f"--subscription={name}")
        self.assertRegex(table, r"^FAULT +STATE +FAILURES +SUBSCRIPTION")
        self.assertRegex(table, rf"(?m)^{faults[1]['fault']} +open +1 .* exit code 65: reason 1$")
        self.assertEqual(self.listed(f"--subscription={name}",
                                     "--filter=deadletterreason LIKE '%reason 2'"), [faults[2]])
        self.assertEqual(self.listed(f"--subscription={name}", "--pipeline=none"), [])
        self.assertEqual(self.listed(f"--subscription={name}", "--until=1h"), [])
        # Of all subscriptions.
        self.assertEqual([fault for fault in self.listed() if fault["subscription"] == name],
                         faults)
        group, = json_lines(self.ok("faults", "count", f"--subscription={name}", "-o", "json"))
        self.assertEqual((group["faults"], group["failed_again"]), (3, 0))
        self.assertRegex(self.ok("faults", "count", f"--subscription={name}"),
                         rf"(?m)^ +3 +0 .* {name} .* exit code 65: reason 2$")
        shown = json.loads(self.ok("faults", "show", faults[1]["fault"]))
        self.assertEqual(shown["event"]["data"], "1")
        result = self.hub.run("faults", "list", f"--subscription={name}", "--limit=2")
        self.assertEqual((result.code, len(result.out.splitlines())), (0, 1 + 2))
        self.assertEqual(result.err, b"eventhub: there are more; see --limit\n")

    def test_a_resubmit_is_a_dry_run_unless_told(self):
        name = self.dead()
        selected = (f"--subscription={name}", "--all")
        self.assertEqual(self.ok("faults", "resubmit", *selected),
                         "3 faults of 1 subscription would be resubmitted; pass --yes to do so\n")
        self.assertEqual(self.states(name), [("open", 1)] * 3)
        first = self.listed(f"--subscription={name}")[0]
        self.assertEqual(self.ok("faults", "resubmit", first["fault"], "--yes"),
                         "1 fault of 1 subscription is resubmitted\n")
        self.assertEqual(self.states(name),
                         [("open", 1), ("open", 1), ("resubmitted", 1)])
        self.ok("consume", name, "--limit=1")
        self.assertEqual(self.states(name), [("open", 1), ("open", 1), ("resolved", 1)])
        result = json.loads(self.ok("faults", "resubmit", *selected, "--rate-events=1000", "--yes",
                                    "-o", "json"))
        self.assertEqual((result["dry_run"], result["faults"], result["in_flight"]), (False, 2, 0))
        self.assertEqual(result["subscriptions"], [{"subscription": name, "faults": 2}])
        # They fail again.
        self.ok("consume", name, "--limit=2", '--exec=sh -c "exit 65"')
        self.assertEqual(self.states(name),
                         [("failed-again", 2), ("failed-again", 2), ("resolved", 1)])
        again = self.listed(f"--subscription={name}", "--state=failed-again")
        self.assertEqual(len(again), 2)

    def test_a_resubmit_waits_until_all_are_resolved(self):
        name = self.dead()
        selected = (f"--subscription={name}", "--all", "--yes", "--wait=30s")
        with self.hub.background("consume", name):
            self.assertEqual(self.ok("faults", "resubmit", *selected),
                             "3 faults of 1 subscription are resubmitted\n"
                             "3 faults are resolved\n")
        self.assertEqual(self.states(name), [("resolved", 1)] * 3)
        # There is nothing to wait for.
        self.assertEqual(self.ok("faults", "resubmit", *selected),
                         "0 faults of 0 subscriptions are resubmitted\n0 faults are resolved\n")

    def test_a_resubmit_whose_faults_fail_again_fails(self):
        name = self.dead()
        selected = ("faults", "resubmit", f"--subscription={name}", "--all", "--yes", "--wait=30s")
        odd = '--exec=sh -c "read -r n; test $n != 1 || exit 65"'
        with self.hub.background("consume", name, odd):
            result = self.hub.run(*selected)
        self.assertEqual((result.code, result.err), (1, b""))
        self.assertEqual(result.out, b"3 faults of 1 subscription are resubmitted\n"
                                     b"2 faults are resolved, 1 failed again\n")
        # One that failed before counts if it fails once more, and not if it stays.
        with self.hub.background("consume", name, odd):
            result = self.hub.run(*selected, "-o", "json")
        self.assertEqual(result.code, 1)
        told = json.loads(result.out)
        self.assertEqual((told["faults"], told["resolved"], told["failed_again"],
                          told["unsettled"]), (1, 0, 1, 0))
        self.assertEqual(self.states(name)[0], ("failed-again", 3))

    def test_a_wait_ends_in_time(self):
        name = self.dead(events=2)
        result = self.hub.run("faults", "resubmit", f"--subscription={name}", "--all", "--yes",
                              "--wait=200ms")
        self.assertEqual(result.code, 1)
        self.assertEqual(result.out, b"2 faults of 1 subscription are resubmitted\n"
                                     b"0 faults are resolved, 2 are not settled yet\n")
        self.assertIn("--wait needs --yes",
                      self.fails(2, "faults", "resubmit", "--all", "--wait=1s"))

    def test_discard_gives_them_up(self):
        name = self.dead(events=2)
        selected = (f"--subscription={name}", "--since=1h")
        self.assertEqual(self.ok("faults", "discard", *selected),
                         "2 faults of 1 subscription would be discarded; pass --yes to do so\n")
        self.assertEqual(self.ok("faults", "discard", *selected, "--yes"),
                         "2 faults of 1 subscription are discarded\n")
        self.assertEqual(self.states(name), [("discarded", 1)] * 2)
        self.assertEqual(self.ok("faults", "discard", *selected, "--yes"),
                         "0 faults of 0 subscriptions are discarded\n")
        # One that is closed is not open for another decision.
        closed = self.listed(f"--subscription={name}", "--state=discarded")[0]
        self.assertIn("NOT_FOUND", self.fails(1, "faults", "resubmit", closed["fault"], "--yes"))

    def test_routes_bring_those_of_all_subscriptions_into_one_topic(self):
        names = [self.dead(events=1, suffix=suffix) for suffix in ("-1", "-2")]
        everything = self.topic("--partitions=1")
        for name in names:
            self.ok("routes", "create", f"{name}-faults", f"--from={name}.dead-letters",
                    f"--to={everything}", "--filter=deadletterreason LIKE '%reason%'")
            self.ok("faults", "resubmit", f"--subscription={name}", "--all", "--yes")
            self.ok("consume", name, "--limit=1",
                    '--exec=sh -c "echo reason $(cat) >&2; exit 65"')
        routed = json_lines(self.ok("read", everything, "--limit=2", "-o", "json"))
        self.assertEqual([event["deadlettersubscription"] for event in routed], names)
        self.assertEqual([event["deadletterfault"] for event in routed],
                         [self.listed(f"--subscription={name}")[0]["fault"] for name in names])

    def test_mistakes_are_named(self):
        self.assertIn("give a fault, a condition or --all", self.fails(2, "faults", "resubmit"))
        self.assertIn("exclude each other",
                      self.fails(2, "faults", "discard", "--all", "--pipeline=p"))
        self.assertIn("is not one of: open, failed-again",
                      self.fails(2, "faults", "list", "--state=lost"))
        self.assertIn("'12' is not of 32 hexadecimal digits", self.fails(1, "faults", "show", "12"))
        self.assertIn("there are no such faults (NOT_FOUND)",
                      self.fails(1, "faults", "show", "0" * 32))
        self.assertIn("NOT_FOUND", self.fails(1, "faults", "list", "--subscription=nobody"))
        self.assertIn("selector.filter.sql: line 1, column 5",
                      self.fails(1, "faults", "list", "--filter=id ="))


if __name__ == "__main__":
    unittest.main()
