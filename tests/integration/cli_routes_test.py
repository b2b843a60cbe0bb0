"""Routes and their topics from the command line: what they copy, refuse and report."""

import json
import subprocess
import tempfile
import unittest

from cli_hub import TIMEOUT, HubTest, OwnHubTest, json_lines


class RouteTest(HubTest):
    """Helpers of the tests below."""

    def topics(self, *suffixes):
        """Creates topics named after the test, each with a suffix."""
        names = [f"{self.id().split('.')[-1]}.{suffix}" for suffix in suffixes]
        for name in names:
            self.ok("topics", "create", name)
        return names

    def route(self, source, targets, *options, name=None):
        """Creates a route, named after the test unless `name` is given."""
        name = name or self.id().split(".")[-1]
        self.ok("routes", "create", name, f"--from={source}", f"--to={targets}", *options)
        return name

    def publish(self, topic, *data, options=()):
        self.ok("publish", topic, "-q", *options, stdin="".join(f"{x}\n" for x in data).encode())

    def data(self, topic):
        return self.ok("read", topic, "--format=%d\\n").splitlines()

    def describe(self, name):
        return self.ok_json("routes", "describe", name)


class RoutesTest(RouteTest):

    def test_life_of_a_route(self):
        a, b, c = self.topics("a", "b", "c")
        created = self.ok_json(
            "routes", "create", "life", f"--from={a}", f"--to={b},{c}",
            "--filter=type LIKE 'shop.%'", "--key-from=customer", "--set=channel=shop",
            "--set=note=a=b", "--on-unavailable=skip", "--description=for a test")
        self.assertEqual(created["effective"], [{"partition": 0, "offset": 0}])
        life = self.describe("life")
        self.assertEqual({k: life[k] for k in created if k != "effective"},
                         {k: created[k] for k in created if k != "effective"})
        self.assertEqual((life["source_topic"], life["target_topics"]), (a, [b, c]))
        self.assertEqual(life["filter"], {"sql": "type LIKE 'shop.%'"})
        self.assertEqual(life["partition_key"], {"from_attribute": "customer"})
        self.assertEqual(life["set_attributes"], {"channel": "shop", "note": "a=b"})
        self.assertEqual((life["disabled"], life["on_unavailable"]), (False, "skip"))
        self.assertEqual(life["description"], "for a test")
        self.assertEqual(life["stats"]["matched_events"], 0)
        self.assertIsNone(life["stats"]["last_failure"])

        self.publish(a, "1")
        text = self.ok("routes", "update", "life", f"--to={b}", "--filter=none", "--keep-key", "--yes",
                       "--set=none", "--pause", "--on-unavailable=fail", "--description=")
        self.assertRegex(text, r"(?m)^state: +paused$")
        self.assertRegex(text, r"(?m)^effective: +from 0:1$")
        life = self.describe("life")
        self.assertEqual((life["target_topics"], life["filter"]), ([b], None))
        self.assertEqual((life["partition_key"], life["set_attributes"]), (None, {}))
        self.assertEqual((life["disabled"], life["on_unavailable"]), (True, "fail"))
        self.assertEqual(life["description"], "")
        self.assertGreater(life["update_time"], life["create_time"])
        self.ok("routes", "update", "life", "--resume", "--key=all", "--yes")
        life = self.describe("life")
        self.assertEqual((life["disabled"], life["partition_key"]), (False, {"constant": "all"}))
        self.assertIn("moves keys: the next copies may go to other partitions than those before"
                      ": requires --yes when there is no terminal to ask on",
                      self.fails(2, "routes", "update", "life", "--no-key"))
        self.ok("routes", "update", "life", "--no-key", "--yes")
        self.assertEqual(self.describe("life")["partition_key"], {"none": True})

        self.assertEqual(self.ok("routes", "delete", "life"),
                         "route life copies nothing from 0:1 on\n")
        for command in ("describe", "delete"):
            self.assertIn("NOT_FOUND", self.fails(1, "routes", command, "life"))
        self.assertIn("NOT_FOUND", self.fails(1, "routes", "update", "life", "--pause"))

    def test_describe_for_people(self):
        a, b = self.topics("a", "b")
        name = self.route(a, b, '--filter={"prefix": {"subject": "eu/"}}', "--set=channel=größe")
        self.publish(a, "x", options=["--subject=eu/1"])
        text = self.ok("routes", "describe", name)
        for line in (rf"from: +{a}", rf"to: +{b}", r'filter: +\{"prefix":\{"subject":"eu/"\}\}',
                     r'sets: +channel="größe"', "state: +active", "unavailable: +fail: .*",
                     "effective: +from 0:0", "matched: +1 event since the hub started",
                     r"copied: +1 \(\d+ B\), 0 left out", "failed: +0 requests refused"):
            self.assertRegex(text, rf"(?m)^{line}$")
        # The values are aligned.
        self.assertEqual(len({len(line) - len(line.split(":", 1)[1].lstrip())
                              for line in text.splitlines() if line.split(":", 1)[1].strip()}), 1)

    def test_list(self):
        a, b, c = self.topics("a", "b", "c")
        self.route(a, f"{b},{c}", name="list-1")
        self.route(b, c, "--paused", "--description=größer", name="list-2")
        self.publish(a, *range(1000), options=["--durability=written"])
        listed = json_lines(self.ok("routes", "list", "--output=json", f"--topic={b}"))
        self.assertEqual([route["name"] for route in listed], ["list-1", "list-2"])
        self.assertEqual(listed[0]["stats"]["copied_events"], 2000)
        self.assertEqual([route["name"] for route in json_lines(
            self.ok("routes", "list", "-o", "json", f"--topic={a}"))], ["list-1"])
        table = self.ok("routes", "list", f"--topic={c}").splitlines()
        self.assertRegex(table[0], "^NAME +FROM +TO +STATE +MATCHED +COPIED +SIZE +LEFT OUT "
                                   "+REFUSED +DESCRIPTION$")
        self.assertRegex(table[1], rf"^list-1 +{a} +{b},{c} +active +1,000 +2,000 +\S+ KiB +0 +0$")
        self.assertRegex(table[2], rf"^list-2 +{b} +{c} +paused +0 +0 +0 B +0 +0 +größer$")
        self.assertEqual(table[0].index("DESCRIPTION"), table[2].index("größer"))
        # Numbers are aligned with the right end of their headers.
        for header in ("MATCHED", "COPIED", "LEFT OUT"):
            end = table[0].index(header) + len(header)
            self.assertRegex(table[1][end - 1:end + 1], r"\d ")

    def test_no_routes(self):
        topic, = self.topics("alone")
        self.assertEqual(len(self.ok("routes", "list", f"--topic={topic}").splitlines()), 1)
        self.assertEqual(self.ok("routes", "list", f"--topic={topic}", "-o", "json"), "")
        self.assertEqual(self.ok("routes", "test", topic),
                         f"no route leads from {topic}\nit would be in: {topic}\n")

    def test_copies_what_is_published(self):
        a, b = self.topics("a", "b")
        name = self.route(a, b, "--filter=type LIKE 'shop.%'", "--key-from=subject",
                          "--set=channel=shop")
        self.publish(a, "one", options=["--type=shop.order", "--subject=eu/1", "--key=k"])
        self.publish(a, "two", options=["--type=crm.note"])
        self.assertEqual(self.data(a), ["one", "two"])
        original = json_lines(self.ok("read", a, "--output=json"))[0]
        copy, = json_lines(self.ok("read", b, "--output=json"))
        self.assertEqual((copy["partitionkey"], copy["channel"]), ("eu/1", "shop"))
        self.assertEqual(original["partitionkey"], "k")
        for attribute in ("id", "source", "type", "subject", "time", "data"):
            self.assertEqual(copy[attribute], original[attribute])
        # Changed while the hub runs; takes effect at once.
        self.ok("routes", "update", name, "--filter=type LIKE 'crm.%'")
        self.publish(a, "three", options=["--type=crm.note"])
        self.publish(a, "four", options=["--type=shop.order"])
        self.ok("routes", "delete", name)
        self.publish(a, "five", options=["--type=crm.note"])
        self.assertEqual(self.data(b), ["one", "three"])

    def test_a_follower_of_the_target_gets_it(self):
        a, b = self.topics("a", "b")
        self.route(a, b)
        follower = self.hub.popen("read", b, "--follow", "--limit=2", "--format=%d\\n",
                                  stdout=subprocess.PIPE, text=True)
        self.publish(a, "now", "later")
        out, _ = follower.communicate(timeout=TIMEOUT)
        self.assertEqual((follower.returncode, out), (0, "now\nlater\n"))

    def test_fail_refuses_the_publish(self):
        a, b, small = self.topics("a", "b", "small")
        self.ok("topics", "update", small, "--max-event-bytes=1KiB")
        name = self.route(a, f"{b},{small}")
        refused = self.hub.run("publish", a, "-q", stdin=b"x" * 2000 + b"\n")
        self.assertEqual(refused.code, 1)
        self.assertRegex(refused.err.decode(),
                         rf"route {name}.*{small}.*accepts at most 1024.*FAILED_PRECONDITION")
        for topic in (a, b, small):
            self.assertEqual(self.data(topic), [])
        self.publish(a, "fits")
        for topic in (a, b, small):
            self.assertEqual(self.data(topic), ["fits"])
        stats = self.describe(name)["stats"]
        self.assertEqual((stats["failed_requests"], stats["skipped_events"]), (1, 0))
        self.assertIn("accepts at most 1024", stats["last_failure"])
        text = self.ok("routes", "describe", name)
        self.assertRegex(text, r"(?m)^failed: +1 requests refused$")
        self.assertRegex(text, r"(?m)^last failure: .*accepts at most 1024.* at 20\d\d-")

    def test_skip_leaves_the_copy_out(self):
        a, b, gone = self.topics("a", "b", "gone")
        name = self.route(a, f"{b},{gone}", "--on-unavailable=skip")
        self.publish(a, "1")
        self.ok("topics", "delete", gone, "--yes")
        self.publish(a, "2")
        self.assertEqual(self.data(b), ["1", "2"])
        stats = self.describe(name)["stats"]
        self.assertEqual((stats["skipped_events"], stats["failed_requests"]), (1, 0))
        self.assertIn("does not exist", stats["last_failure"])
        self.assertRegex(self.ok("routes", "list", f"--topic={gone}"),
                         rf"(?m)^{name} .* 2 +3 .* 1 +0$")
        trace = self.ok("routes", "test", a)
        self.assertRegex(trace, rf"(?m)^{name} +{a} +skipped +{gone} .*it does not exist$")
        # It cannot be changed to fail without its target until the target exists again.
        self.assertIn("NOT_FOUND", self.fails(1, "routes", "update", name, "--on-unavailable=fail"))
        self.ok("topics", "create", gone)
        self.publish(a, "3")
        self.assertEqual(self.data(gone), ["3"])
        self.ok("routes", "update", name, "--on-unavailable=fail")
        self.assertIn(name, self.fails(1, "topics", "delete", gone, "--yes"))

    def test_skip_may_come_before_its_target(self):
        a, = self.topics("a")
        self.route(a, f"{a}.later", "--on-unavailable=skip")
        self.publish(a, "1")
        self.ok("topics", "create", f"{a}.later")
        self.publish(a, "2")
        self.assertEqual(self.data(f"{a}.later"), ["2"])

    def test_refusals(self):
        a, b, c = self.topics("a", "b", "c")
        name = self.route(a, b)
        self.route(b, c, "--paused", name=f"{name}-2")
        for options, words in (
                (["--from=" + c, "--to=" + a],
                 f"the routes make a loop: {a} -> {b} -> {c} -> {a} (FAILED_PRECONDITION)"),
                (["--from=" + a, "--to=" + a],
                 f"route.target_topics: includes the source, {a} (INVALID_ARGUMENT)"),
                (["--from=" + a, f"--to={b},{b}"], f"route.target_topics: names {b} twice"),
                (["--from=none", "--to=" + a], "topic none does not exist (NOT_FOUND)"),
                (["--from=none", "--to=" + a, "--on-unavailable=skip"],
                 "topic none does not exist (NOT_FOUND)"),
                (["--from=" + a, "--to=none"], "topic none does not exist (NOT_FOUND)"),
                (["--from=" + a, "--to=" + b, "--filter=type LIKE"],
                 "route.filter.sql: line 1, column 10: expected a string literal"),
                (["--from=" + a, "--to=" + b, '--filter={"sql": "type =\\n  = 1"}'],
                 "route.filter.sql: line 2, column 3: "),
                (["--from=" + a, "--to=" + b, "--set=id=x"],
                 "route.set_attributes: 'id' has the name of an attribute"),
                (["--from=" + a, "--to=" + b, "--key="], "route.partition_key.constant: "),
                (["--from=" + a, "--to=" + b, "--key-from=data"],
                 "route.partition_key.from_attribute: ")):
            line = self.fails(1, "routes", "create", "refused", *options)
            self.assertTrue(line.startswith(f"eventhub: {words}"), line)
        self.assertIn("route.name: must consist of",
                      self.fails(1, "routes", "create", "a b", f"--from={a}", f"--to={b}"))
        self.assertIn(f"route {name} exists already (ALREADY_EXISTS)",
                      self.fails(1, "routes", "create", name, f"--from={a}", f"--to={c}"))
        self.assertIn("--filter: filter.all[1].exakt: is no dialect", self.fails(
            2, "routes", "create", "refused", f"--from={a}", f"--to={b}",
            '--filter={"all": [{"exact": {"type": "x"}}, {"exakt": {}}]}'))
        # Also by an update. A refused update has no effect.
        self.assertIn("loop", self.fails(1, "routes", "update", f"{name}-2", f"--to={a}",
                                         "--resume"))
        self.assertTrue(self.describe(f"{name}-2")["disabled"])
        self.assertIn("NOT_FOUND", self.fails(1, "routes", "describe", "refused"))

    def test_a_way_that_is_too_long(self):
        topics = self.topics(*range(10))
        for i in range(8):
            self.route(topics[i], topics[i + 1], name=f"long-{i}")
        line = self.fails(1, "routes", "create", "long-8", f"--from={topics[8]}",
                          f"--to={topics[9]}")
        self.assertIn(" -> ".join(topics[:3]), line)
        self.publish(topics[0], "far")
        self.assertEqual(self.data(topics[8]), ["far"])

    def test_topics_in_use(self):
        a, b = self.topics("a", "b")
        name = self.route(a, b)
        self.assertIn(f"topic {a} is the source of routes: {name} (FAILED_PRECONDITION)",
                      self.fails(1, "topics", "delete", a, "--yes"))
        self.assertIn(f"topic {b} is a target of routes that fail without it: {name}",
                      self.fails(1, "topics", "delete", b, "--yes"))
        self.ok("topics", "delete", a, "--with-routes", "--yes")
        self.assertIn("NOT_FOUND", self.fails(1, "routes", "describe", name))
        self.ok("topics", "delete", b, "--yes")

    def test_several_are_deleted(self):
        a, b = self.topics("a", "b")
        for i in range(3):
            self.route(a, b, name=f"several-{i}")
        out = self.ok("routes", "delete", "several-0", "several-2", "--output=json")
        self.assertEqual([line["name"] for line in json_lines(out)], ["several-0", "several-2"])
        self.assertEqual([route["name"] for route in json_lines(
            self.ok("routes", "list", f"--topic={a}", "-o", "json"))], ["several-1"])

    def test_stats(self):
        a, b = self.topics("a", "b")
        self.route(a, b)
        self.assertRegex(self.ok("stats"), r"(?m)^routes: +[1-9]\d*, links 0$")
        self.assertGreater(self.ok_json("stats")["routes"], 0)


