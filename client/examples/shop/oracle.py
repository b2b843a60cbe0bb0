"""Checks the invariants of the shop at the end of a run.

`violations` compares the orders of the customers, the log of the hub, the bank and the database. It
does not depend on services or timing: it finds what a customer, an accountant or a warehouse would
complain about.
"""

import collections
import datetime

PLACED = "shop.order.placed"
REFUNDED = "shop.payment.refunded"
SHIPPED = "shop.order.shipped"
REJECTED = "shop.order.rejected"
EXPIRED = "shop.order.expired"
GOOD = {"shop.stock.reserved", "shop.payment.charged", "shop.fraud.cleared"}
BAD = {"shop.stock.sold-out", "shop.payment.declined", "shop.fraud.suspected"}
# Of each group, exactly one fact about each order.
GROUPS = (
    {PLACED},
    {"shop.stock.reserved", "shop.stock.sold-out"},
    {"shop.payment.charged", "shop.payment.declined"},
    {"shop.fraud.cleared", "shop.fraud.suspected"},
    {SHIPPED, REJECTED, EXPIRED},
)
FACTS = set().union(*GROUPS) | {REFUNDED}


def end_of(types):
    return next((kind for kind in types if kind in (SHIPPED, REJECTED, EXPIRED)), None)


def by_order(events):
    """The facts about each order, in log order, without poison."""
    histories = collections.defaultdict(list)
    for event in events:
        if event["type"] in FACTS and not event["id"].startswith("poison-"):
            histories[event["subject"]].append(event)
    return histories


def time_of(event):
    return datetime.datetime.fromisoformat(event["hub_append_time"])


def story_violations(order, history, patience):
    """One order: each fact once, the end follows from what precedes it, and causes are named."""
    types = [event["type"] for event in history]
    if not types or types[0] != PLACED:
        yield f"begins with {types[:1]}"
        return
    for group in GROUPS:
        if sum(kind in group for kind in types) != 1:
            yield f"has not exactly one of {sorted(group)}: {types}"
            return
    end = end_of(types)
    # Facts after the deadline do not count, even if they precede the end in the log.
    deadline = time_of(history[0]) + datetime.timedelta(seconds=patience)
    before = {event["type"] for event in history[:types.index(end)] if time_of(event) < deadline}
    if end == SHIPPED and not GOOD <= before:
        yield f"is shipped too early: {types}"
    if end == REJECTED and not BAD & before:
        yield f"is rejected for no reason: {types}"
    if end == EXPIRED and (GOOD <= before or BAD & before):
        yield f"expired, but was complete: {types}"
    refunds = types.count(REFUNDED)
    if refunds != ("shop.payment.charged" in types and end != SHIPPED):
        yield f"has {refunds} refunds: {types}"
    if refunds and types.index(REFUNDED) < types.index(end):
        yield f"is refunded before its end: {types}"
    if ("shop.fraud.suspected" in types) != (order["cents"] >= 100000):
        yield f"of {order['cents']} cents is misjudged: {types}"
    if "shop.payment.declined" in before and not order["customer"].startswith("poor"):
        yield f"of {order['customer']} is declined: {types}"
    if len({event["hub_partition"] for event in history}) != 1:
        yield "is in several partitions"
    for i, event in enumerate(history):
        if event["data"] != order:
            yield f"has other data in {event['type']}: {event['data']}"
        if i == 0:
            continue
        if event.get("correlationid") != history[0]["id"]:
            yield f"{event['type']} has the correlationid {event.get('correlationid')}"


def log_violations(events):
    """The log: no id occurs twice, and the offsets of each partition have no gaps."""
    ids = collections.Counter((event["source"], event["id"]) for event in events)
    for event_id, count in ids.items():
        if count > 1:
            yield f"event {event_id} is in the log {count} times"
    offsets = collections.defaultdict(list)
    for event in events:
        offsets[event["hub_partition"]].append(event["hub_offset"])
    for partition, numbers in offsets.items():
        if numbers != list(range(len(numbers))):
            yield f"partition {partition} is out of order"
    known = {event["id"] for event in events}
    for event in events:
        if "causationid" in event and event["causationid"] not in known:
            yield f"the cause of {event['id']} is missing"


def bank_violations(orders, histories, bank):
    for key in set(bank.charges) - set(orders):
        yield f"the bank has charged {key}, which nobody ordered"
    for key, order in orders.items():
        types = [event["type"] for event in histories.get(key, ())]
        charges = bank.charges.get(key, 0)
        if charges != ("shop.payment.charged" in types):
            yield f"order {key} was charged {charges} times: {types}"
        if charges and bank.charged[key] != order["cents"]:
            yield f"order {key} was charged {bank.charged[key]}, and not {order['cents']} cents"
        if (key in bank.cancelled) != (end_of(types) != SHIPPED):
            yield f"the bank has {key} cancelled or not, which ended in {end_of(types)}"


def stock_violations(orders, histories, arrived, stock, bookings, view):
    """`arrived` and `stock`: quantities by article; `bookings` and `view`: states by order."""
    left = collections.Counter(arrived)
    for key, order in orders.items():
        types = [event["type"] for event in histories.get(key, ())]
        end = end_of(types)
        if end == SHIPPED:
            left[order["sku"]] -= order["quantity"]
        expected = "sold out" if "shop.stock.sold-out" in types else (
            "shipped" if end == SHIPPED else "released")
        if bookings.get(key) != expected:
            yield f"the booking of {key} is {bookings.get(key)}, and not {expected}"
        if view.get(key) != end:
            yield f"the view has {key} as {view.get(key)}, and not {end}"
    if dict(left) != stock:
        yield f"in stock is {stock}, and should be {dict(left)}"
    for sku, quantity in stock.items():
        if quantity < 0:
            yield f"{sku} is oversold"


def violations(orders, events, bank, arrived, stock, bookings, view, patience):
    """All that is wrong.

    `orders`: what customers ordered and were told is accepted, by id. `patience`: after how many
    seconds an order expires.
    """
    histories = by_order(events)
    wrong = [f"order {key} is in the log, and nobody ordered it"
             for key in histories if key not in orders]
    for key, order in orders.items():
        wrong += [f"order {key} {what}"
                  for what in story_violations(order, histories.get(key, []), patience)]
    wrong += log_violations(events)
    wrong += bank_violations(orders, histories, bank)
    wrong += stock_violations(orders, histories, arrived, stock, bookings, view)
    return wrong
