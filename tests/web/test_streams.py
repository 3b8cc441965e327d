"""Server-sent events hold nothing once they are over, however they end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.errors import Unavailable
from config.gunicorn import post_worker_init, shares
from tests.web.fakes import FakePlatform
from web import sse, waiting
from web.console.live import EXTENSION


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_stream_that_is_never_read_leaves_nothing(app, browser_of, method: str) -> None:
    browser = browser_of("viewer")
    for _ in range(sse.MOST_STREAMS + 1):
        answer = browser.open("/live", method=method)
        assert answer.status_code == 200
        answer.close()
    assert not app.extensions[EXTENSION]._queues


def test_streams_and_what_waits_have_their_share_of_the_servers_threads(monkeypatch) -> None:
    for part, name in (
        (sse, "MOST_STREAMS"),
        (sse, "_open"),
        (sse, "_stopping"),
        (waiting, "_places"),
    ):
        monkeypatch.setattr(part, name, getattr(part, name))
    post_worker_init(SimpleNamespace(alive=True, cfg=SimpleNamespace(threads=8)))
    streams = [sse.event_stream(iter(())) for _ in range(4)]
    with pytest.raises(Unavailable, match="4 live streams"):
        sse.event_stream(iter(()))
    for one in streams:
        one.close()
    with waiting.at_most(1) as first, waiting.at_most(1) as second, waiting.at_most(1) as third:
        assert (first, second, third) == (1, 1, 0)
    post_worker_init(SimpleNamespace(alive=True, cfg=SimpleNamespace(threads=1)))
    with pytest.raises(Unavailable, match="at least 2"):
        sse.event_stream(iter(()))


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 128])
def test_few_threads_are_not_all_held(threads: int) -> None:
    streams, waits = shares(threads)
    assert streams + waits < threads
    assert (streams > 0, waits > 0) == (threads > 1, threads > 2)


def test_a_console_hears_what_changed_and_leaves(
    app, platform: FakePlatform, browser_of, monkeypatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.0)
    answer = browser_of("viewer").get("/live")
    chunks = answer.iter_encoded()
    assert next(chunks).startswith(b"retry:")
    feed = app.extensions[EXTENSION]
    heard = b""
    while b"data: dead-letters" not in heard:
        platform.changes.announce("dead-letters", "runs")
        heard = next(chunks)
    assert heard == b"data: dead-letters runs\n\n"
    answer.close()
    assert not feed._queues
