"""`eventhub lake` on a directory, and other programs on the same files. No hub is needed."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

EVENTHUB = os.environ["EVENTHUB"]
LAKE_PROCESS = os.environ["LAKE_PROCESS"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = ROOT / "build" / "tools" / "node_modules"
TIMEOUT = 120

# Counts with DuckDB, in the way that its users do.
DUCKDB_PROGRAM = """
const { DuckDBInstance } = require('@duckdb/node-api');
(async () => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  for (const query of JSON.parse(process.argv[1])) {
    const rows = (await connection.runAndReadAll(query)).getRowsJson();
    console.log(JSON.stringify(rows));
  }
})().catch(error => { console.error(String(error)); process.exit(1); });
"""


class LakeTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="eventhub-lake-")
        cls.addClassCleanup(shutil.rmtree, directory)
        cls.lake = f"{directory}/lake"
        cls.write(cls.lake, "orders", 1000, 3)
        cls.write(cls.lake, "payments", 250, 1)

    @staticmethod
    def write(lake, topic, events, partitions, *time):
        subprocess.run([LAKE_PROCESS, lake, topic, str(events), str(partitions), *time],
                       check=True, timeout=TIMEOUT)

    def copy(self):
        """Returns a copy of the lake, which the test may damage."""
        directory = tempfile.mkdtemp(prefix="eventhub-lake-")
        self.addCleanup(shutil.rmtree, directory)
        return shutil.copytree(self.lake, f"{directory}/lake")

    def run_cli(self, *arguments, lake=None):
        return subprocess.run([EVENTHUB, "lake", f"--lake={lake or self.lake}", *arguments],
                              capture_output=True, text=True, timeout=TIMEOUT, check=False)

    def ok(self, *arguments, lake=None):
        result = self.run_cli(*arguments, lake=lake)
        self.assertEqual(result.returncode, 0, (arguments, result.stderr))
        return result.stdout

    def fails(self, code, *arguments, lake=None):
        result = self.run_cli(*arguments, lake=lake)
        self.assertEqual(result.returncode, code, (arguments, result.stdout, result.stderr))
        return result.stderr

    def lines(self, *arguments, lake=None):
        return [json.loads(line) for line in self.ok(*arguments, lake=lake).splitlines()]

    def test_ls(self):
        rows = self.ok("ls").splitlines()
        self.assertEqual(rows[0].split(),
                         ["TOPIC", "EVENTS", "RAW", "STORED", "RATIO", "FIRST", "LAST", "NOTE"])
        self.assertRegex(rows[1], r"^orders +1,000 +\S+ KiB +\S+ KiB +[\d.]+ +2025-11-24T16:00:00Z")
        topics = self.lines("ls", "--output=json")
        self.assertEqual([(t["topic"], t["events"], t["partitions"], t["objects"]) for t in topics],
                         [("orders", 1000, 3, 10), ("payments", 250, 1, 3)])
        self.assertEqual(topics[0]["directory"], "topic=orders")

    def test_stats(self):
        stats = self.lines("stats", "--topic=orders", "-o", "json")[0]
        self.assertEqual(stats["events"], 1000)
        self.assertGreater(stats["raw_bytes"], stats["bytes"])
        self.assertEqual((stats["copied_days"], stats["closed_days"]), (0, 2))
        self.assertRegex(self.ok("stats"), r"payments +3 +250 .* 0/1\n")

    def test_cat(self):
        events = self.lines("cat", "--topic=orders")
        self.assertEqual([e["id"] for e in events], [f"id-{n}" for n in range(1000)])
        self.assertEqual(events[7]["hub_partition"], 1)
        self.assertEqual(events[7]["hub_offset"], 2)
        self.assertEqual(events[7]["hub_append_time"], "2025-11-24T16:00:07Z")
        self.assertEqual(events[7]["data"], {"number": 7, "total": "12.50"})
        some = self.lines("cat", "--topic=orders", "--from=2025-11-24T17:00:30Z",
                          "--to=2025-11-24T17:00:40Z")
        self.assertEqual([e["id"] for e in some], [f"id-{n}" for n in range(130, 140)])
        some = self.lines("cat", "--topic=orders", "--partition=2", "--from=300", "--limit=2")
        self.assertEqual([(e["hub_partition"], e["hub_offset"]) for e in some], [(2, 300), (2, 301)])
        paid = self.lines("cat", "--topic=orders", "--type=order.paid")
        self.assertEqual(len(paid), 334)
        self.assertEqual({e["type"] for e in paid}, {"order.paid"})

    def test_cat_usage(self):
        self.assertIn("say which by --topic: orders, payments", self.fails(2, "cat"))
        self.assertIn("needs one --partition", self.fails(2, "cat", "--topic=orders", "--from=5"))
        self.assertIn("no topic 'nothing'", self.fails(1, "cat", "--topic=nothing"))
        result = subprocess.run([EVENTHUB, "lake", "ls"], capture_output=True, text=True,
                                timeout=TIMEOUT, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("--lake=DIRECTORY", result.stderr)
        self.assertIn("/missing", self.fails(1, "ls", lake="/missing"))
        self.assertIn("is not a lake", self.fails(1, "ls", lake="/tmp"))

    def test_files(self):
        files = self.ok("files", "--topic=orders").splitlines()
        self.assertEqual(len(files), 10)
        one = self.ok("files", "--topic=orders", "--from=2025-11-24T18:00:00Z",
                      "--to=2025-11-24T19:00:00Z").splitlines()
        self.assertEqual(one, files[2:3])
        # What the files say is what the lake says, to a program that knows neither.
        text = subprocess.run(["zstdcat", *files], capture_output=True, text=True, timeout=TIMEOUT,
                              check=True).stdout
        ids = [json.loads(line)["id"] for line in text.splitlines()]
        self.assertEqual(sorted(ids), sorted(f"id-{n}" for n in range(1000)))

    def test_count(self):
        self.assertEqual([(c["topic"], c["type"], c["events"])
                          for c in self.lines("count", "--output=json")],
                         [("orders", "order.paid", 334), ("orders", "order.placed", 666),
                          ("payments", "order.paid", 84), ("payments", "order.placed", 166)])
        counts = self.lines("count", "--topic=orders", "--from=2025-11-24T16:00:30Z",
                            "--to=2025-11-24T17:00:03Z", "--output=json")
        self.assertEqual(sum(c["events"] for c in counts), 73)

    def test_find(self):
        result = self.run_cli("find", "--id=id-77", "--topic=orders")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["hub_offset"], 25)
        self.assertRegex(result.stderr, r"^found 1 event; read .+ of .+ in 10 files$")
        self.assertEqual(len(self.lines("find", "--subject=order/5")), 20)
        self.assertEqual(len(self.lines("find", "--correlation-id=c-3", "--topic=payments")), 5)
        self.assertIn("found 0 events", self.fails(1, "find", "--id=nothing"))
        self.assertIn("give one of", self.fails(2, "find"))

    def test_verify(self):
        rows = self.ok("verify").splitlines()
        self.assertEqual(rows[1].split()[:3], ["orders", "10", "1,000"])
        self.assertEqual(rows[1].split()[-2:], ["0", "0"])

    def test_verify_finds_damage_and_orphans(self):
        lake = self.copy()
        file = self.ok("files", "--topic=orders", lake=lake).splitlines()[4]
        with open(file, "r+b") as damaged:
            damaged.seek(100)
            byte = damaged.read(1)
            damaged.seek(100)
            damaged.write(bytes([byte[0] ^ 4]))
        pathlib.Path(f"{lake}/topic=payments/stray").write_text("x", encoding="utf-8")
        result = self.run_cli("verify", "--output=json", lake=lake)
        self.assertEqual(result.returncode, 1)
        self.assertIn("the lake has 1 problem", result.stderr)
        reports = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(reports[0]["problem_count"], 1)
        self.assertIn(os.path.relpath(file, lake), reports[0]["problems"][0])
        self.assertEqual(reports[1]["orphans"], ["topic=payments/stray"])
        # Sizes are as they were.
        self.ok("verify", "--quick", lake=lake)
        os.remove(file)
        self.assertIn("1 problem", self.fails(1, "verify", "--quick", lake=lake))

    def need_duckdb(self):
        """Tells the command line where DuckDB's library is."""
        library = MODULES / "@duckdb" / "node-bindings-linux-x64" / "libduckdb.so"
        if not library.exists():
            self.skipTest("npm has no @duckdb/node-api here; see tests/run.sh")
        self.duckdb = f"--duckdb={library}"

    def query(self, sql, *flags, lake=None):
        return self.lines("query", sql, self.duckdb, "--output=json", *flags, lake=lake)

    def test_query(self):
        self.need_duckdb()
        self.assertEqual(self.query("SELECT count(*) AS n, max(hub_offset) AS last FROM orders;"),
                         [{"n": 1000, "last": 333}])
        row = self.query("SELECT * FROM payments WHERE id = 'id-7'")[0]
        self.assertEqual(row["data"], {"number": 7, "total": "12.50"})
        self.assertEqual(row["correlationid"], "c-1")
        self.assertEqual(row["hub_append_time"], "2025-11-24 16:00:07")
        self.assertEqual(row["attributes"], {})
        self.assertEqual(self.query("SELECT count(*) AS n FROM orders",
                                    "--from=2025-11-24T16:00:30Z", "--to=2025-11-24T17:00:03Z"),
                         [{"n": 73}])
        table = self.ok("query", "SELECT type, count(*) AS n FROM orders GROUP BY 1 ORDER BY 2",
                        self.duckdb)
        self.assertEqual([line.split() for line in table.splitlines()],
                         [["type", "n"], ["order.paid", "334"], ["order.placed", "666"]])
        self.assertIn("nothing", self.fails(1, "query", "SELECT 1 FROM nothing", self.duckdb))
        self.assertIn("give a query", self.fails(2, "query", " ; ", self.duckdb))
        self.assertIn("at least 64MiB", self.fails(2, "query", "SELECT 1", "--memory=1MiB"))
        self.assertIn("--duckdb says where",
                      self.fails(1, "query", "SELECT 1", "--duckdb=/missing/libduckdb.so"))

    def test_columns(self):
        self.need_duckdb()
        lake = self.copy()
        temporary = tempfile.mkdtemp(prefix="eventhub-temp-")
        self.addCleanup(shutil.rmtree, temporary)
        flags = [self.duckdb, f"--temp={temporary}", "--memory=128MiB"]
        copies = self.lines("columns", "--output=json", *flags, lake=lake)
        self.assertEqual([(c["topic"], c["day"], c["events"]) for c in copies],
                         [("orders", "2025-11-24", 800), ("orders", "2025-11-25", 200),
                          ("payments", "2025-11-24", 250)])
        self.assertEqual(os.listdir(temporary), [])
        self.assertEqual(self.ok("columns", *flags, lake=lake), "all days are copied\n")
        self.assertRegex(self.ok("stats", lake=lake), r"(?s)orders .* 2/2\n.*payments .* 1/1\n")
        # Queries use them: the objects could be gone.
        for file in self.ok("files", "--topic=orders", "--to=2025-11-25", lake=lake).splitlines():
            os.rename(file, file + ".away")
        self.assertEqual(self.query("SELECT count(DISTINCT id) AS n, count(*) AS m FROM orders",
                                    lake=lake), [{"n": 1000, "m": 1000}])
        day = self.query(f"SELECT id FROM '{lake}/{copies[0]['file']}'", lake=lake)
        self.assertEqual([row["id"] for row in day], [f"id-{n}" for n in range(800)])
        for folder, _, files in os.walk(lake):
            for file in files:
                if file.endswith(".away"):
                    os.rename(f"{folder}/{file}", f"{folder}/{file[:-5]}")
        # They are a part of what is proven.
        report = self.lines("verify", "--output=json", lake=lake)[0]
        self.assertEqual((report["copies"], report["orphan_count"]), (2, 0))
        with open(f"{lake}/{copies[0]['file']}", "r+b") as damaged:
            damaged.seek(50)
            damaged.write(b"damage")
        self.assertIn("1 problem", self.fails(1, "verify", lake=lake))
        # A day that has more events since is copied again.
        self.write(lake, "orders", 20, 1, "2025-11-24T23:00:00Z")
        self.assertEqual(self.query("SELECT count(*) AS n FROM orders", lake=lake), [{"n": 1020}])
        copies = self.lines("columns", "--output=json", *flags, lake=lake)
        self.assertEqual([(c["day"], c["events"]) for c in copies], [("2025-11-24", 820)])
        self.assertEqual(self.query("SELECT count(*) AS n FROM orders", lake=lake), [{"n": 1020}])
        self.ok("verify", lake=lake)

    def test_duckdb(self):
        if not (MODULES / "@duckdb" / "node-api").exists() or shutil.which("node") is None:
            self.skipTest("npm has no @duckdb/node-api here; see tests/run.sh")
        files = self.ok("files", "--topic=orders").splitlines()
        queries = [
            f"SELECT count(*) AS n FROM read_json('{self.lake}/topic=*/date=*/hour=*/*.ndjson.zst', "
            "hive_partitioning=true)",
            f"SELECT count(*) AS n, count(DISTINCT id) AS ids, max(hub_offset) AS last "
            f"FROM read_json({json.dumps(files).replace(chr(34), chr(39))})",
            f"SELECT topic, CAST(hour AS VARCHAR) AS hour, count(*) AS n FROM read_json("
            f"'{self.lake}/topic=*/date=*/hour=*/*.ndjson.zst', hive_partitioning=true) "
            "WHERE type = 'order.paid' AND topic = 'orders' AND hour = 17 GROUP BY ALL"]
        result = subprocess.run(["node", "-e", DUCKDB_PROGRAM, json.dumps(queries)],
                                env=dict(os.environ, NODE_PATH=str(MODULES)), capture_output=True,
                                text=True, timeout=TIMEOUT, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        everything, orders, grouped = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(int(everything[0][0]), 1250)
        self.assertEqual([int(n) for n in orders[0]], [1000, 1000, 333])
        self.assertEqual(grouped[0][0], "orders")
        self.assertEqual(int(grouped[0][2]), 33)


if __name__ == "__main__":
    unittest.main()
