"""`eventhub trace` against a hub."""

import json
import unittest

from cli_hub import HubTest, json_lines


class TraceTest(HubTest):

    def publish(self, topic, event_id, **attributes):
        event = {"specversion": "1.0", "id": event_id, "source": "/shop", "type": "t." + event_id,
                 **attributes}
        self.ok("publish", topic, "-q", "--input=json", stdin=json.dumps(event).encode())

    def test_a_chain_over_topics_routes_and_dead_letters(self):
        for topic in ("orders", "payments", "orders.eu"):
            self.ok("topics", "create", topic, "--partitions=1")
        self.ok("routes", "create", "eu", "--from=orders", "--to=orders.eu",
                "--filter=subject = 'eu'")
        self.ok("subscriptions", "create", "billing", "--topic=payments", "--kind=queue")
        self.publish("orders", "ord-1", subject="eu")
        self.publish("orders", "other")
        self.publish("payments", "paid", causationid="ord-1", correlationid="ord-1")
        self.ok("consume", "billing", "--limit=1", "--exec=sh -c 'echo shut >&2; exit 65'")
        tree = self.ok("trace", "paid").splitlines()
        self.assertEqual(len(tree), 4, tree)
        self.assertRegex(tree[0], r"^20\S+Z  t\.ord-1  ord-1  orders/0:0$")
        self.assertRegex(tree[1], r"^│  = \+\S+  copied to orders\.eu/0:0$")
        self.assertRegex(tree[2], r"^└─ \+\S+  t\.paid  paid  payments/0:0$")
        self.assertRegex(tree[3], r"^ {6}! \+\S+  dead letter of billing: .*shut.*  "
                                  r"billing\.dead-letters/0:0$")
        root, = json_lines(self.ok("trace", "ord-1", "--output=json"))
        self.assertEqual([place["topic"] for place in root["places"]], ["orders", "orders.eu"])
        effect, = root["effects"]
        self.assertEqual(effect["correlationid"], "ord-1")
        self.assertEqual(effect["places"][1]["dead_letter_of"], "billing")
        # Only where it is told to look.
        root, = json_lines(self.ok("trace", "paid", "--topic=payments", "--output=json"))
        self.assertEqual((root["id"], root["causationid"]), ("paid", "ord-1"))
        self.assertIn("caused by ord-1, which was not found",
                      self.ok("trace", "paid", "--topic=payments"))

    def test_what_is_not_there_is_an_error(self):
        result = self.hub.run("trace", "nothing")
        self.assertEqual((result.code, result.out), (1, b""))
        self.assertIn(b"no event with the id or the correlation id 'nothing' in", result.err)
        result = self.hub.run("trace", "x", "--topic=none")
        self.assertEqual(result.code, 1)
        self.assertIn(b"none", result.err)
        self.assertEqual(self.hub.run("trace").code, 2)
        self.assertEqual(self.hub.run("trace", "x", "--limit=0").code, 2)

    def test_a_limit_is_said(self):
        self.ok("topics", "create", "many", "--partitions=1")
        for i in range(4):
            self.publish("many", f"m{i}", correlationid="case")
        result = self.hub.run("trace", "case", "--limit=2", "--topic=many")
        self.assertEqual(result.code, 0)
        self.assertEqual(result.err, b"eventhub: there are more; see --limit\n")


if __name__ == "__main__":
    unittest.main()
