"""A hub used from another language: Python, with stubs generated from the contract.

The environment names the programs, EVENTHUBD, PROTOC and GRPC_PYTHON_PLUGIN, and the contract's
folder, PROTO_DIR.
"""

import glob
import importlib
import itertools
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool

try:
    import xxhash
except ImportError:
    xxhash = None

TIMEOUT = 60

# The part of gRPC's reflection protocol that the tests need.
REFLECTION = """
syntax = "proto3";
package grpc.reflection.v1alpha;
service ServerReflection {
  rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
}
message ServerReflectionRequest {
  oneof message_request { string file_containing_symbol = 4; string list_services = 7; }
}
message ServerReflectionResponse {
  oneof message_response {
    FileDescriptorResponse file_descriptor_response = 4;
    ListServiceResponse list_services_response = 6;
  }
}
message FileDescriptorResponse { repeated bytes file_descriptor_proto = 1; }
message ListServiceResponse { repeated ServiceResponse service = 1; }
message ServiceResponse { string name = 1; }
"""

# Filled in by setUpModule.
event_pb2 = hub_pb2 = hub_grpc = admin_pb2 = admin_grpc = health_pb2 = health_grpc = None
subscription_pb2 = subscription_grpc = None
reflection_pb2 = reflection_grpc = None


def generate(directory):
    """Generates the stubs and imports them."""
    proto = os.environ["PROTO_DIR"]
    with open(os.path.join(directory, "reflection.proto"), "w", encoding="utf-8") as file:
        file.write(REFLECTION)
    files = sorted(glob.glob(f"{proto}/eventhub/v1/*.proto"))
    files += [f"{proto}/grpc/health/v1/health.proto", f"{directory}/reflection.proto"]
    subprocess.run(
        [os.environ["PROTOC"], f"-I{proto}", f"-I{directory}", f"--python_out={directory}",
         f"--plugin=protoc-gen-grpc={os.environ['GRPC_PYTHON_PLUGIN']}", f"--grpc_out={directory}",
         *files], check=True)
    # Without this, the folder `grpc` would hide the package of the same name.
    grpc.__path__.append(os.path.join(directory, "grpc"))
    sys.path.insert(0, directory)
    names = ["eventhub.v1.event_pb2", "eventhub.v1.hub_pb2", "eventhub.v1.hub_pb2_grpc",
             "eventhub.v1.admin_pb2", "eventhub.v1.admin_pb2_grpc", "eventhub.v1.subscription_pb2",
             "eventhub.v1.subscription_pb2_grpc", "grpc.health.v1.health_pb2",
             "grpc.health.v1.health_pb2_grpc", "reflection_pb2", "reflection_pb2_grpc"]
    return [importlib.import_module(name) for name in names]


def setUpModule():
    global event_pb2, hub_pb2, hub_grpc, admin_pb2, admin_grpc, health_pb2, health_grpc
    global subscription_pb2, subscription_grpc, reflection_pb2, reflection_grpc
    directory = tempfile.TemporaryDirectory(prefix="eventhub-python-")
    unittest.addModuleCleanup(directory.cleanup)
    (event_pb2, hub_pb2, hub_grpc, admin_pb2, admin_grpc, subscription_pb2, subscription_grpc,
     health_pb2, health_grpc, reflection_pb2, reflection_grpc) = generate(directory.name)


def make_event(number, key=""):
    return event_pb2.Event(id=str(number), source="/python", type="test.done", partition_key=key,
                           data=f"data {number}".encode())


