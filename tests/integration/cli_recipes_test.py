"""Runs the recipes in client/RECIPES.md, unchanged: each prints what the file shows."""

import re
import unittest

from cli_snippets import ROOT, SnippetTest

RECIPES = (ROOT / "client/RECIPES.md").read_text(encoding="utf-8")


class RecipesTest(SnippetTest):

    def setUp(self):
        self.directory = ROOT

    def test_each_ends_with_what_it_says(self):
        recipes = re.findall(r"^## ([^\n]+)\n.*?^```sh\n(.*?)^```\n```text\n(.*?)^```$", RECIPES,
                             re.DOTALL | re.MULTILINE)
        self.assertEqual(len(recipes), len(re.findall(r"^## ", RECIPES, re.MULTILINE)))
        for title, script, expected in recipes:
            with self.subTest(title):
                out = self.run_shell(script)
                # A "…" stands for any text.
                pattern = ".*".join(re.escape(part) for part in expected.split("…"))
                self.assertRegex(out, rf"(\A|\n){pattern}\Z")


if __name__ == "__main__":
    unittest.main()
