#!/usr/bin/env python3
"""Runs the shop under load, causes faults, and proves that every order ends correctly.

  client/examples/shop/prove.py [--bin=build/dev/bin] [--seed=N] [--seconds=N] [--rate=N] [--keep]

Customers order all the time. Meanwhile the hub and each service are killed, the bank misbehaves,
the database is locked and lost, and poison is published. Then the operator repairs the bank and
resubmits faults. At the end every order must have ended correctly, exactly once: see oracle.py. By
default each fault is caused once, in a sequence that the seed determines; with --seconds, faults
are caused until the time has passed.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import bank as bank_module
import oracle

HERE = os.path.dirname(os.path.abspath(__file__))
SUBSCRIPTIONS = ("fraud", "fulfilment", "inventory", "payments")
ARRIVED = {"tea": 1000000, "cup": 1000000, "rare": 25}
PATIENCE_SECONDS = 4
# The time limit of every step, for a busy machine.
DEADLINE_SECONDS = 60


class Failure(Exception):
    """The shop does not do what it should."""


def wait_until(what, condition):
    """Calls `condition` until it is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"did not happen in {DEADLINE_SECONDS} s: {what}")
        time.sleep(0.02)


class Program:
    """A process that can be killed and started again. Its output goes to a log."""

    def __init__(self, name, directory, arguments, **streams):
        self.name = name
        self.log = f"{directory}/{name}.log"
        self.arguments = arguments
        self.streams = streams
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, **self.streams}
            self.process = subprocess.Popen(self.arguments, stderr=log, **streams,
                                            env=dict(os.environ, no_proxy="*"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def check_runs(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} has ended with {self.process.returncode}: see {self.log}")

    def stop(self):
        """Ends it gracefully."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired as expired:
            raise Failure(f"{self.name} does not stop") from expired
        if code != 0:
            raise Failure(f"{self.name} has ended with {code}: see {self.log}")


class CommandLine:
    """The command line of the hub, as an operator uses it."""

    def __init__(self, program, address):
        self.program = program
        self.environment = dict(os.environ, EVENTHUB_ADDRESS=address)

    def run(self, *arguments, stdin=""):
        result = subprocess.run([self.program, *arguments], input=stdin, capture_output=True,
                                text=True, env=self.environment, check=False,
                                timeout=DEADLINE_SECONDS)
        if result.returncode != 0:
            raise Failure(f"eventhub {' '.join(arguments)}: {result.stderr}")
        return result.stdout

    def json(self, *arguments):
        return [json.loads(line) for line in self.run(*arguments, "--output=json").splitlines()]

    def subscription_stats(self):
        return {one["name"]: one["stats"] for one in self.json("subscriptions", "list")}

    def faults(self, *conditions):
        return self.json("faults", "list", *conditions)

    def close_faults(self, how, faults):
        self.run("faults", how, *sorted({fault["fault"] for fault in faults}), "--yes")


class Story:
    """Follows the topic of orders. Continues after a crash of the hub."""

    def __init__(self, command_line):
        self.lock = threading.Lock()
        self.events = []
        self.ends = {}
        self.process = subprocess.Popen(
            [command_line.program, "read", "orders", "--follow", "--output=json"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=command_line.environment)
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        for line in self.process.stdout:
            event = json.loads(line)
            with self.lock:
                self.events.append(event)
                if event["type"] in (oracle.SHIPPED, oracle.REJECTED, oracle.EXPIRED):
                    self.ends[event["subject"]] = event["type"]

    def size(self):
        with self.lock:
            return len(self.events)

    def count(self, end):
        with self.lock:
            return sum(kind == end for kind in self.ends.values())

    def has_ended(self, orders):
        with self.lock:
            return all(order in self.ends for order in orders)

    def close(self):
        self.process.kill()
        self.process.wait()


class Customers:
    """Order at a steady rate, and order again under the same id until they are told "accepted"."""

    def __init__(self, orders_service, rate, rng):
        self.service = orders_service
        self.rate = rate
        self.rng = rng
        self.lock = threading.Lock()
        self.ordered = {}
        self.accepted = set()
        self.going = threading.Event()
        self.going.set()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def new_order(self, customer=None):
        with self.lock:
            order = {
                "id": f"ord-{len(self.ordered) + 1}",
                "customer": customer or self.rng.choices(
                    ["ann", "ben", "cleo", "poor-dora", "odd-emil"], [30, 30, 30, 5, 3])[0],
                "sku": self.rng.choices(["tea", "cup", "rare"], [60, 35, 5])[0],
                "quantity": self.rng.randint(1, 3),
                "cents": self.rng.choices([self.rng.randint(100, 9000), 150000], [95, 5])[0],
            }
            self.ordered[order["id"]] = order
        self.send([order])
        return order

    def send(self, orders):
        lines = "".join(json.dumps(order) + "\n" for order in orders)
        with self.lock:
            try:
                self.service.process.stdin.write(lines.encode())
                self.service.process.stdin.flush()
            except OSError:
                pass  # The service has died; see listen.

    def listen(self):
        """Begins to hear what the service accepts; to be called for each process."""
        with self.lock:
            unheard = [order for key, order in self.ordered.items() if key not in self.accepted]
        threading.Thread(target=self.hear, args=(self.service.process.stdout,),
                         daemon=True).start()
        self.send(unheard)

    def hear(self, stream):
        for line in stream:
            with self.lock:
                self.accepted.add(line.decode().strip())

    def run(self):
        pause = threading.Event()
        while self.going.is_set():
            self.new_order()
            pause.wait(self.rng.expovariate(self.rate))  # The pace of customers.

    def are_all_accepted(self):
        with self.lock:
            return len(self.accepted) == len(self.ordered)

    def stop(self):
        self.going.clear()
        self.thread.join()


class Shop:
    """The hub, the services, the bank and the customers."""

    def __init__(self, options, directory, rng):
        self.rng = rng
        self.directory = directory
        self.database = f"{directory}/stock.db"
        self.bank = bank_module.Bank()
        self.usual_mode = "broken"  # Until it is mended.
        self.bank.set_mode(self.usual_mode)
        address = f"unix:{directory}/hub"
        self.cli = CommandLine(f"{options.bin}/eventhub", address)
        self.hub = Program("hub", directory, [
            f"{options.bin}/eventhubd", f"--data_dir={directory}/data", f"--listen={address}"])
        self.services = {}

        def add(name, *arguments, number="", **streams):
            self.services[name + number] = Program(
                name + number, directory, [f"{options.bin}/shop_{name}", address, *arguments],
                **streams)

        add("orders", f"{directory}/outbox", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        add("inventory", self.database)
        # Two processes of these share the work, and take over from each other.
        for number in ("-1", "-2"):
            add("payments", f"http://127.0.0.1:{self.bank.port}", number=number)
            add("fraud", number=number)
            add("fulfilment", str(PATIENCE_SECONDS), number=number)
        self.customers = Customers(self.services["orders"], options.rate, rng)
        self.story = None
        self.poison = set()

    def open(self):
        self.start_hub()
        self.cli.run("apply", "-f", f"{HERE}/topology.yaml")
        for sku, quantity in ARRIVED.items():
            self.cli.run("publish", "inventory", "--type=shop.stock.arrived",
                         f"--id-prefix=delivery-{sku}-", f"--key={sku}", "--quiet",
                         "--content-type=application/json", stdin=json.dumps(
                             {"id": f"delivery-{sku}", "sku": sku, "quantity": quantity}))
        self.story = Story(self.cli)
        for service in self.services.values():
            service.start()
        self.customers.listen()
        self.customers.thread.start()

    def start_hub(self):
        self.hub.start()
        self.cli.run("health", "--wait=30s", "--quiet")

    def restart(self, name):
        self.services[name].start()
        if name == "orders":
            self.customers.listen()

    def backlog(self, subscription):
        stats = self.cli.subscription_stats()[subscription]
        return stats["lag_events"]

    def wait_for_business(self):
        """Until orders are shipped again, of those that are placed from now on."""
        order = self.customers.new_order("ann")
        shipped = self.story.count(oracle.SHIPPED)
        wait_until("orders are shipped again", lambda: (
            self.story.has_ended([order["id"]]) and self.story.count(oracle.SHIPPED) > shipped))
        self.check_all_run()

    def check_all_run(self):
        for program in (self.hub, *self.services.values()):
            program.check_runs()

    # Faults: each breaks something, sees it broken, and repairs it.

    def rush(self):
        """Many orders at once, and the moment when some of the work for them is done."""
        events = self.story.size()
        for _ in range(30):
            self.customers.new_order()
        more = self.rng.randint(1, 60)
        wait_until("orders get on", lambda: self.story.size() >= events + more)

    def hub_dies(self):
        self.rush()
        accepted = len(self.customers.accepted)
        self.hub.kill()
        # The upstream bulkhead: customers do not notice.
        wait_until("orders are accepted without a hub",
                   lambda: len(self.customers.accepted) > accepted + 10)
        self.start_hub()

    def service_dies(self, name):
        self.rush()
        self.services[name].kill()
        ordered = len(self.customers.ordered) + self.rng.randint(0, 30)
        wait_until("customers order meanwhile", lambda: len(self.customers.ordered) >= ordered)
        self.restart(name)

    def all_die(self):
        self.rush()
        self.hub.kill()
        for service in self.services.values():
            service.kill()
        for name in self.services:
            self.restart(name)
        self.start_hub()

    def bank_misbehaves(self, mode):
        spoiled = self.bank.spoiled[mode]
        self.bank.set_mode(mode)
        wait_until(f"the bank is {mode}", lambda: self.bank.spoiled[mode] > spoiled + 8)
        self.bank.set_mode(self.usual_mode)

    def bank_is_away(self):
        self.bank.close()
        wait_until("payments wait", lambda: self.backlog("payments") > 10)
        self.bank.open()

    def database_is_locked(self):
        with sqlite3.connect(self.database, isolation_level=None, timeout=30) as database:
            database.execute("BEGIN IMMEDIATE")
            wait_until("the inventory waits", lambda: self.backlog("inventory") > 10)
            database.execute("ROLLBACK")
        database.close()

    def database_is_lost(self):
        self.rush()
        self.services["inventory"].kill()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(self.database + suffix):
                os.remove(self.database + suffix)
        self.restart("inventory")

    def poison_arrives(self):
        """Events that no service can read: about no order, and between the facts of another."""
        neighbour = self.customers.new_order("ben")["id"]
        alone = self.publish_poison(f"nothing-{len(self.poison)}")
        between = self.publish_poison(neighbour)
        # What comes when an order has ended is nothing to the fulfilment.
        expected = {(name, event) for name in SUBSCRIPTIONS for event in alone | between
                    if name != "fulfilment" or event in alone}
        wait_until("each service parks the poison", lambda: expected <= {
            (fault["subscription"], fault["id"]) for fault in self.cli.faults()})
        wait_until("the order beside it ends", lambda: self.story.has_ended([neighbour]))

    def publish_poison(self, key):
        """Returns the ids."""
        prefix = f"poison-{len(self.poison)}-"
        lines = ['{"id": "ord-', "[]", '{"id": "x", "sku": "tea", "quantity": "many"}',
                 '{"id": "x", "customer": "eve", "sku": "tea", "quantity": -1, "cents": 1}']
        self.cli.run("publish", "orders", f"--type={oracle.PLACED}", f"--id-prefix={prefix}",
                     f"--key={key}", f"--subject={key}", "--attribute=sku=tea",
                     "--content-type=application/json", "--quiet", stdin="\n".join(lines))
        ids = {f"{prefix}{i + 1}" for i in range(len(lines))}
        self.poison |= ids
        return ids

    def faults(self):
        """By name."""
        return {
            "the hub dies": self.hub_dies,
            "all die": self.all_die,
            **{f"{name} dies": lambda name=name: self.service_dies(name)
               for name in self.services},
            **{f"the bank is {mode}": lambda mode=mode: self.bank_misbehaves(mode)
               for mode in ("slow", "failing", "amnesic")},
            "the bank is away": self.bank_is_away,
            "the database is locked": self.database_is_locked,
            "the database is lost": self.database_is_lost,
            "poison arrives": self.poison_arrives,
        }

    # The operator.

    def mend(self):
        """Mends the bank, resubmits what failed because of it, and discards the poison."""
        wait_until("an order expires that is not paid", lambda: self.story.count(oracle.EXPIRED))
        late = self.customers.new_order("odd-fred")["id"]
        wait_until("the bank refuses odd customers",
                   lambda: f"{late}-placed" in {fault["id"] for fault in self.cli.faults()})
        self.usual_mode = "fine"
        self.bank.set_mode("fine")
        resubmitted = set()
        wait_until("all that the bank refused is resubmitted",
                   lambda: not self.resubmit_refused(resubmitted))
        poisoned = self.cli.faults()
        if poisoned:
            # It fails again, and is the same fault.
            self.cli.close_faults("resubmit", poisoned)
            again = {(fault["fault"], 2) for fault in poisoned}
            wait_until("the poison is parked again", lambda: again == {
                (fault["fault"], fault["failures"]) for fault in self.cli.faults()})
            self.cli.close_faults("discard", poisoned)
        wait_until("what was resubmitted is resolved", lambda: resubmitted == {
            fault["fault"] for fault in self.cli.faults("--state=resolved")})
        return len(resubmitted)

    def resubmit_refused(self, resubmitted):
        """Resubmits what the bank refused so far; returns how many."""
        faults = [fault for fault in self.cli.faults() if fault["id"] not in self.poison]
        for fault in faults:
            if "HTTP 422" not in fault["detail"]["message"]:
                raise Failure(f"an outage has made a fault: {fault}")
        if faults:
            self.cli.close_faults("resubmit", faults)
        resubmitted |= {fault["fault"] for fault in faults}
        return len(faults)

    # The end.

    def is_quiet(self):
        """Whether nothing is to be done, and no order can expire anymore."""
        def sizes():
            return [self.cli.json("topics", "describe", topic)[0]["stats"]["published_events"]
                    for topic in ("checkout", "orders", "inventory")]

        timers = self.cli.json("delayed", "list", "orders", "--due-before=1h")
        before = sizes()
        stats = self.cli.subscription_stats()
        return (not timers and before == sizes()
                and all(stats[name][what] == 0 for name in SUBSCRIPTIONS
                        for what in ("lag_events", "in_flight_events", "open_dead_letters")))

    def close_up(self):
        """Lets everything come to its end, and stops the services."""
        self.customers.stop()
        wait_until("all orders are accepted", self.customers.are_all_accepted)
        orders = self.services["orders"].process
        orders.stdin.close()
        if orders.wait(DEADLINE_SECONDS) != 0:
            raise Failure("orders does not drain its outbox")
        wait_until("all orders have ended",
                   lambda: self.story.has_ended(self.customers.ordered))
        wait_until("the shop is quiet", self.is_quiet)
        for name, service in self.services.items():
            if name != "orders":
                service.stop()

    def violations(self):
        events = self.cli.json("read", "orders")
        with sqlite3.connect(self.database) as database:
            stock = dict(database.execute("SELECT sku, available FROM stock"))
            bookings = dict(database.execute(
                "SELECT id, state FROM bookings WHERE state <> 'arrived'"))
            view = dict(database.execute(
                "SELECT key, state FROM orders WHERE state <> 'shop.stock.arrived'"))
        database.close()
        wrong = oracle.violations(self.customers.ordered, events, self.bank, ARRIVED, stock,
                                  bookings, view, PATIENCE_SECONDS)
        for partition in range(4):
            def log(of, partition=partition):
                return [event["id"] for event in of if event["hub_partition"] == partition]
            if log(events) != log(self.story.events):
                wrong.append(f"who followed partition {partition} has seen something else")
        return wrong

    def close(self):
        if self.story is not None:
            self.story.close()
        for program in (*self.services.values(), self.hub):
            if program.process is not None and program.process.poll() is None:
                program.kill()
        self.bank.close()


def run(options, directory):
    rng = random.Random(options.seed)
    shop = Shop(options, directory, rng)
    start = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - start:6.1f} s  {text}", flush=True)

    try:
        shop.open()
        shop.customers.new_order("odd-emil")
        shop.wait_for_business()
        say("the shop is open")
        while True:
            faults = list(shop.faults().items())
            rng.shuffle(faults)
            for name, inject in faults:
                inject()
                shop.wait_for_business()
                say(name)
            if time.monotonic() - start > options.seconds:
                break
        say(f"{shop.mend()} payments are resubmitted")
        shop.close_up()
        say("the shop is closed")
        wrong = shop.violations()
    finally:
        shop.close()
    ends = list(shop.story.ends.values())
    say(f"{len(shop.customers.ordered)} orders: " + ", ".join(
        f"{ends.count(end)} {end.rsplit('.', maxsplit=1)[1]}"
        for end in (oracle.SHIPPED, oracle.REJECTED, oracle.EXPIRED)))
    for what in wrong[:20]:
        print(what)
    if wrong:
        raise Failure(f"{len(wrong)} violations")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="build/dev/bin", help="where the programs are")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=0, help="how long faults come at least")
    parser.add_argument("--rate", type=float, default=100, help="orders per second")
    parser.add_argument("--keep", action="store_true", help="keep the logs and the data")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="shop-")
    print(f"seed {options.seed}, logs in {directory}", flush=True)
    try:
        run(options, directory)
    except Failure as failure:
        print(f"FAILED with seed {options.seed}: {failure}")
        print(f"the logs are in {directory}")
        return 1
    if not options.keep:
        shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
