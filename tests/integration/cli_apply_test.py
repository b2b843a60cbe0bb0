"""`eventhub apply` and `eventhub export`: files determine a hub, and a hub is exported to files."""

import fcntl
import json
import os
import pty
import subprocess
import tempfile
import textwrap
import unittest

from cli_hub import EVENTHUB, TIMEOUT, Hub, OwnHubTest, read_until

SHOP = """\
topics:
  - name: audit
  - name: bus
    retention: {none: true}
  - name: shop
    partitions: 2
    retention: {max_age: 7d, max_bytes: 1GiB}
    deduplication_window: 1d
routes:
  - name: audit
    source_topic: bus
    target_topics: [audit, shop]
    on_unavailable: skip
    partition_key: {from_attribute: subject}
  - name: shop
    source_topic: bus
    target_topics: [shop]
    filter: type LIKE 'shop.%'
    set_attributes: {channel: shop, rank: 7, public: true, code: "7"}
    disabled: true
subscriptions:
  - {name: billing, topic: shop, kind: queue, max_delivery_attempts: 5, ack_deadline: 1m}
links:
  - name: from-crm
    remote_address: unix:/nonexistent/hub
    remote_topic: egress
    local_topic: audit
    filter: {all: [{prefix: {type: crm.}}, {not: {exact: {visibility: internal}}}]}
    disabled: true
"""

SHOP_CREATED = """\
+ topic audit
+ topic billing.dead-letters
    description: Dead letters of subscription billing
+ topic bus
    retention.none: true
+ topic shop
    partitions: 2
    retention.max_age: 7d
    retention.max_bytes: 1GiB
    deduplication_window: 1d
+ subscription billing
    topic: shop
    kind: queue
    ack_deadline: 1m
    max_delivery_attempts: 5
+ route audit
    source_topic: bus
    target_topics: [audit, shop]
    partition_key: {"fromAttribute":"subject"}
    on_unavailable: skip
+ route shop
    source_topic: bus
    filter: type LIKE 'shop.%'
    target_topics: [shop]
    set_attributes: {channel: "shop", code: "7", public: true, rank: 7}
    disabled: true
+ link from-crm
    remote_address: unix:/nonexistent/hub
    remote_topic: egress
    local_topic: audit
    filter: {"all":[{"prefix":{"type":"crm."}},{"not":{"exact":{"visibility":"internal"}}}]}
    disabled: true
"""


class TopologyTest(OwnHubTest):
    """Helpers of the tests below."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="eventhub-apply-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, text, name="topology.yaml"):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))
        return path

    def apply(self, text, *options, hub=None):
        return self.ok("apply", "-f", "-", *options, stdin=textwrap.dedent(text).encode(), hub=hub)

    def export(self, hub=None):
        return self.ok("export", hub=hub)


class ApplyTest(TopologyTest):

    def test_a_hub_whose_log_nobody_reads(self):
        hub = Hub()
        self.addCleanup(hub.close)
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)  # Less than what the hub logs.
        hub.start(stderr=writer)
        os.close(writer)
        topics = "".join(f"- name: topic-{i}\n" for i in range(100))
        self.ok("apply", "-f", "-", "--yes", stdin=f"topics:\n{topics}".encode(), hub=hub)
        hub.process.terminate()
        with open(reader, encoding="utf-8") as log:
            changes = [line for line in log if "created topic topic-" in line]
        self.assertEqual(len(changes), 100)
        self.assertIn(", by anonymous from unix:", changes[0])
        self.assertEqual(hub.process.wait(TIMEOUT), 0)
        hub.process = None

    def test_makes_all_of_it_and_the_second_time_nothing(self):
        path = self.file(SHOP)
        self.assertEqual(self.ok("apply", "-f", path), SHOP_CREATED + "8 created\n")
        self.assertEqual(self.ok("apply", "-f", path), "no changes\n")
        self.assertEqual(self.apply(SHOP), "no changes\n")
        self.assertEqual(self.apply(SHOP, "--prune"), "no changes\n")
        self.hub.stop()
        self.hub.start()
        self.assertEqual(self.apply(SHOP), "no changes\n")
        # The commands report it too, and it works.
        route = self.ok_json("routes", "describe", "shop")
        self.assertEqual(route["set_attributes"],
                         {"channel": "shop", "rank": 7, "public": True, "code": "7"})
        self.ok("routes", "update", "shop", "--resume")
        self.ok("publish", "bus", "-q", "--type=shop.order", stdin=b"x\n")
        self.assertEqual(self.ok("consume", "billing", "--limit=1", "--format=%d\\n"), "x\n")

    def test_a_dry_run_says_the_same_and_changes_nothing(self):
        out = self.apply(SHOP, "--dry-run")
        self.assertEqual(out, SHOP_CREATED + "dry run, nothing was changed; would be: 8 created\n")
        self.assertEqual(self.export(), "")
        self.assertEqual(self.hub.run("apply", "-f", self.file(SHOP), "--dry-run",
                                      "--exit-code").code, 3)
        self.assertEqual(self.hub.run("apply", "-f", self.file(SHOP), "--exit-code").code, 3)
        self.assertEqual(self.hub.run("apply", "-f", self.file(SHOP), "--exit-code").code, 0)
        before = self.export()
        out = self.apply("topics: [{name: new}]", "--prune", "--dry-run")
        self.assertIn("- topic shop\n", out)
        self.assertEqual(self.export(), before)

    def test_changes_are_said_as_they_stand_in_the_file(self):
        self.apply(SHOP)
        out = self.apply("""\
            topics:
              - {name: audit, description: "größer"}
              - {name: shop, partitions: 4, retention: {max_bytes: 1536MiB}}
            routes:
              - {name: shop, source_topic: bus, target_topics: [shop, audit],
                 filter: {prefix: {type: shop.}}}
            links:
              - {name: from-crm, remote_address: "crm:7070", remote_topic: egress,
                 local_topic: audit, disabled: true}
            """, "--yes")
        self.assertEqual(out, """\