class RoutesTestTest(RouteTest):
    """`eventhub routes test`."""

    def test_says_where_and_why_not(self):
        bus, shop, audit, archive = self.topics("bus", "shop", "audit", "archive")
        self.ok("topics", "update", bus, "--retention=none")
        self.route(bus, shop, "--filter=type LIKE 'shop.%'", name="1-shop")
        self.route(bus, audit, "--key=größe", name="2-audit")
        self.route(audit, archive, name="archive")
        self.route(bus, archive, "--paused", name="3-off")
        table = self.ok("routes", "test", bus, "--type=crm.note", "--key=k").splitlines()
        self.assertRegex(table[0], "^ROUTE +FROM +OUTCOME +TO +KEY +WHY$")
        self.assertRegex(table[1], f"^1-shop +{bus} +filtered +the event does not pass the filter$")
        self.assertRegex(table[2], f"^2-audit +{bus} +copied +{audit} +größe +the route copies all$")
        self.assertRegex(table[3], f"^  archive +{audit} +copied +{archive} +größe +the route copies")
        self.assertRegex(table[4], f"^3-off +{bus} +disabled +the route is disabled$")
        self.assertEqual(table[5], f"it would be in: {archive}, {audit}")
        # Columns are aligned, whatever alphabet they contain.
        self.assertEqual({line.index("the ") for line in table[1:5]}, {table[0].index("WHY")})
        test = self.ok_json("routes", "test", bus, "--type=shop.order")
        self.assertEqual(test["topics"], [archive, audit, shop])
        self.assertIsNone(test["refusal"])
        self.assertEqual([(t["route"], t["outcome"], t["depth"]) for t in test["traces"]],
                         [("1-shop", "copied", 0), ("2-audit", "copied", 0),
                          ("archive", "copied", 1), ("3-off", "disabled", 0)])
        # Nothing was published.
        self.assertEqual(self.data(archive), [])
        self.ok("routes", "update", "1-shop", "--pause")
        self.ok("routes", "update", "2-audit", "--filter=type = 'none'")
        self.assertTrue(self.ok("routes", "test", bus).endswith("\nno topic would hold it\n"))

    def test_events_from_files(self):
        a, b = self.topics("a", "b")
        self.route(a, b, "--filter=subject = 'x' AND size > 3")
        event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "x",
                 "size": 4, "data": "hello"}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(event, file, indent=2)
            file.flush()
            self.assertEqual(self.ok_json("routes", "test", a, f"--event={file.name}")["topics"],
                             [a, b])
            file.write("}")
            file.flush()
            self.assertIn(file.name, self.fails(1, "routes", "test", a, f"--event={file.name}"))
        event["size"] = 3
        self.assertEqual(self.ok_json("routes", "test", a, "--event=-",
                                      stdin=json.dumps(event).encode())["topics"], [a])
        self.assertIn("NOT_FOUND", self.fails(1, "routes", "test", a, "--event=/nonexistent"))
        self.assertIn("/: cannot be read", self.fails(1, "routes", "test", a, "--event=/"))
        self.assertIn("stdin: not valid JSON", self.fails(1, "routes", "test", a, "--event=-"))
        # An event that was read is accepted as it is.
        self.publish(a, "again", options=["--subject=x", "--attribute=size=4"])
        line = self.ok("read", a, "--output=json").splitlines()[0]
        self.ok("routes", "test", a, "--event=-", stdin=line.encode())

    def test_a_refusal_is_told_by_the_exit_code(self):
        a, small = self.topics("a", "small")
        self.ok("topics", "update", small, "--max-event-bytes=1KiB")
        name = self.route(a, small)
        event = json.dumps({"data": "x" * 2000}).encode()
        result = self.hub.run("routes", "test", a, "--event=-", stdin=event)
        self.assertEqual((result.code, result.err), (1, b""))
        self.assertRegex(result.out.decode(), rf"(?m)^{name} +{a} +refused +{small} ")
        self.assertRegex(result.out.decode(), r"(?m)^it would be refused: .*accepts at most 1024")
        result = self.hub.run("routes", "test", a, "--event=-", "--output=json", stdin=event)
        self.assertEqual(result.code, 1)
        self.assertIn("accepts at most 1024", json.loads(result.out)["refusal"])
        self.assertIn("NOT_FOUND", self.fails(1, "routes", "test", "none"))
        self.assertIn("event.type", self.fails(1, "routes", "test", a, "--type=" + "x" * 2000))


