"""What a user of Bytewax and River would write: half-space trees of each identity. Environment: BROKERS, TOPIC,
EVENTS. Prints `first` and `done`."""

import json
import os
import sys
import zlib

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.connectors.stdio import StdOutSink
from bytewax.dataflow import Dataflow
from river import anomaly

EXPECTED = int(os.environ["EVENTS"])
FIELDS = (("source", "host"), ("source", "ip"), ("source", "country"), ("source", "user_agent"))
SURPRISING = 0.95
processed = 0


def features(event):
    values = [event.get(first, {}).get(second, "") for first, second in FIELDS]
    values += [event.get("action", ""), event.get("resource", "")]
    places = {str(at): zlib.crc32(str(value).encode()) / 2**32 for at, value in enumerate(values)}
    return {**places, "hour": int(event["time"][11:13]) / 24}


def keyed(message):
    event = json.loads(message.value)
    return event["identity"]["id"], features(event)


def score(trees, values):
    global processed
    trees = trees or anomaly.HalfSpaceTrees(n_trees=10, height=8, window_size=100)
    surprise = trees.score_one(values)
    trees.learn_one(values)
    processed += 1
    if processed == 1:
        print("first", file=sys.stderr, flush=True)
    if processed == EXPECTED:
        print("done", file=sys.stderr, flush=True)
    return trees, surprise


flow = Dataflow("half_space_trees")
source = KafkaSource([os.environ["BROKERS"]], [os.environ["TOPIC"]], tail=False, batch_size=1000)
scored = op.stateful_map("score", op.map("key", op.input("events", flow, source), keyed), score)
surprising = op.filter("surprising", scored, lambda item: item[1] > SURPRISING)
op.output("alerts", op.map("text", surprising, lambda item: f"{item[0]} {item[1]:.3f}"), StdOutSink())
