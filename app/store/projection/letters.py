"""Parked deliveries to dead letters, and replays' ends to theirs.

One letter for an event and a subscription. A record changes its state only
where it tells of a newer generation than the letter knows: so an old record
that comes again can't undo what a person did since.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlmodel import Session

from app.events.ids import letter_id
from app.store import failure_groups
from app.store.bulk import Bulk
from app.store.columns import clean, from_json, key, key_or_none, to_json
from app.store.deliveries import DeadLetter, LastSuccess
from app.store.failure_groups import Occurrence
from app.store.projection.record import Record, Settled
from app.store.replay_items import mark_items

ATTEMPTS_KEPT = 50
_COLUMNS = (
    "id", "event_id", "event_source", "type", "subscription", "correlationid", "generation",
    "state", "reason", "title", "frame", "group_id", "first_parked", "parked", "replay", "event",
    "attempts", "closed_by", "closed", "closed_reason", "code", "model",
)  # fmt: skip
_RESULT = {"succeeded": "succeeded", "parked": "failed", "cancelled": "cancelled"}
Identity = tuple[str, str, str]


def apply(session: Session, records: Sequence[Record], now: float) -> None:
    bulk = Bulk(session)
    _successes(bulk, records)
    told = [
        each
        for record in records
        for each in record.deliveries
        if each.letter or (each.settled and (each.replay or each.generation > 0))
    ]
    if not told:
        return
    bulk.lock(failure_groups.LOCK)
    origins = _origins(bulk, told)
    letters = _read(bulk, told, origins.values())
    changed: dict[str, dict[str, Any]] = {}
    stood_in: list[tuple[dict[str, Any], Settled]] = []
    happened: list[Occurrence] = []
    for each in sorted(told, key=lambda each: (each.identity, each.rank)):
        origin = origins.get((each.replay or "", *each.identity), each.identity)
        letter = letters.get(origin)
        if letter is not None and origin != each.identity:
            stood_in.append((letter, each))
        if letter is None and each.letter:
            letter = _new(each)
            letters[each.identity] = letter
        elif letter is None:
            continue
        if each.letter:
            if not any(one["generation"] == each.generation for one in letter["attempts"]):
                happened.append(_parked(letter, each))
            else:
                _parked(letter, each)
        elif each.generation > letter["generation"]:
            _closed(letter, each)
        changed[letter["id"]] = letter
    _overtaken(bulk, [letter for letter in changed.values() if letter.pop("new", False)])
    _write(bulk, changed.values())
    _count(bulk, happened, changed.values(), now)
    _mend(bulk, stood_in)
    mark_items(
        session,
        [
            (each.replay, each.event_id, each.subscription, _RESULT[each.state], each.error)
            for each in told
            if each.replay and each.settled
        ],
        now,
    )


def _origins(bulk: Bulk, told: Iterable[Settled]) -> dict[tuple[str, ...], Identity]:
    """For deliveries of edited events: the event and subscription whose letter was replayed."""
    by_replay: dict[str, list[Settled]] = defaultdict(list)
    for each in told:
        if each.replay:
            by_replay[each.replay].append(each)
    origins: dict[tuple[str, ...], Identity] = {}
    for replay, deliveries in by_replay.items():
        rows = bulk.rows(
            "SELECT i.sent_id, i.subscription, l.event_id, l.event_source, l.subscription"
            " FROM replay_items i JOIN dead_letters l ON l.id = i.dead_letter"
            f" WHERE i.replay_id = ? AND {bulk.any_of('i.sent_id')}",
            replay,
            bulk.listed(each.event_id for each in deliveries),
        )
        found = {(sent_id, name): tuple(identity) for sent_id, name, *identity in rows}
        for each in deliveries:
            if identity := found.get((each.event_id, each.subscription)):
                origins[replay, *each.identity] = identity
    return origins


def mend(bulk: Bulk, records: Sequence[Record]) -> None:
    """Give parked deliveries the end of the edited events that were sent for them; no letter changes."""
    told = [each for record in records for each in record.deliveries if each.replay]
    origins = _origins(bulk, told)
    named = ("event_id", "event_source", "subscription")
    stood_in = []
    for each in told:
        origin = origins.get((each.replay or "", *each.identity), each.identity)
        if origin != each.identity:
            stood_in.append((dict(zip(named, origin, strict=True)), each))
    _mend(bulk, stood_in)


def _mend(bulk: Bulk, stood_in: Iterable[tuple[dict[str, Any], Settled]]) -> None:
    """Give the deliveries that were parked the end of those that were sent in their place."""
    bulk.many(
        "UPDATE deliveries SET generation = ?, attempt = ?, state = ?, settled = ?, ended = ?,"
        " error = ?, replay = ? WHERE event_id = ? AND event_source = ? AND subscription = ?"
        " AND generation < ?",
        [
            (
                each.generation, each.attempt, each.state, True, each.ended, each.error,
                each.replay, letter["event_id"], letter["event_source"], letter["subscription"],
                each.generation,
            )
            for letter, each in stood_in
            if each.settled
        ],
    )  # fmt: skip


def _read(
    bulk: Bulk, told: Iterable[Settled], origins: Iterable[Identity]
) -> dict[Identity, dict[str, Any]]:
    ids = {each.event_id for each in told} | {identity[0] for identity in origins}
    rows = bulk.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM dead_letters WHERE {bulk.any_of('event_id')}",
        bulk.listed(sorted(ids)),
    )
    letters = {}
    for row in rows:
        letter = dict(zip(_COLUMNS, row, strict=True))
        letter["attempts"] = from_json(letter["attempts"])
        letter["was"] = letter["group_id"], letter["state"]
        letters[letter["event_id"], letter["event_source"], letter["subscription"]] = letter
    return letters


def _new(each: Settled) -> dict[str, Any]:
    event = each.letter["event"] if each.letter else {}
    return {
        "new": True,
        "id": letter_id(event["source"], event["id"], each.subscription),
        "event_id": each.event_id,
        "event_source": each.event_source,
        "type": each.type,
        "subscription": each.subscription,
        "correlationid": each.correlationid,
        "generation": -1,
        "first_parked": each.ended,
        "event": clean(to_json(event)),
        "attempts": [],
        "closed_by": None,
        "closed": None,
        "closed_reason": None,
        "code": None,
        "model": None,
        "was": None,
    }


def _parked(letter: dict[str, Any], each: Settled) -> Occurrence:
    told: Mapping[str, Any] = each.letter or {}
    described = max((attempt["generation"] for attempt in letter["attempts"]), default=-1)
    letter["first_parked"] = min(letter["first_parked"], each.ended)
    letter["attempts"] = _joined(letter["attempts"], told["attempts"], each.generation)
    if each.generation > described:
        letter |= {
            "reason": key(told["reason"]),
            "title": clean(told.get("title") or each.error or told["reason"]),
            "frame": clean(told.get("frame") or ""),
            "group_id": key(told["group"]),
            "parked": each.ended,
            "code": key_or_none(told.get("code")),
            "model": key_or_none(told.get("model")),
        }
    if each.generation > letter["generation"]:
        letter |= {"generation": each.generation, "state": "parked", "replay": None}
        letter |= {"closed_by": None, "closed": None, "closed_reason": None}
    return Occurrence(key(told["group"]), each.ended, letter, each.error or letter["title"])


def _closed(letter: dict[str, Any], each: Settled) -> None:
    """A later generation of the delivery ended otherwise."""
    letter |= {
        "generation": each.generation,
        "state": "replayed" if each.state == "succeeded" else "parked",
        "replay": each.replay,
        "closed_by": f"replay:{each.replay}" if each.replay else "rewind",
        "closed": each.ended,
    }


def _count(
    bulk: Bulk, happened: Sequence[Occurrence], letters: Iterable[dict[str, Any]], now: float
) -> None:
    """Tell the groups what came, what left, and by whose hand."""
    moves: failure_groups.Moves = Counter()
    by = ""
    for letter in letters:
        if letter["was"]:
            moves[letter["was"]] -= 1
        moves[letter["group_id"], letter["state"]] += 1
        if letter["state"] == "replayed":
            by = letter["closed_by"]
    failure_groups.apply(bulk, happened, moves, now, by)


def _successes(bulk: Bulk, records: Sequence[Record]) -> None:
    """Remember the newest success of every subscription and type."""
    newest: dict[tuple[str, str], Settled] = {}
    for record in records:
        for each in record.deliveries:
            if each.state == "succeeded":
                known = newest.get((each.subscription, each.type))
                if known is None or known.ended < each.ended:
                    newest[each.subscription, each.type] = each
    columns = ("subscription", "type", "event_id", "event_source", "correlationid", "at")
    bulk.insert(
        LastSuccess,
        columns,
        [
            (*where, each.event_id, each.event_source, each.correlationid, each.ended)
            for where, each in sorted(newest.items(), key=lambda item: item[0])
        ],
        "ON CONFLICT (subscription, type) DO UPDATE SET event_id = excluded.event_id,"
        " event_source = excluded.event_source, correlationid = excluded.correlationid,"
        " at = excluded.at WHERE excluded.at > last_successes.at",
    )


def _joined(
    known: list[dict[str, Any]], told: Sequence[Mapping[str, Any]], generation: int
) -> list[dict[str, Any]]:
    """Attempts of both lists, each once, in order of time; the newest where there are too many."""
    joined = {(each["generation"], each["at"], each["error"]): each for each in known}
    for attempt in told:
        each = {
            "generation": generation,
            "at": attempt["at"],
            "error": clean(attempt["error"]),
            "traceback": clean(attempt.get("traceback") or ""),
        }
        joined.setdefault((generation, each["at"], each["error"]), each)
    return sorted(joined.values(), key=lambda each: (each["generation"], each["at"]))[
        -ATTEMPTS_KEPT:
    ]


def _overtaken(bulk: Bulk, letters: Sequence[dict[str, Any]]) -> None:
    """Close new letters whose deliveries have succeeded in a later generation already."""
    if not letters:
        return
    rows = bulk.rows(
        "SELECT event_id, event_source, subscription, generation, ended, replay FROM deliveries"
        f" WHERE state = 'succeeded' AND generation > 0 AND {bulk.any_of('event_id')}",
        bulk.listed(sorted(letter["event_id"] for letter in letters)),
    )
    done = {tuple(row[:3]): row[3:] for row in rows}
    for letter in letters:
        found = done.get((letter["event_id"], letter["event_source"], letter["subscription"]))
        if found and found[0] > letter["generation"]:
            generation, ended, replay = found
            by = f"replay:{replay}" if replay else "rewind"
            letter |= {"generation": generation, "state": "replayed", "replay": replay}
            letter |= {"closed_by": by, "closed": ended}


def _write(bulk: Bulk, letters: Iterable[dict[str, Any]]) -> None:
    rows = [
        tuple(to_json(letter[name]) if name == "attempts" else letter[name] for name in _COLUMNS)
        for letter in sorted(letters, key=lambda letter: letter["id"])
    ]
    changed = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
    bulk.insert(DeadLetter, _COLUMNS, rows, f"ON CONFLICT (id) DO UPDATE SET {changed}")