~ topic audit
    description: not set -> größer
~ topic shop
    partitions: 2 -> 4
    retention.max_age: 7d -> not set
    retention.max_bytes: 1GiB -> 1536MiB
    deduplication_window: 1d -> not set
  ! moves keys: the next events of a key may go to another partition than those before
~ route shop
    filter: type LIKE 'shop.%' -> {"prefix":{"type":"shop."}}
    target_topics: [shop] -> [shop, audit]
    set_attributes: {channel: "shop", code: "7", public: true, rank: 7} -> not set
    disabled: true -> not set
~ link from-crm
    remote_address: unix:/nonexistent/hub -> crm:7070
    filter: {"all":[{"prefix":{"type":"crm."}},{"not":{"exact":{"visibility":"internal"}}}]} -> not set
left alone because no file names them: topic billing.dead-letters, topic bus, subscription billing, route audit
4 updated
""")

    def test_what_deletes_data_or_moves_keys_is_asked_for(self):
        def topic(settings):
            return f"topics: [{{name: t, {settings}}}]"
        self.apply(topic("partitions: 2, retention: {max_age: 7d, keep_until_acked: true}"))
        for settings, risk in (
                ("partitions: 3, retention: {max_age: 7d, keep_until_acked: true}", "moves keys: "),
                ("partitions: 2, retention: {max_age: 6d, keep_until_acked: true}",
                 "deletes events appended more than 6d ago"),
                ("partitions: 2, retention: {max_age: 7d, max_bytes: 1MiB, keep_until_acked: true}",
                 "deletes the oldest events beyond 1MiB"),
                ("partitions: 2, retention: {max_age: 7d}",
                 "deletes events that subscriptions have not acked yet"),
                ("partitions: 2, retention: {none: true}", "deletes all its events")):
            with self.subTest(risk):
                path = self.file(topic(settings))
                self.assertIn(f"  ! {risk}", self.ok("apply", "-f", path, "--dry-run"))
                dry = self.ok_json("apply", "-f", path, "--dry-run")
                self.assertIn(risk, "\n".join(dry["changes"][0]["risks"]))
                self.assertIn("apply, which changes 't' for good (see --dry-run): requires "
                              "--yes when there is no terminal to ask on",
                              self.fails(2, "apply", "-f", path))
        wider = topic("partitions: 2, retention: {max_age: 8d, keep_until_acked: true}")
        self.assertNotIn("!", self.apply(wider))
        self.assertIn("! moves keys", self.apply(
            topic("partitions: 4, retention: {max_age: 8d, keep_until_acked: true}"), "--yes"))

    def test_several_files_and_documents(self):
        topics = self.file("topics: [{name: a}]\n---\ntopics: [{name: b}]\n", "topics.yaml")
        routes = self.file("routes: [{name: r, source_topic: a, target_topics: [b]}]", "r.yaml")
        self.assertIn("3 created", self.ok("apply", "-f", routes, "-f", topics))
        self.assertEqual(self.ok("apply", f"--file={topics}", "-f", routes), "no changes\n")
        again = self.file("topics: [{name: b}]", "again.yaml")
        self.assertEqual(self.fails(1, "apply", "-f", topics, "-f", again),
                         f"eventhub: {again}:1:10: 'b' of topics is already defined: {topics}:3:10")

    def test_prune_deletes_what_is_not_named(self):
        self.apply(SHOP)
        self.ok("publish", "bus", "-q", stdin=b"x\n")
        wanted = "topics: [{name: audit}, {name: bus, retention: {none: true}}]\n"
        # Without a terminal to ask on, --yes is required.
        self.assertIn("--yes", self.fails(2, "apply", "-f", self.file(wanted), "--prune"))
        self.assertIn("name: shop", self.export())
        out = self.apply(wanted, "--prune", "--yes")
        self.assertEqual(out, """\
