"""No webhook leads inside: by whatever name or number, and whatever it resolves to a moment later."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket

import pytest

from app.errors import Refused
from app.subscriptions.outcomes import Retry
from app.webhooks import sending
from app.webhooks.address import Forbidden, addresses, forbidden, shown, target
from app.webhooks.sending import (
    WebhookBroken,
    WebhookMoved,
    WebhookRefused,
    WebhookUnreachable,
    send,
)
from app.webhooks.signature import secret_of, sign

INSIDE = (
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254",
    "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::",
    "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1", "2001:0:53aa:64c::",
)  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_forbidden(address: str) -> None:
    assert forbidden(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111"])
def test_what_is_outside_is_not(address: str) -> None:
    assert not forbidden(address)


@pytest.mark.parametrize("url", [
    "http://example.com/", "https://", "ftp://example.com/", "https://user:pw@example.com/",
    "https://example.com/#part", "https://127.0.0.1/", "https://[::1]/", "https://127.1/",
    "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://10.0.0.1./",
    "https://exa mple.com/", "https://example.com/\n", "https://example.com:99999/", "",
    "https://example.com/" + "a" * 2000, "https://[::ffff:127.0.0.1]/", "//example.com/", "https://ü.ch/",
])  # fmt: skip
def test_what_no_webhook_may_have_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        target(url)


def test_a_host_that_the_deployer_names_may_be_inside() -> None:
    there = target("http://hooks.internal:8080/x", ("hooks.internal",))
    assert (there.scheme, there.port, there.inside) == ("http", 8080, True)
    with pytest.raises(Refused):
        target("http://other.internal/", ("hooks.internal",))
    assert shown("https://hooks.example.com/T0/B0/secret?token=1") == "https://hooks.example.com/…"


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Names resolve to these, one list after the other; what was connected to."""
    turns, connected = iter(answers), []

    def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
        return [(2, 1, 6, "", (address, port)) for address in next(turns)]

    def create_connection(place: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(place[0])
        raise ConnectionRefusedError("nobody is there")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    return connected


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(monkeypatch) -> None:
    there = target("https://hooks.example.com/")
    connected = resolving(monkeypatch, ["93.184.216.34", "1.1.1.1"], ["127.0.0.1"])
    with pytest.raises(WebhookUnreachable, match="nobody is there"):
        send(there, b"{}", {})
    assert connected == ["93.184.216.34", "1.1.1.1"]  # numbers: no name is resolved again
    connected = resolving(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1, which is not an address of the outside"):
        send(there, b"{}", {})
    assert connected == []
    resolving(monkeypatch, ["10.0.0.1"])
    assert addresses(target("https://h.internal/", ("h.internal",))) == ["10.0.0.1"]


def test_a_certificate_is_asked_for_by_name(monkeypatch) -> None:
    context = sending._context()
    assert context.check_hostname and context.verify_mode.name == "CERT_REQUIRED"
    asked = []

    class Context:
        def wrap_socket(self, plain: object, server_hostname: str) -> object:
            asked.append(server_hostname)
            raise OSError("wrong certificate")

    monkeypatch.setattr(sending, "_context", Context)
    resolving(monkeypatch, ["1.1.1.1"])
    monkeypatch.setattr(socket, "create_connection", lambda place, timeout: socket.socket())
    with pytest.raises(WebhookUnreachable, match="wrong certificate"):
        send(target("https://hooks.example.com/"), b"{}", {})
    assert asked == ["hooks.example.com"]


def test_what_it_answers_decides(endpoint) -> None:
    there = target(endpoint.url, ("127.0.0.1",))
    assert send(there, b"{}", {"x": "1"}) == 204
    assert endpoint.got[0]["path"] == "/hook?a=1"
    for status, error in ((301, WebhookMoved), (307, WebhookMoved), (400, WebhookRefused),
                          (410, WebhookRefused), (500, WebhookBroken), (503, WebhookBroken)):  # fmt: skip
        endpoint.next(status, b"because\x1b[31m " + b"x" * 5000, location=endpoint.url)
        with pytest.raises(error) as raised:
            send(there, b"{}", {})
        assert f"answered {status}" in str(raised.value)
        assert len(str(raised.value)) < 400 and "\x1b" not in str(raised.value)
    assert len(endpoint.got) == 7, "a redirect was followed"
    endpoint.next(429, **{"retry-after": "120"})
    with pytest.raises(Retry) as retry:
        send(there, b"{}", {})
    assert retry.value.after == 120
    endpoint.next(503, **{"retry-after": "99999999"})
    with pytest.raises(Retry) as retry:
        send(there, b"{}", {})
    assert retry.value.after == 3600


def test_who_is_away_or_answers_nonsense(monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = target(f"http://127.0.0.1:{server.getsockname()[1]}/", ("127.0.0.1",))
        monkeypatch.setattr(sending, "READ_SECONDS", 0.05)
        with pytest.raises(WebhookUnreachable, match="timed out"):
            send(there, b"{}", {})
    with pytest.raises(WebhookUnreachable):
        send(there, b"{}", {})

    def broken(self: object) -> None:
        raise http.client.BadStatusLine("nonsense")

    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", broken)
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = target(f"http://127.0.0.1:{server.getsockname()[1]}/", ("127.0.0.1",))
        with pytest.raises(WebhookBroken, match="BadStatusLine"):
            send(there, b"{}", {})


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of https://github.com/standard-webhooks/standard-webhooks (its libraries' tests).
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    given = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', secret)
    assert given == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    one, other = secret_of("key", "a", 1), secret_of("key", "a", 2)
    assert one != other != secret_of("key", "b", 1)
    raw = base64.b64decode(one.removeprefix("whsec_"))
    assert len(raw) == 32
    expected = hmac.new(raw, b"i.7.{}", hashlib.sha256).digest()
    assert sign("i", 7, b"{}", one) == "v1," + base64.b64encode(expected).decode()
