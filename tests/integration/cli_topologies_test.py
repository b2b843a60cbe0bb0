"""The worked examples in deploy/topologies, run as its README.md shows them."""

import unittest

from cli_hub import json_lines
from cli_snippets import ROOT, SnippetTest, snippet

README = "deploy/topologies/README.md"


class TopologiesTest(SnippetTest):

    def setUp(self):
        self.directory = ROOT

    def test_channels_by_user_community(self):
        out = self.run_shell(snippet(README, "sh", "Channels by user community"))
        # The dry run reports what is then created; afterwards there is nothing to do.
        parts = out.split("created\n")
        self.assertEqual(parts[0].replace("dry run, nothing was changed; would be: ", ""), parts[1])
        self.assertTrue(parts[2].startswith("no changes\n"), parts[2])
        self.assertIn("it would be in: customers, staff\n", parts[2])
        for line in ("customers: shop.order.placed", "faults: shop.till.fault",
                     "unclaimed: weather.changed"):
            self.assertEqual(out.splitlines().count(line), 1, out)
        self.assertRegex(out, r"(?m)^staff +bus +staff +active +1 +1 ")
        self.assertRegex(out, r"(?m)^partners +bus +partners +active +0 +0 ")
        # The file describes the whole hub, as a second apply with --prune shows.
        self.assertEqual(self.ok("apply", "-f", str(ROOT / "deploy/topologies/communities.yaml"),
                                 "--prune"), "no changes\n")

    def test_two_subsystems_with_a_hub_each(self):
        shop, billing = self.start_hub(), self.start_hub()
        out = self.run_shell(snippet(README, "bash", "Two subsystems, each with its own hub"),
                             SHOP=shop.address, BILLING=billing.address)
        self.assertIn("billing got: order 81\n", out)
        self.assertRegex(out, rf"(?m)^from-shop: egress of {shop.address} to ingress$")
        # The note has not left the shop, and the order is there once.
        self.assertEqual([event["data"] for event in json_lines(
            self.ok("read", "egress", "--output=json", hub=shop))], ["order 81"])
        self.wait_until(lambda: self.ok_json("links", "describe", "from-shop", hub=billing)
                        ["status"]["state"] == "caught up")
        self.assertEqual([event["data"] for event in json_lines(
            self.ok("read", "ingress", "--output=json", hub=billing))], ["order 81"])


if __name__ == "__main__":
    unittest.main()
