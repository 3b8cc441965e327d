"""`bench latency`: from publish to handled at a steady rate, against a bare blocking loop; and
from a commit to the topic, by way of the outbox and an idle relay, against a plain publish."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import orjson

from app.bench.machine import Machine, machine
from app.events.event import Event
from app.streams import keys
from app.streams.client import connect

STREAM, GROUP = "bench:latency", "bench"
DELAYS = "bench:delays"
IDLE, IDLE_PAUSE = 60, 0.15


def run(
    rates: list[int], seconds: float, rounds: int, fsync: str | None, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Delays at each rate, ours and the reference's in turns; in milliseconds."""
    found: dict[str, Any] = {}
    with machine(fsync) as ours:
        ours.start_worker("default", 2)
        for rate in rates:
            pairs = []
            for number in range(rounds):
                theirs = _reference(ours, rate, seconds)
                mine = _ours(ours, rate, seconds)
                pairs.append((mine, theirs))
                tell(
                    f"{rate}/s, round {number + 1}: median {mine[0]:.2f} ms (reference {theirs[0]:.2f}),"
                    f" p99 {mine[1]:.2f} ms ({theirs[1]:.2f})"
                )
            found[str(rate)] = {
                "median": statistics.median(mine[0] for mine, _ in pairs),
                "p99": statistics.median(mine[1] for mine, _ in pairs),
                "reference median": statistics.median(theirs[0] for _, theirs in pairs),
                "reference p99": statistics.median(theirs[1] for _, theirs in pairs),
            }
        ours.start_worker("system", 1)
        idle = {
            "outbox": _idle(ours, _by_outbox),
            "event store": _idle(ours, _by_store),
            "reference: publish": _idle(ours, _by_publish),
        }
        reference = idle["reference: publish"][0]
        told = {
            name: {"median": median, "p99": p99, "ratio": median / reference}
            for name, (median, p99) in idle.items()
        }
        return {
            "benchmark": "latency (ms)", **ours.describe(), "rates": found,
            f"an idle relay, from before a commit to its topic, {IDLE} times": told,
        }  # fmt: skip


def _idle(machine: Machine, write: Callable[[Machine, Event], None]) -> tuple[float, float]:
    """Write one event at a time, with pauses, and wait for it in its topic."""
    stream, delays = keys.topic_stream("idle", 0), []
    reader = connect(machine.server.url)
    last: Any = (reader.xrevrange(stream, count=1) or [(b"0-0", {})])[0][0]
    for number in range(IDLE):
        time.sleep(IDLE_PAUSE)
        event = Event(type="idle.made", data={"n": number})
        begun = time.perf_counter()
        write(machine, event)
        found: Any = reader.xread({stream: last}, block=10_000)
        delays.append(time.perf_counter() - begun)
        if not found:
            raise TimeoutError("an event of the outbox did not come within 10 s: is there a relay?")
        last = (found[0][1] if isinstance(found, list) else found[stream.encode()][0])[-1][0]
    return _figures(delays)


def _by_outbox(machine: Machine, event: Event) -> None:
    with machine.platform.database.session() as session:
        machine.platform.outbox.add(session, [event])


def _by_store(machine: Machine, event: Event) -> None:
    machine.platform.event_store.append("idle-1", event)


def _by_publish(machine: Machine, event: Event) -> None:
    machine.platform.publisher.publish([event])


def _steadily(rate: int, seconds: float, send: Callable[[float], None]) -> int:
    """Call `send` at a rate; how often."""
    begun, sent = time.perf_counter(), 0
    while True:
        passed = time.perf_counter() - begun
        if passed >= seconds:
            return sent
        while sent < passed * rate:
            send(time.time())
            sent += 1
        time.sleep(0.0005)


def _ours(machine: Machine, rate: int, seconds: float) -> tuple[float, float]:
    machine.client.delete(DELAYS)

    def publish(at: float) -> None:
        event = Event(type="timed.made", data={"n": 0, "at": at})
        machine.platform.publisher.publish([event])

    sent = _steadily(rate, seconds, publish)
    # The handler reports by the hundred.
    machine.wait_for(
        lambda: machine.client.llen(DELAYS) >= sent - 200, 60, "the events to be handled"
    )
    return _figures([float(delay) for delay in machine.client.lrange(DELAYS, 0, -1)])


def _reference(machine: Machine, rate: int, seconds: float) -> tuple[float, float]:
    """The same rate from this process, read by a bare loop in a process of its own."""
    client = connect(machine.server.url)
    client.delete(STREAM)
    client.execute_command("XGROUP", "CREATE", STREAM, GROUP, "$", "MKSTREAM")
    forked = multiprocessing.get_context("spawn")
    here, there = forked.Pipe()
    reader = forked.Process(target=_read, args=(machine.server.url, there), daemon=True)
    reader.start()
    here.recv()  # it is ready
    sent = _steadily(
        rate,
        seconds,
        lambda at: client.execute_command("XADD", STREAM, "*", "e", orjson.dumps({"at": at})),
    )
    here.send(sent)
    delays = here.recv()
    reader.join()
    return _figures(delays)


def _read(url: str, pipe: Connection) -> None:
    """Block, read, decode, and acknowledge what was read in one command; answer with the delays."""
    client = connect(url)
    read = ("XREADGROUP", "GROUP", GROUP, "c", "COUNT", 100, "BLOCK", 100, "STREAMS", STREAM, ">")
    delays: list[float] = []
    expected = None
    pipe.send("ready")
    while expected is None or len(delays) < expected:
        if expected is None and pipe.poll():
            expected = pipe.recv()
        reply = client.execute_command(*read)
        if not reply:
            continue
        entries = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))[0]
        for _, fields in entries:
            raw = fields[b"e"] if isinstance(fields, dict) else fields[1]
            delays.append(time.time() - orjson.loads(raw)["at"])
        client.execute_command("XACK", STREAM, GROUP, *(id for id, _ in entries))
    pipe.send(delays)


def _figures(delays: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    ordered = sorted(delays)
    return ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * 0.99)] * 1000
