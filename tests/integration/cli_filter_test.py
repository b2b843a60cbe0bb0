"""`eventhub filter eval`: values, errors and exit codes. Needs no hub."""

import json
import subprocess
import tempfile
import unittest

from cli_hub import EVENTHUB, TIMEOUT

EVENT = {"specversion": "1.0", "id": "id-1", "source": "/shop", "type": "shop.order.placed",
         "time": "2026-01-31T12:00:00.5+02:00", "hop": 5, "flag": True, "word": "Grüße",
         "data": {"total": 42}}


class FilterEvalTest(unittest.TestCase):
    def eval(self, *arguments, event=None):
        text = None if event is None else json.dumps(event, indent=2)
        source = [] if event is None else ["--event=-"]
        return subprocess.run([EVENTHUB, "filter", "eval", *arguments, *source], input=text,
                              capture_output=True, text=True, check=False, timeout=TIMEOUT)

    def expect(self, result, code, stdout, stderr):
        self.assertEqual((result.returncode, result.stdout), (code, stdout), result.stderr)
        self.assertRegex(result.stderr, stderr)

    def test_values_are_json(self):
        for expression, value in (("1 + 2", 3), ("true", True), ("type", EVENT["type"]),
                                  ("hop", 5), ("flag", True), ("word", "Grüße"),
                                  ("CONCAT('\"', id)", '"id-1'), ("hop > 4 AND flag", True),
                                  ("time", EVENT["time"]), ("EXISTS subject", False)):
            result = self.eval(expression, event=EVENT)
            self.expect(result, 0, json.dumps(value, ensure_ascii=False) + "\n", "^$")

    def test_expressions_that_look_like_options(self):
        for expression, value in (("-10", "-10"), ("--10", "10"), ("-'10'", "-10"),
                                  ("-hop", "-5"), ("--hop = 5", "true"), ("-TRUE", "-1")):
            self.expect(self.eval(expression, event=EVENT), 0, value + "\n", "^$")

    def test_without_an_event(self):
        self.expect(self.eval("EXISTS id AND NOT EXISTS subject"), 0, "true\n", "^$")

    def test_an_event_in_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(EVENT, file)
            file.flush()
            self.expect(self.eval("id", f"--event={file.name}"), 0, '"id-1"\n', "^$")

    def test_evaluation_errors(self):
        for expression, value, kind in (("missing", "false", "missingAttribute"),
                                        ("missing * 5", "0", "missingAttribute"),
                                        ("UPPER(missing)", '""', "missingAttribute"),
                                        ("5 / 0", "0", "math"), ("INT('x')", "0", "cast"),
                                        ("NOSUCH()", "false", "missingFunction"),
                                        ("LEFT(id, -1)", '"id-1"', "functionEvaluation")):
            result = self.eval(expression, event=EVENT)
            self.expect(result, 1, value + "\n", rf"^error: {kind}: .+\n$")

    def test_errors_cannot_command_the_terminal(self):
        result = self.eval("INT(id)", event={**EVENT, "id": "\u001b[31m\n"})
        self.expect(result, 1, "0\n", r"^error: cast: [^\x1b\n]*\\x1b\[31m\\n[^\n]*\n$")

    def test_an_empty_name_is_no_event(self):
        self.expect(self.eval("id", "--event="), 1, "", "cannot be opened")

    def test_parse_errors(self):
        for expression, where in (("", "line 1, column 1"), ("1 +", "line 1, column 4"),
                                  ("id =\n= 'a'", "line 2, column 1"),
                                  ("- * 2", "line 1, column 3")):
            result = self.eval(expression, event=EVENT)
            self.expect(result, 2, "", rf"^eventhub: error: parse: {where}: .+ --help\)\n$")

    def test_filters(self):
        for text, passes in (('{"exact": {"type": "shop.order.placed"}}', True),
                             ('{"prefix": {"type": "order"}}', False),
                             ('[{"suffix": {"type": ".placed"}}, {"not": {"sql": "hop > 5"}}]', True),
                             ('{"sql": "missing = 1"}', False)):
            result = self.eval(f"--filter={text}", event=EVENT)
            self.expect(result, 0 if passes else 1, "true\n" if passes else "false\n", "^$")

    def test_wrong_usage(self):
        for arguments, message in ((["id", "type"], "'type' is neither an option"),
                                   (["id", "--evnt=x"], "'--evnt=x' is neither an option"),
                                   ([], "takes either an EXPRESSION or --filter"),
                                   (["id", "--filter={}"], "takes either an EXPRESSION or --filter"),
                                   (["--filter={}"], "filter: is not an object with one dialect"),
                                   (['--filter={"all": []}'], "filter.all: has no filters"),
                                   (['--filter={"sql": "a ="}'],
                                    "filter.sql: line 1, column 4: expected an expression")):
            self.expect(self.eval(*arguments), 2, "", rf"^eventhub: {message}.* --help\)\n$")

    def test_events_that_are_none(self):
        self.expect(self.eval("id", event=[]), 1, "", "^eventhub: -: not a JSON object")
        self.expect(self.eval("id", "--event=/nonexistent"), 1, "",
                    "^eventhub: /nonexistent: cannot be opened")

    def test_help(self):
        for flag in ("-h", "--help"):
            result = self.eval(flag)
            self.assertEqual(result.returncode, 0)
            self.assertIn("Examples:", result.stdout)


if __name__ == "__main__":
    unittest.main()