- link from-crm
  ! deletes the link's positions
- route audit
- route shop
- subscription billing
  ! deletes its acks, snapshots and dead letters
- topic billing.dead-letters
  ! deletes the topic with all its events
- topic shop
  ! deletes the topic with all its events
6 deleted
""")
        self.assertEqual(self.ok("read", "audit", "--format=%d\\n"), "x\n")
        self.assertEqual(self.export(),
                         "topics:\n  - name: audit\n  - name: bus\n    retention:\n      none: true\n")
        self.assertEqual(self.apply("topics: [{name: audit}]", "--prune", "--yes"),
                         "- topic bus\n  ! deletes the topic with all its events\n1 deleted\n")
        self.assertEqual(self.export(), "topics:\n  - name: audit\n")

    def test_prune_does_not_begin_what_open_dead_letters_stop(self):
        self.apply("""\
            topics: [{name: t}, {name: old}, {name: new}]
            subscriptions:
              - {name: kept, topic: t, kind: queue, dead_letter_topic: old}
              - {name: gone, topic: t, kind: queue, dead_letter_topic: gone-letters}
            """)
        self.ok("publish", "t", "-q", stdin=b"1\n2\n")
        for name in ("kept", "gone"):
            self.ok("consume", name, "--limit=2", "--exec=sh -c 'exit 65'")
        wanted = self.file("""\
            topics: [{name: t}, {name: new}]
            subscriptions: [{name: kept, topic: t, kind: queue, dead_letter_topic: new}]
            """)
        before = self.export()
        for more in ("--dry-run", "--yes"):
            refused = self.fails(1, "apply", "-f", wanted, "--prune", more)
            self.assertIn("topic old has open or unsettled redriven dead letters of "
                          "subscriptions: kept; redrive or discard them first", refused)
        self.assertEqual(self.export(), before)
        self.ok("subscriptions", "dead-letters", "discard", "kept", "--all", "--yes")
        out = self.ok("apply", "-f", wanted, "--prune", "--yes")
        self.assertIn("  ! discards 2 open dead letters\n", out)
        self.assertIn("- topic old\n", out)

    def test_prune_by_nothing_is_refused(self):
        self.apply(SHOP)
        before = self.export()
        for nothing in ("", "# only a remark\n", "topics: []\n"):
            for more in ("--dry-run", "--yes"):
                self.assertIn("delete everything", self.fails(1, "apply", "-f", self.file(nothing),
                                                       "--prune", more))
        self.assertEqual(self.export(), before)

    def test_prune_asks_on_a_terminal(self):
        self.apply("topics: [{name: a}, {name: b}]")
        path = self.file("topics: [{name: a}]")
        for answer, code in ((b"n\n", 1), (b"y\n", 0)):
            control, terminal = pty.openpty()
            with subprocess.Popen([EVENTHUB, "apply", "-f", path, "--prune"], stdin=terminal,
                                  stdout=subprocess.PIPE, stderr=terminal,
                                  env=self.hub.environment()) as process:
                os.close(terminal)
                os.write(control, answer)
                out, _ = process.communicate(timeout=TIMEOUT)
            said = read_until(control, b"Make these changes? [y/N]").decode()
            os.close(control)
            self.assertEqual(process.returncode, code, said)
            self.assertIn("- topic b", said)
            self.assertEqual("name: b" in self.export(), answer == b"n\n")
            self.assertEqual(out, b"" if code else
                             b"- topic b\n  ! deletes the topic with all its events\n1 deleted\n")

    def test_for_programs(self):
        dry = self.ok_json("apply", "-f", self.file(SHOP), "--dry-run")
        made = self.ok_json("apply", "-f", self.file(SHOP))
        self.assertEqual((dry.pop("dry_run"), made.pop("dry_run")), (True, False))
        self.assertEqual(dry, made)
        self.assertEqual([(c["action"], c["kind"], c["name"]) for c in made["changes"]],
                         [("create", "topic", "audit"), ("create", "topic", "billing.dead-letters"),
                          ("create", "topic", "bus"), ("create", "topic", "shop"),
                          ("create", "subscription", "billing"), ("create", "route", "audit"),
                          ("create", "route", "shop"), ("create", "link", "from-crm")])
        self.assertEqual(made["changes"][3]["fields"][0],
                         {"path": "partitions", "old": None, "new": 2})
        self.assertEqual(made["changes"][6]["fields"][3],
                         {"path": "set_attributes", "old": None,
                          "new": {"channel": {"string": "shop"}, "code": {"string": "7"},
                                  "public": {"boolean": True}, "rank": {"integer": 7}}})
        self.assertIsNone(made["error"])
        again = json.loads(self.apply("topics: [{name: audit}]", "--output=json"))
        self.assertEqual(again["changes"], [])
        self.assertIn({"kind": "topic", "name": "bus"}, again["unnamed"])
        pruned = json.loads(self.apply("topics: [{name: audit}]", "--prune", "--yes", "-o", "json"))
        self.assertEqual({c["action"] for c in pruned["changes"]}, {"delete"})

    def test_faults_of_a_file_have_their_place(self):
        path = self.file("""\
            topics:
              - name: a
                partitionz: 3
              - name: a
              - {name: b, retention: {max_age: soon}}
            routes:
              - name: r
                source_topic: a
                target_topics: b
                filter: type LIKE
              - name: s
                filter: {all: [{exact: {a: b}}, {exakt: {a: b}}]}
              - {name: t, on_unavailable: ask, create_time: 2026-01-01}
            link: []
            """)
        self.assertEqual(self.fault_lines(1, "apply", "-f", path), [
            f"eventhub: {path}:{line}" for line in (
                "3:5: unknown key 'partitionz'; did you mean 'partitions'?",
                f"4:5: 'a' of topics is already defined: {path}:2:5",
                "5:36: 'max_age': 'soon' is not a duration; write it like 90s, 1h30m or 7d",
                "9:20: 'target_topics' is 'b', and not a sequence",
                "10:13: filter.sql: line 1, column 10: expected a string literal after LIKE, found "
                "the end of the expression",
                "12:45: filter.all[1].exakt: is no dialect; there are exact, prefix, suffix, all, "
                "any, not and sql",
                "13:31: 'on_unavailable': 'ask' is not one of: fail, skip",
                "13:36: 'create_time' is set by the hub",
                "14:1: unknown key 'link'; did you mean 'links'?")])
        self.assertEqual(self.export(), "")
        self.assertRegex(self.fails(1, "apply", "-f", "-", stdin=b"topics: [\n"),
                         r"^eventhub: stdin:\d+:\d+: is not YAML: ")
        self.assertIn("/nonexistent: cannot be opened",
                      self.fails(1, "apply", "-f", "/nonexistent"))
        self.assertIn(f"{self.folder}: cannot be read",
                      self.fails(1, "apply", "-f", self.folder))
        # Binary content in the file does not affect the terminal.
        self.assertIn(r"'\x1b[2J' is not a mapping",
                      self.fails(1, "apply", "-f", "-", stdin=b'"\\e[2J"\n'))

    def test_faults_that_the_hub_finds_are_a_line_each(self):
        self.apply("topics: [{name: a, partitions: 4}, {name: b}]\n"
                   "routes: [{name: ab, source_topic: a, target_topics: [b]}]\n"
                   "subscriptions: [{name: k, topic: b, kind: stream}]")
        before = self.export()
        path = self.file("""\
            topics:
              - {name: a, partitions: 2}
              - {name: -x}
              - {name: new}
            routes:
              - {name: ba, source_topic: b, target_topics: [a]}
              - {name: n, source_topic: a, target_topics: [none]}
            subscriptions:
              - {name: s, topic: nowhere, kind: queue}
              - name: k
                topic: b
                kind: queue
            """)
        faults = (
            "3:12: topic -x: name: must consist of a-z A-Z 0-9 . _ - and start with a "
            "letter, a digit or _",
            "2:27: topic a: partitions: cannot shrink from 4 to 2",
            "9:22: subscription s: topic: topic nowhere will not exist",
            "12:11: subscription k: kind: cannot be changed from stream to queue",
            "6:5: route ba: the routes make a loop: a -> b -> a",
            "7:47: route n: target_topics: topic none will not exist")
        self.assertEqual(self.fault_lines(1, "apply", "-f", path),
                         [f"eventhub: {path}:{fault}" for fault in faults])
        self.assertEqual(self.export(), before)
        # A single fault is reported like any other error.
        self.assertEqual(self.fails(1, "apply", "-f", self.file("topics: [{name: a}]")),
                         f"eventhub: {path}:1:10: topic a: partitions: cannot shrink from 4 to 1 "
                         "(INVALID_ARGUMENT)")
        # Prune does not delete an object that is still needed.
        self.assertIn("route ab: target_topics: topic b will not exist", self.fails(
            1, "apply", "--prune", "--yes", "-f", self.file(
                "topics: [{name: a, partitions: 4}]\n"
                "routes: [{name: ab, source_topic: a, target_topics: [b]}]")))


class ExportTest(TopologyTest):

    def test_makes_another_hub_like_it(self):
        self.apply(SHOP)
        exported = self.export()
        other = self.new_hub()
        self.apply(exported, hub=other)
        self.assertEqual(self.export(other), exported)
        self.assertEqual(self.apply(exported, "--prune"), "no changes\n")
        # Also exports objects created by other commands.
        self.ok("topics", "create", "more", "--max-bytes=1500000", "--refuse-when-full",
                "--durability=written", "--description=yes")
        self.ok("routes", "create", "more", "--from=shop", "--to=more", "--key=größe: # 1",
                '--filter={"any": [{"suffix": {"type": ".a"}}, {"sql": "EXISTS x"}]}',
                "--set=a=true", "--set=b= x")
        self.ok("links", "create", "more", "--remote=h:1", "--remote-topic=a", "--to=more",
                "--from=2026-01-31T12:00:00.5Z", "--paused")
        self.ok("subscriptions", "create", "more", "--topic=shop", "--kind=stream",
                "--min-backoff=1s500ms", "--rate-bytes=1MiB", "--filter=subject = '{'")
        exported = self.export()
        self.apply(exported, hub=other)
        self.assertEqual(self.export(other), exported)
        routes = [self.ok_json("routes", "describe", "more", hub=hub) for hub in (self.hub, other)]
        for route in routes:
            for key in ("create_time", "update_time", "effective", "stats"):
                del route[key]
        self.assertEqual(routes[0], routes[1])
        self.assertEqual(routes[0]["set_attributes"], {"a": "true", "b": " x"})

    def test_a_route_that_skips_and_whose_target_is_gone(self):
        self.apply(SHOP)
        self.ok("routes", "delete", "shop")
        self.ok("topics", "delete", "shop", "--with-subscriptions", "--yes")
        exported = self.export()
        self.assertIn("target_topics: [audit, shop]", exported)
        self.assertEqual(self.apply(exported, "--prune"), "no changes\n")
        other = self.new_hub()
        self.apply(exported, hub=other)
        self.assertEqual(self.export(other), exported)
        self.ok("publish", "bus", "-q", stdin=b"x\n", hub=other)
        self.assertEqual(self.ok("read", "audit", "--format=%d\\n", hub=other), "x\n")

    def test_of_an_empty_hub(self):
        self.assertEqual(self.export(), "")
        self.assertEqual(self.apply(""), "no changes\n")


if __name__ == "__main__":
    unittest.main()
