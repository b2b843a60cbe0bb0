#!/usr/bin/env python3
"""Tests that the oracle finds violations: each test breaks one thing of a correct run."""

import copy
import types
import unittest

import oracle


def order(key, customer="ann", cents=100, sku="tea", quantity=2):
    return {"id": key, "customer": customer, "cents": cents, "sku": sku, "quantity": quantity}


class OracleTest(unittest.TestCase):
    def setUp(self):
        self.orders = {one["id"]: one for one in (
            order("good"), order("dear", cents=150000), order("late", sku="cup", quantity=1))}
        self.events = []
        for key, kinds in {
                "good": ["stock.reserved", "payment.charged", "fraud.cleared", "order.shipped"],
                "dear": ["fraud.suspected", "order.rejected", "stock.reserved", "payment.charged",
                         "payment.refunded"],
                "late": ["stock.reserved", "fraud.cleared", "order.expired",
                         "payment.declined"]}.items():
            for kind in ["order.placed", *kinds]:
                self.append(key, f"shop.{kind}")
        self.bank = types.SimpleNamespace(
            charges={"good": 1, "dear": 1}, charged={"good": 100, "dear": 150000},
            cancelled={"dear", "late"})
        self.arrived = {"tea": 10, "cup": 10}
        self.stock = {"tea": 8, "cup": 10}
        self.bookings = {"good": "shipped", "dear": "released", "late": "released"}
        self.view = {"good": oracle.SHIPPED, "dear": oracle.REJECTED, "late": oracle.EXPIRED}

    def append(self, key, kind):
        self.events.append({
            "id": f"{key}-{kind}", "source": "/shop", "type": kind, "subject": key,
            "correlationid": f"{key}-{oracle.PLACED}", "data": self.orders[key],
            "hub_partition": 0, "hub_offset": len(self.events),
            "hub_append_time": f"2026-11-30T09:00:00.{len(self.events):02}Z"})

    def index(self, key, kind):
        return next(i for i, event in enumerate(self.events)
                    if event["id"] == f"{key}-shop.{kind}")

    def number(self):
        for i, event in enumerate(self.events):
            event["hub_offset"] = i

    def wrong(self):
        return oracle.violations(self.orders, self.events, self.bank, self.arrived, self.stock,
                                 self.bookings, self.view, patience=60)

    def assert_wrong(self, pattern):
        self.assertRegex("\n".join(self.wrong()), pattern)

    def test_accepts_what_is_correct(self):
        self.assertEqual(self.wrong(), [])

    def test_poison_is_no_fact(self):
        self.append("good", oracle.PLACED)
        self.events[-1].update(id="poison-0-1", data="{")
        self.assertEqual(self.wrong(), [])

    def test_finds_an_order_that_is_lost(self):
        self.orders["lost"] = order("lost")
        self.assert_wrong("order lost begins with")

    def test_finds_an_order_without_an_end(self):
        del self.events[self.index("good", "order.shipped")]
        self.number()
        self.assert_wrong("order good has not exactly one of .*shipped")

    def test_finds_a_second_end(self):
        self.append("good", oracle.EXPIRED)
        self.assert_wrong("order good has not exactly one of .*shipped")

    def test_finds_a_fact_that_is_there_twice(self):
        self.events.append(copy.deepcopy(self.events[self.index("good", "payment.charged")]))
        self.number()
        self.assert_wrong("is in the log 2 times")
        self.assert_wrong("order good has not exactly one of .*charged")

    def test_finds_what_is_shipped_too_early(self):
        at = self.index("good", "order.shipped")
        self.events.insert(at - 1, self.events.pop(at))
        self.number()
        self.assert_wrong("order good is shipped too early")

    def test_finds_what_expired_though_it_was_complete(self):
        self.events[self.index("good", "order.shipped")]["type"] = oracle.EXPIRED
        self.assert_wrong("order good expired, but was complete")

    def test_what_comes_too_late_does_not_count(self):
        self.events[self.index("good", "order.shipped")]["type"] = oracle.EXPIRED
        self.events[self.index("good", "fraud.cleared")]["hub_append_time"] = "2026-11-30T09:01:01Z"
        self.assertNotIn("complete", "\n".join(self.wrong()))

    def test_finds_a_rejection_without_a_reason(self):
        self.events[self.index("late", "order.expired")]["type"] = oracle.REJECTED
        self.assert_wrong("order late is rejected for no reason")

    def test_finds_an_event_out_of_order(self):
        self.events[3], self.events[4] = self.events[4], self.events[3]
        self.assert_wrong("partition 0 is out of order")

    def test_finds_a_second_charge(self):
        self.bank.charges["good"] = 2
        self.assert_wrong("order good was charged 2 times")

    def test_finds_money_that_was_not_given_back(self):
        self.bank.cancelled.remove("dear")
        self.assert_wrong("the bank has dear cancelled or not")

    def test_finds_a_wrong_sum(self):
        self.bank.charged["good"] = 99
        self.assert_wrong("order good was charged 99, and not 100 cents")

    def test_finds_stock_that_is_missing(self):
        self.stock["tea"] = 7
        self.assert_wrong("in stock is .*'tea': 7.*should be .*'tea': 8")

    def test_finds_a_reservation_that_is_kept(self):
        self.bookings["dear"] = "reserved"
        self.assert_wrong("the booking of dear is reserved, and not released")

    def test_finds_an_old_row(self):
        self.view["good"] = oracle.PLACED
        self.assert_wrong("the view has good as shop.order.placed")


if __name__ == "__main__":
    unittest.main()
