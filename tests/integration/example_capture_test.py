"""The example of change capture: what happens to rows of a table is in the log, once and in order."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import unittest

from cli_hub import TIMEOUT, OwnHubTest, json_lines

CAPTURE = os.environ["CAPTURE"]


class CaptureTest(OwnHubTest):

    def setUp(self):
        super().setUp()
        self.ok("topics", "create", "articles", "--partitions=3")
        self.path = f"{self.hub.directory}/shop.db"
        self.database = sqlite3.connect(self.path, isolation_level=None, timeout=TIMEOUT)
        self.addCleanup(self.database.close)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute(
            "CREATE TABLE articles (id TEXT PRIMARY KEY, price, \"odd 'name'\" TEXT, picture BLOB)")

    def start(self, *arguments):
        """Starts the capture, which the test stops or kills."""
        return subprocess.Popen([CAPTURE, self.hub.address, "articles", self.path, *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    @contextlib.contextmanager
    def captured(self):
        process = self.start()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=TIMEOUT)
            self.assertEqual((process.returncode, out), (0, b""))

    def triggered(self):
        """Whether the triggers are there."""
        count, = self.database.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()
        return count == 3

    def pending(self):
        try:
            count, = self.database.execute("SELECT count(*) FROM eventhub_outbox").fetchone()
        except sqlite3.OperationalError:  # The table is not there yet.
            return None
        return count

    def drained(self):
        self.wait_until(lambda: self.pending() == 0)

    def events(self):
        return json_lines(self.ok("read", "articles", "-o", "json"))

    def changes(self):
        """Kind, key, row before and row after of each event."""
        return [(event["type"], event["partitionkey"], event["data"]["before"],
                 event["data"]["after"]) for event in self.events()]

    def test_rows_that_change_are_events(self):
        with self.captured():
            self.wait_until(self.triggered)
            execute = self.database.execute
            execute("INSERT INTO articles VALUES ('sku-7', 4, 'it''s', x'00ff')")
            execute("UPDATE articles SET price = 5 WHERE id = 'sku-7'")
            execute("UPDATE articles SET price = 5 WHERE id = 'sku-7'")  # Changes nothing.
            execute("BEGIN")
            execute("UPDATE articles SET price = 6 WHERE id = 'sku-7'")
            execute("ROLLBACK")
            execute("DELETE FROM articles WHERE id = 'sku-7'")
            self.drained()
        row = {"id": "sku-7", "odd 'name'": "it's", "picture": "00FF"}
        cheap, dear = {**row, "price": 4}, {**row, "price": 5}
        self.assertEqual(self.changes(), [
            ("articles.inserted", "sku-7", None, cheap),
            ("articles.updated", "sku-7", cheap, dear),
            ("articles.deleted", "sku-7", dear, None)])
        self.assertEqual({event["source"] for event in self.events()}, {"/capture/articles"})

    def test_changes_are_captured_while_it_is_down(self):
        with self.captured():
            self.wait_until(self.triggered)
        self.database.execute("INSERT INTO articles (id, price) VALUES ('sku-1', 1)")
        self.assertEqual(self.pending(), 1)
        # A column that is added is told from the next start on.
        self.database.execute("ALTER TABLE articles ADD COLUMN place TEXT")
        with self.captured():
            self.drained()
            self.wait_until(lambda: "place" in self.database.execute(
                "SELECT sql FROM sqlite_master WHERE name = 'capture_articles_updated'"
            ).fetchone()[0])
            self.database.execute("UPDATE articles SET place = 'here'")
            self.drained()
        kinds = [change[0] for change in self.changes()]
        self.assertEqual(kinds, ["articles.inserted", "articles.updated"])
        self.assertEqual(self.changes()[1][3]["place"], "here")

    def test_each_change_is_there_once_and_in_order_though_all_is_killed(self):
        chance = random.Random(os.environ.get("EVENTHUB_TEST_SEED", 1))
        expected = {}  # By key: the rows in the order of their changes.
        process = self.start()
        self.wait_until(self.triggered)
        price = 0
        for _ in range(6):
            for _ in range(150):
                price += 1
                key = f"sku-{chance.randrange(20)}"
                self.database.execute("INSERT INTO articles (id, price) VALUES (?, ?) ON CONFLICT "
                                      "(id) DO UPDATE SET price = excluded.price", (key, price))
                expected.setdefault(key, []).append(price)
            process.kill()
            process.communicate(timeout=TIMEOUT)
            if chance.randrange(2):
                self.kill(self.hub)
            process = self.start()
        self.drained()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
        found = {}
        for _, key, before, after in self.changes():
            rows = found.setdefault(key, [])
            self.assertEqual(before and before["price"], rows[-1] if rows else None)
            rows.append(after["price"])
        self.assertEqual(found, expected)

    def test_it_refuses_a_table_that_is_not_there(self):
        for arguments in (["nothing", "id"], ["articles", "nothing"]):
            process = self.start(*arguments)
            out, _ = process.communicate(timeout=TIMEOUT)
            self.assertEqual(process.returncode, 1)
            self.assertIn(f"there is no table {arguments[0]} with a column {arguments[1]}",
                          out.decode())
        # The service is not disturbed.
        self.database.execute("INSERT INTO articles (id) VALUES ('sku-1')")
        self.assertFalse(self.triggered())


if __name__ == "__main__":
    unittest.main()