class UnkeptTest(RouteTest):
    """Topics that retain nothing, that refuse events when full, and that deduplicate."""

    def test_retention_none(self):
        bus = self.topic("--retention=none")
        kept, = self.topics("kept")
        self.route(bus, kept)
        self.publish(bus, "1", "2")
        self.assertEqual(self.data(kept), ["1", "2"])
        topic = self.ok_json("topics", "describe", bus)
        self.assertEqual((topic["keep_nothing"], topic["stats"]["events"]), (True, 0))
        text = self.ok("topics", "describe", bus)
        self.assertRegex(text, r"(?m)^max age: +keeps nothing$")
        self.assertRegex(text, r"(?m)^when full: +-$")
        self.assertIn("keeps no events", self.fails(1, "read", bus))
        self.assertIn("FAILED_PRECONDITION", self.fails(
            1, "subscriptions", "create", "s", f"--topic={bus}", "--kind=queue"))
        # It can be changed to keep new events, and back again, which deletes them all.
        self.ok("topics", "update", bus, "--retention=unlimited")
        self.publish(bus, "3")
        self.assertEqual(self.data(bus), ["3"])
        self.ok("topics", "update", bus, "--retention=none", "--yes")
        self.assertIn("keeps no events", self.fails(1, "read", bus))
        self.assertEqual(self.data(kept), ["1", "2", "3"])
        for option in ("--max-age=1d", "--max-bytes=1GiB", "--keep-until-acked",
                       "--refuse-when-full"):
            self.assertIn("--retention=none excludes all limits", self.fails(
                2, "topics", "create", "refused", "--retention=none", option))

    def test_refuse_when_full(self):
        full = self.topic("--max-bytes=10KiB", "--refuse-when-full")
        skipped, source = self.topics("skipped", "source")
        self.ok("topics", "update", skipped, "--max-bytes=10KiB", "--refuse-when-full")
        self.route(source, skipped, "--on-unavailable=skip")
        line = "x" * 2000
        for topic in (full, source):
            self.ok("publish", topic, "-q", stdin=f"{line}\n".encode())
        refusals = 0
        for _ in range(10):
            # A full topic may get room again, so publish retries for a while.
            result = self.hub.run("--timeout=200ms", "publish", full, "-q",
                                  stdin=f"{line}\n".encode())
            refusals += result.code
            self.assertIn(result.code, (0, 1))
            if result.code == 1:
                self.assertRegex(result.err.decode(), rf"topic {full} .*full")
            self.publish(source, line)
        kept = self.data(full)
        self.assertEqual((kept[0], len(kept)), (line, 11 - refusals))
        self.assertGreater(refusals, 3)
        # A route that skips drops the events for which there is no room; the source has all of
        # them.
        self.assertEqual((len(self.data(source)), len(self.data(skipped))), (11, len(kept)))
        self.assertRegex(self.ok("topics", "describe", full), r"(?m)^when full: +refuses events$")
        self.ok("topics", "update", full, "--max-bytes=1MiB")
        self.publish(full, line)
        self.assertEqual(len(self.data(full)), len(kept) + 1)
        self.assertIn("retention.refuse_when_full",
                      self.fails(1, "topics", "create", "refused", "--refuse-when-full"))

    def test_deduplicate(self):
        topic = self.topic("--deduplicate=1h")
        copies, = self.topics("copies")
        self.route(topic, copies)
        self.publish(topic, "a", "b", options=["--id-prefix=e-"])
        self.publish(topic, "again", "again", "c", options=["--id-prefix=e-"])
        # A different source makes it a different event.
        self.publish(topic, "d", options=["--id-prefix=e-", "--source=/other"])
        self.assertEqual(self.data(topic), ["a", "b", "c", "d"])
        self.assertEqual(self.data(copies), ["a", "b", "c", "d"])
        self.assertEqual(self.ok_json("topics", "describe", topic)["deduplication_window_seconds"],
                         3600)
        self.ok("topics", "update", topic, "--deduplicate=off")
        self.publish(topic, "e", options=["--id-prefix=e-"])
        self.assertEqual(self.data(topic)[-1], "e")
        self.assertRegex(self.ok("topics", "describe", topic), r"(?m)^deduplicates: +no$")


