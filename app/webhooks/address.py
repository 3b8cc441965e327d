"""Where a webhook may lead: https to the outside, so that nobody reaches our own network through us.

The address is looked at after the name was resolved, and the connection goes to exactly
the one that was looked at: a name that resolves to another one a moment later changes nothing.
Hosts that the deployer names in PENSTOCK_WEBHOOK_INSIDE may be inside, and be spoken to by http.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.errors import Refused

LONGEST = 2000
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):
    """A webhook's host has an address that it may not lead to."""


@dataclass(frozen=True)
class Target:
    """A webhook's address, taken apart. `inside`: its host may be in our own network."""

    scheme: str
    host: str
    port: int
    path: str
    inside: bool

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def target(url: str, inside: Collection[str] = ()) -> Target:
    """Raises `Refused` for an address that no webhook may have, and says why."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise Refused(f"a webhook's address is printable ASCII, at most {LONGEST:,} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(f"the webhook's address can't be read: {error}") from error
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("https", "http") or not host:
        raise Refused("a webhook's address is https://host/path")
    if parts.username is not None or parts.password is not None:
        raise Refused("a webhook's address has no user and password: its requests are signed")
    if parts.fragment:
        raise Refused("a webhook's address has no part behind #")
    allowed = host in inside
    if parts.scheme != "https" and not allowed:
        raise Refused(
            "a webhook's address begins with https://; http only to hosts that the deployer names"
            " in PENSTOCK_WEBHOOK_INSIDE"
        )
    if not allowed and (literal := _literal(host)) and forbidden(literal):
        raise Refused(f"{host} is not an address of the outside")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    default = 443 if parts.scheme == "https" else 80
    return Target(parts.scheme, host, default if port is None else port, path, allowed)


def addresses(target: Target) -> list[str]:
    """The addresses of its host, each one allowed. Raises `Forbidden`, `OSError` where it has none."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    resolved = list(dict.fromkeys(str(place[0]) for *_, place in found))
    if not target.inside:
        for address in resolved:
            if forbidden(address):
                raise Forbidden(
                    f"{target.host} leads to {address}, which is not an address of the outside"
                )
    return resolved


def forbidden(address: str) -> bool:
    """Whether it is private, loopback, link-local or otherwise no address of the outside."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # An address of the old kind may stand inside of a new one.
        within = ip.ipv4_mapped or ip.sixtofour
        if within is None and ip in _NAT64:
            within = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if within is not None:
            return forbidden(str(within))
        if ip.teredo is not None:
            return True
    return not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified


def shown(url: str) -> str:
    """A webhook's address for those who may not see all of it: its path may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"


def _literal(host: str) -> str | None:
    """The host where it is an address itself, as a resolver would read it: `127.1` is one too."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
