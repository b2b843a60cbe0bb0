#!/usr/bin/env python3
"""The bank of the shop: an HTTP service that can be told to misbehave.

  bank.py [PORT]

POST /charges        an order: 201 charged, 402 declined, 409 cancelled before
POST /cancellations  an order: 200 the money is given back, 204 there was none
POST /mode           one of MODES, as text

An order is charged once, however often that is asked for: its id is the idempotency key. Customers
whose name begins with "poor" are declined.
"""

import http.server
import json
import sys
import threading

MODES = (
    "fine",
    "slow",     # answers after the client has given up
    "failing",  # answers 503
    "amnesic",  # charges, and drops the connection without an answer
    "broken",   # answers 422 for charges of customers whose name begins with "odd"
)


class Bank:
    """The accounts, and the server in front of them. Thread-safe."""

    def __init__(self, port=0):
        self.lock = threading.Lock()
        self.mode = "fine"
        self.healthy = threading.Event()  # Set while the mode is not "slow".
        self.healthy.set()
        self.charged = {}       # Cents by order.
        self.charges = {}       # How often money was taken, by order.
        self.declined = set()
        self.cancelled = set()
        self.served = 0         # Requests that had a proper answer.
        self.spoiled = dict.fromkeys(MODES, 0)  # Requests that had not, by mode.
        self.port = port
        self.server = None
        self.open()

    def open(self):
        """Listens; on the same port as before, if there was one."""
        bank = self

        class Handler(_Handler):
            owner = bank

        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        """Refuses connections, and breaks those that there are."""
        self.server.shutdown()
        self.server.server_close()
        self.server.break_connections()

    def set_mode(self, mode):
        if mode not in MODES:
            raise ValueError(f"no mode {mode}")
        with self.lock:
            self.mode = mode
        if mode == "slow":
            self.healthy.clear()
        else:
            self.healthy.set()

    def charge(self, order):
        """Returns the status of the response."""
        key = order["id"]
        if key in self.charged:
            return 201 if key not in self.cancelled else 409
        if key in self.cancelled:
            return 409
        if order["customer"].startswith("poor"):
            self.declined.add(key)
            return 402
        self.charged[key] = order["cents"]
        self.charges[key] = self.charges.get(key, 0) + 1
        return 201

    def is_odd(self, order):
        """Whether the broken bank cannot charge this order. What it did once it still knows."""
        return order["customer"].startswith("odd") and order["id"] not in self.charged

    def cancel(self, order):
        """Returns the status of the response."""
        self.cancelled.add(order["id"])
        return 200 if order["id"] in self.charged else 204

    def answer(self, path, order):
        """Returns the status of the response, or None for no response."""
        with self.lock:
            mode = self.mode
            if mode == "failing":
                status = 503
            elif mode == "broken" and path == "/charges" and self.is_odd(order):
                status = 422
            else:
                status = self.charge(order) if path == "/charges" else self.cancel(order)
                if mode == "amnesic":
                    status = None
            if status is None or status in (422, 503) or mode == "slow":
                self.spoiled[mode] += 1
            else:
                self.served += 1
        if mode == "slow":
            self.healthy.wait(5)
        return status


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def do_POST(self):  # The name is http.server's.
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/mode":
            try:
                self.owner.set_mode(body.decode().strip())
            except ValueError:
                self.respond(400)
                return
            self.respond(204)
            return
        if self.path not in ("/charges", "/cancellations"):
            self.respond(404)
            return
        status = self.owner.answer(self.path, json.loads(body))
        if status is None:
            self.close_connection = True
        else:
            self.respond(status)

    def respond(self, status):
        try:
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            self.close_connection = True  # The client has gone.

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments):
        self.connections = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # A connection that broke.

    def break_connections(self):
        for request in list(self.connections):
            try:
                request.shutdown(2)
            except OSError:
                pass


if __name__ == "__main__":
    served = Bank(int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
    print(f"the bank is at http://127.0.0.1:{served.port}", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        served.close()