class RoutesRestartTest(OwnHubTest, RouteTest):
    """Tests that kill the hub."""

    def settings(self):
        """Returns all routes, without the counters since the start of the hub."""
        return [{key: value for key, value in route.items() if key != "stats"}
                for route in json_lines(self.ok("routes", "list", "--output=json"))]

    def test_all_of_it_is_there_after_a_kill(self):
        self.ok("topics", "create", "bus", "--retention=none")
        self.ok("topics", "create", "once", "--deduplicate=1d")
        self.ok("topics", "create", "full", "--max-bytes=1GiB", "--refuse-when-full")
        self.route("bus", "once,full", "--filter=EXISTS wanted", "--set=channel=c", "--no-key",
                   name="1")
        self.route("bus", "later", "--on-unavailable=skip", "--key=k", name="2")
        self.route("once", "full", "--paused", "--description=größer", name="3")
        self.publish("bus", "a", options=["--attribute=wanted=1"])
        self.publish("once", "o", options=["--id-prefix=o-"])
        before = self.settings()
        self.assertEqual([route["name"] for route in before], ["1", "2", "3"])
        self.kill(self.hub)
        self.assertEqual(self.settings(), before)
        self.ok("topics", "create", "later")
        self.publish("bus", "b", options=["--attribute=wanted=1"])
        self.publish("bus", "c")
        self.publish("once", "o again", options=["--id-prefix=o-"])
        self.assertEqual(self.data("once"), ["a", "o", "b"])
        self.assertEqual(self.data("full"), ["a", "b"])
        self.assertEqual(self.data("later"), ["b", "c"])
        self.assertIn("keeps no events", self.fails(1, "read", "bus"))
        self.assertIn("loop", self.fails(1, "routes", "update", "3", "--to=bus"))
        self.ok("routes", "delete", "1", "3")
        self.ok("routes", "pause", "2")
        self.kill(self.hub)
        self.assertEqual([(r["name"], r["disabled"]) for r in self.settings()], [("2", True)])
        self.publish("bus", "d", options=["--attribute=wanted=1"])
        self.assertEqual(self.data("once"), ["a", "o", "b"])
        self.assertEqual(self.data("later"), ["b", "c"])

    def test_each_acknowledged_event_is_in_all_targets(self):
        """Kills the hub while events arrive: each is either in all topics or in none."""
        for topic in ("a", "b", "c"):
            self.ok("topics", "create", topic)
        self.route("a", "b,c", name="r")
        for number in range(3):
            with tempfile.TemporaryFile() as acks:
                publisher = self.hub.popen("publish", "a", "-q", "--acks", f"--id-prefix={number}-",
                                           stdin=subprocess.PIPE, stdout=acks,
                                           stderr=subprocess.PIPE)
                publisher.stdin.write(b"".join(b"%d\n" % i for i in range(20000)))
                publisher.stdin.flush()
                self.wait_until(lambda acks=acks: acks.seek(0, 2) > 0)
                self.kill(self.hub)
                publisher.communicate(timeout=TIMEOUT)
                self.assertEqual(publisher.returncode, 0)
        ids = [self.ok("read", topic, "--format=%i\\n").split() for topic in ("a", "b", "c")]
        self.assertEqual(len(set(ids[0])), 3 * 20000)
        self.assertEqual(sorted(ids[0]), sorted(ids[1]))
        self.assertEqual(ids[1], ids[2])


if __name__ == "__main__":
    unittest.main()