class Consumer:
    """A Consume stream: takes requests and yields responses."""

    def __init__(self, hub, subscription, **credit):
        self.requests = queue.SimpleQueue()
        first = hub_pb2.ConsumeRequest(
            open=hub_pb2.ConsumeOpen(subscription=subscription, consumer="python"))
        if credit:
            first.credit.CopyFrom(hub_pb2.Credit(**credit))
        self.requests.put(first)
        self.call = hub.Consume(iter(self.requests.get, None), timeout=TIMEOUT)
        self.first = next(self.call)  # It may contain events already.
        self.opened = self.first.opened
        self.correlation_id = 0

    def deliveries(self):
        """Yields received events, as (batch, offset, event), forever."""
        for response in itertools.chain([self.first], self.call):
            for batch in response.batches:
                for i, event in enumerate(batch.events):
                    yield batch, batch.base_offset + i, event

    def settle(self, **parts):
        """Sends acks, nacks or extensions; returns the ranges that were refused."""
        self.correlation_id += 1
        self.requests.put(hub_pb2.ConsumeRequest(correlation_id=self.correlation_id, **parts))
        for response in self.call:
            for settlement in response.settlements:
                if settlement.correlation_id == self.correlation_id:
                    return settlement.refused
        raise AssertionError("the stream ended before the settlement")

    def leave(self):
        """Leaves; returns the rest of the stream, which must end with OK."""
        self.requests.put(hub_pb2.ConsumeRequest(leave=True))
        rest = list(self.call)
        self.requests.put(None)
        return rest


def about(part, batch, offset, **fields):
    """Returns an Ack, Nack or LeaseExtension for one event."""
    return part(partition=batch.partition, lease_epoch=batch.lease_epoch,
                ranges=[hub_pb2.OffsetRange(start=offset, end=offset + 1)], **fields)


class PythonClientTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="eventhub-hub-")
        cls.addClassCleanup(temporary.cleanup)
        port_file = os.path.join(temporary.name, "ports")
        cls.log = os.path.join(temporary.name, "log")
        with open(cls.log, "wb") as log:
            cls.process = subprocess.Popen(
                [os.environ["EVENTHUBD"], f"--data_dir={temporary.name}/data",
                 "--listen=127.0.0.1:0", f"--port_file={port_file}", "--log_level=debug"],
                stderr=log)
        cls.addClassCleanup(cls.end)
        end = time.monotonic() + TIMEOUT
        while not os.path.exists(port_file):
            if cls.process.poll() is not None or time.monotonic() > end:
                raise AssertionError("the hub does not start")
            time.sleep(0.005)
        with open(port_file, encoding="utf-8") as file:
            cls.channel = grpc.insecure_channel(file.read().strip())
        cls.addClassCleanup(cls.channel.close)
        cls.hub = hub_grpc.EventHubServiceStub(cls.channel)
        cls.admin = admin_grpc.AdminServiceStub(cls.channel)
        cls.subscriptions = subscription_grpc.SubscriptionServiceStub(cls.channel)

    @classmethod
    def end(cls):
        cls.process.send_signal(signal.SIGTERM)
        if cls.process.wait(TIMEOUT) != 0:
            raise AssertionError("the hub did not end in order")
        with open(cls.log, encoding="utf-8") as log:
            lines = [line for line in log.readlines() if "by anonymous from" not in line]
        # Beside administrative changes: start and end; hundreds of events were published and read.
        if len(lines) > 10:
            raise AssertionError(f"the log has lines for single events: {lines}")

    def topic(self, **settings):
        """Creates a topic named after the test."""
        name = self.id().split(".")[-1]
        self.admin.CreateTopic(
            admin_pb2.CreateTopicRequest(topic=admin_pb2.Topic(name=name, **settings)))
        return name

    def read(self, topic, **options):
        """Returns all events, as (partition, offset, event)."""
        events = []
        for response in self.hub.Read(hub_pb2.ReadRequest(topic=topic, **options)):
            for batch in response.batches:
                for i, event in enumerate(batch.events):
                    events.append((batch.partition, batch.base_offset + i, event))
        return events

    def test_publish_and_read(self):
        topic = self.topic()
        events = [make_event(i) for i in range(5)]
        events[2].attributes["traceparent"].string = "00-1-2-03"
        events[2].time.GetCurrentTime()
        response = self.hub.Publish(hub_pb2.PublishRequest(topic=topic, events=events))
        (placement,) = response.result.placements
        self.assertEqual((placement.partition, placement.base_offset, placement.count), (0, 0, 5))
        self.assertEqual(self.read(topic), [(0, i, event) for i, event in enumerate(events)])

    def test_publish_stream(self):
        topic = self.topic()
        requests = [
            hub_pb2.PublishStreamRequest(topic=topic, correlation_id=100 + i, producer_id="python",
                                         sequence=i, events=[make_event(i)]) for i in range(50)
        ]
        replies = list(self.hub.PublishStream(iter(requests)))
        self.assertEqual([reply.correlation_id for reply in replies], list(range(100, 150)))
        self.assertEqual([reply.result.placements[0].base_offset for reply in replies],
                         list(range(50)))
        (again,) = self.hub.PublishStream(iter(requests[7:8]))
        self.assertTrue(again.result.duplicate)
        self.assertEqual(again.result.placements[0].base_offset, 7)
        self.assertEqual([event.id for _, _, event in self.read(topic)],
                         [str(i) for i in range(50)])

    def test_follow(self):
        topic = self.topic()
        call = self.hub.Read(hub_pb2.ReadRequest(topic=topic, follow=True))
        self.assertEqual([p.offset for p in next(call).start], [0])
        self.assertTrue(next(call).caught_up)
        for i in range(3):
            self.hub.Publish(hub_pb2.PublishRequest(topic=topic, events=[make_event(i)]))
            response = next(call)
            self.assertEqual(response.batches[0].base_offset, i)
            self.assertTrue(response.caught_up)
        call.cancel()

    def error(self, call, request):
        """Returns the status code and the ErrorDetail of a call that must fail."""
        with self.assertRaises(grpc.RpcError) as raised:
            response = call(request)
            list(response)
        trailer = dict(raised.exception.trailing_metadata())["grpc-status-details-bin"]
        status = hub_pb2.ErrorStatus.FromString(trailer)
        self.assertEqual(status.code, raised.exception.code().value[0])
        self.assertEqual(status.message, raised.exception.details())
        (any_detail,) = status.details
        detail = hub_pb2.ErrorDetail()
        self.assertTrue(any_pb2.Any(type_url=any_detail.type_url,
                                    value=any_detail.value).Unpack(detail))
        return raised.exception.code(), detail

    def test_error_details(self):
        detail_of = hub_pb2.ErrorDetail
        code, detail = self.error(self.hub.Read, hub_pb2.ReadRequest(topic="none"))
        self.assertEqual(code, grpc.StatusCode.NOT_FOUND)
        self.assertEqual(detail.reason, detail_of.REASON_TOPIC_NOT_FOUND)
        topic = self.topic()
        request = hub_pb2.PublishRequest(topic=topic, events=[make_event(1), make_event(2)])
        request.events[1].type = ""
        code, detail = self.error(self.hub.Publish, request)
        self.assertEqual(code, grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual((detail.field, detail.event_index), ("events[1].type", 1))
        code, detail = self.error(
            self.admin.CreateTopic,
            admin_pb2.CreateTopicRequest(topic=admin_pb2.Topic(name=topic)))
        self.assertEqual(code, grpc.StatusCode.ALREADY_EXISTS)
        request = hub_pb2.ReadRequest(topic=topic)
        request.start.offset = 9
        code, detail = self.error(self.hub.Read, request)
        self.assertEqual(code, grpc.StatusCode.OUT_OF_RANGE)
        self.assertEqual((detail.earliest_offset, detail.end_offset), (0, 0))

    def subscription(self, topic, kind, **settings):
        """Creates a subscription of a topic, from its start, named after the test."""
        response = self.subscriptions.CreateSubscription(
            subscription_pb2.CreateSubscriptionRequest(
                subscription=subscription_pb2.Subscription(
                    name=topic, topic=topic, kind=kind, **settings),
                start=hub_pb2.StartPosition(earliest=True)))
        return response.subscription.name

    def stats(self, name):
        return self.subscriptions.GetSubscription(
            subscription_pb2.GetSubscriptionRequest(name=name)).stats

    def test_queue_consumer(self):
        topic = self.topic()
        name = self.subscription(topic, subscription_pb2.Subscription.KIND_QUEUE,
                                 max_delivery_attempts=2)
        self.hub.Publish(
            hub_pb2.PublishRequest(topic=topic, events=[make_event(i) for i in range(4)]))
        consumer = Consumer(self.hub, name, events=1, bytes=1 << 20)
        self.assertTrue(consumer.opened.queue)
        self.assertEqual(consumer.opened.ack_deadline.seconds, 30)
        # One at a time: 0 succeeds, 1 fails once, 2 is given up, 3 fails twice and is given up too.
        failures = {1: 1, 3: 2}
        seen = []
        for batch, offset, event in consumer.deliveries():
            self.assertEqual(event, make_event(offset))
            seen.append((offset, batch.delivery_attempt))
            if offset == 2:
                parts = {"nacks": [about(hub_pb2.Nack, batch, offset, reason="no good",
                                         action=hub_pb2.Nack.ACTION_PARK)]}
            elif failures.get(offset, 0) >= batch.delivery_attempt:
                nack = about(hub_pb2.Nack, batch, offset, reason="failed")
                nack.retry_after.FromMilliseconds(0)
                parts = {"nacks": [nack]}
            else:
                parts = {"acks": [about(hub_pb2.Ack, batch, offset)]}
            # Without credit nothing arrives before the settlement, so no event is skipped.
            self.assertEqual(list(consumer.settle(credit=hub_pb2.Credit(), **parts)), [])
            if self.stats(name).lag_events == 0:
                break
            consumer.requests.put(
                hub_pb2.ConsumeRequest(credit=hub_pb2.Credit(events=1, bytes=1 << 20)))
        self.assertEqual(seen, [(0, 1), (1, 1), (1, 2), (2, 1), (3, 1), (3, 2)])
        consumer.leave()
        letters = self.subscriptions.ListDeadLetters(
            subscription_pb2.ListDeadLettersRequest(subscription=name)).dead_letters
        self.assertEqual([(l.source_offset, l.attempts, l.reason) for l in letters],
                         [(2, 1, "no good"), (3, 2, "failed")])

    def test_stream_consumer(self):
        topic = self.topic(partitions=2)
        name = self.subscription(topic, subscription_pb2.Subscription.KIND_STREAM)
        for partition in range(2):
            self.hub.Publish(hub_pb2.PublishRequest(
                topic=topic, partition=partition, events=[make_event(i) for i in range(10)]))
        # The first consumer acks a part and disconnects; the next one continues from there.
        first = Consumer(self.hub, name)
        self.assertFalse(first.opened.queue)
        deliveries = first.deliveries()
        got = [next(deliveries) for _ in range(20)]
        for partition in range(2):
            offsets = [offset for batch, offset, _ in got if batch.partition == partition]
            self.assertEqual(offsets, list(range(10)))
        acks = [about(hub_pb2.Ack, batch, 5) for batch in
                {batch.partition: batch for batch, _, _ in got}.values()]
        self.assertEqual(list(first.settle(acks=acks)), [])
        first.call.cancel()
        second = Consumer(self.hub, name)
        deliveries = second.deliveries()
        rest = [next(deliveries) for _ in range(8)]
        self.assertEqual(sorted((batch.partition, offset) for batch, offset, _ in rest),
                         [(p, o) for p in range(2) for o in range(6, 10)])
        # Its death counts as a failed attempt of the first event in each partition; it may have
        # processed more.
        self.assertEqual({(offset, batch.delivery_attempt) for batch, offset, _ in rest},
                         {(6, 2), (7, 1), (8, 1), (9, 1)})
        self.assertTrue(all(batch.redelivered for batch, _, _ in rest))
        # It cannot settle events under the earlier lease.
        (refused,) = second.settle(acks=acks[:1])
        self.assertEqual(refused.error.code, grpc.StatusCode.ABORTED.value[0])
        acks = [about(hub_pb2.Ack, batch, 9) for batch in
                {batch.partition: batch for batch, _, _ in rest}.values()]
        self.assertEqual(list(second.settle(acks=acks)), [])
        second.leave()
        self.assertEqual(self.stats(name).lag_events, 0)

    def test_consumers_that_come_and_go(self):
        """After a consumer ends in any way, the next one gets its events, and none of its state remains."""
        topic = self.topic()
        name = self.subscription(topic, subscription_pb2.Subscription.KIND_QUEUE)
        self.hub.Publish(hub_pb2.PublishRequest(topic=topic, events=[make_event(i) for i in range(3)]))

        def half_close(consumer):
            consumer.requests.put(None)
            list(consumer.call)

        def leave(consumer):
            consumer.settle(acks=[about(hub_pb2.Ack, batch, offset) for batch, offset, _ in consumer.taken])
            consumer.leave()

        def send_after_leaving(consumer):
            consumer.requests.put(hub_pb2.ConsumeRequest(leave=True))
            consumer.requests.put(hub_pb2.ConsumeRequest(credit=hub_pb2.Credit(events=1, bytes=1)))
            consumer.call.cancel()

        def go_without_a_word(consumer):
            consumer.call.cancel()

        for number, end in enumerate(100 * [half_close, go_without_a_word, send_after_leaving] + [leave]):
            consumer = Consumer(self.hub, name)
            consumer.taken = list(itertools.islice(consumer.deliveries(), 3))
            self.assertEqual([offset for _, offset, _ in consumer.taken], [0, 1, 2])
            self.assertEqual({batch.delivery_attempt for batch, _, _ in consumer.taken}, {number + 1})
            end(consumer)
        self.assertEqual(self.stats(name).lag_events, 0)
        request = subscription_pb2.GetSubscriptionRequest(name=name)
        end = time.monotonic() + TIMEOUT
        while consumers := self.subscriptions.GetSubscription(request).consumers:
            self.assertLess(time.monotonic(), end, consumers)

    def test_consume_errors(self):
        def consume(first):
            return self.hub.Consume(iter([first]))
        code, detail = self.error(
            consume, hub_pb2.ConsumeRequest(open=hub_pb2.ConsumeOpen(subscription="none")))
        self.assertEqual(code, grpc.StatusCode.NOT_FOUND)
        self.assertEqual(detail.reason, hub_pb2.ErrorDetail.REASON_SUBSCRIPTION_NOT_FOUND)
        code, detail = self.error(consume, hub_pb2.ConsumeRequest(leave=True))
        self.assertEqual(code, grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(detail.field, "open")

    def test_health(self):
        stub = health_grpc.HealthStub(self.channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        for service in ["", "eventhub.v1.EventHubService", "eventhub.v1.AdminService",
                        "eventhub.v1.SubscriptionService"]:
            request = health_pb2.HealthCheckRequest(service=service)
            self.assertEqual(stub.Check(request).status, serving)
            watch = stub.Watch(request)
            self.assertEqual(next(watch).status, serving)
            watch.cancel()

    def test_partition_of_a_key(self):
        topic = self.topic(partitions=7)
        keys = [f"key-{i}" for i in range(30)] + ["\u00e4\u4e16"]
        self.hub.Publish(hub_pb2.PublishRequest(
            topic=topic, events=[make_event(i, key) for i, key in enumerate(keys)]))
        found = {event.partition_key: partition for partition, _, event in self.read(topic)}
        self.assertEqual(set(found), set(keys))
        if xxhash is None:
            self.skipTest("there is no xxhash to compare the partitions with")
        for key, partition in found.items():
            self.assertEqual(partition, xxhash.xxh64(key.encode(), seed=0).intdigest() % 7)

    def reflect(self, **request):
        stub = reflection_grpc.ServerReflectionStub(self.channel)
        (response,) = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(**request)]))
        return response

    def test_reflection_describes_every_service(self):
        response = self.reflect(list_services="*")
        names = sorted(service.name for service in response.list_services_response.service)
        self.assertEqual(names, ["eventhub.v1.AdminService", "eventhub.v1.DelayedEventService",
                                 "eventhub.v1.ErasureService", "eventhub.v1.EventHubService",
                                 "eventhub.v1.LinkService", "eventhub.v1.RouteService",
                                 "eventhub.v1.SubscriptionService", "eventhub.v1.TopologyService",
                                 "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                 "grpc.reflection.v1alpha.ServerReflection"])
        for name in names:
            files = self.reflect(file_containing_symbol=name).file_descriptor_response
            self.assertTrue(files.file_descriptor_proto, name)
            pool = descriptor_pool.DescriptorPool()
            pending = [descriptor_pb2.FileDescriptorProto.FromString(file)
                       for file in files.file_descriptor_proto]
            described = set()
            while pending:  # Dependencies may come in any order.
                complete = [file for file in pending if described.issuperset(file.dependency)]
                self.assertTrue(complete, "a dependency is missing")
                for file in complete:
                    pool.Add(file)
                    described.add(file.name)
                    pending.remove(file)
            service = pool.FindServiceByName(name)
            self.assertTrue(service.methods)
            for method in service.methods:
                self.assertIsNotNone(method.input_type.full_name)


if __name__ == "__main__":
    unittest.main()
