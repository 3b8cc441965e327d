"""Every key that Penstock has in Redis, in one place.

| key | type | holds |
| --- | --- | --- |
| penstock:topic:{topic}:{partition} | stream | the events of a partition |
| penstock:again:{subscription}:{partition} | stream | deliveries that come back to one subscription |
| penstock:topics | hash | topic to its number of partitions |
| penstock:seen:{digest} | string | a published (source, id), until the window ends |
| penstock:delayed | sorted set | what comes back later, by the time it is due (ms since 1970) |
| penstock:delayed:data | hash | the stream and the fields of what is delayed |
| penstock:control | hash | `version`, and for each subscription what an operator decided |
| penstock:bell | stream | rung when a delivery is put into an `again` stream |
| penstock:workers | hash | worker to its last beat |
| penstock:owners | hash | subscription:seat to the lease that has it (a partition, or one of a limited number) |
| penstock:rate:{subscription} | hash | the tokens of a limited rate |
| penstock:blocked:{subscription}:{partition} | hash | keys that wait for a failed delivery |
| penstock:held:{subscription}:{partition}:{key} | list | the deliveries that wait behind it |
| penstock:hand:{consumer} | string | the suspect that a lease handles alone right now |
| penstock:schedules | hash | what fires by the calendar |
| penstock:buried | sorted set | workers that died in the last hour, by the time they were found dead |
| penstock:relayed | string | how far of the event store the relay has come, on this server |
| penstock:caretaker | string | the worker that does the chores |
| penstock:as-of:{id} | string | how a projection or an aggregate was, for who asked, until an hour is over |
"""

from __future__ import annotations

TOPICS = "penstock:topics"
DELAYED = "penstock:delayed"
DELAYED_DATA = "penstock:delayed:data"
CONTROL = "penstock:control"
BELL = "penstock:bell"
WORKERS = "penstock:workers"
CODE = "penstock:code"
OWNERS = "penstock:owners"
SCHEDULES = "penstock:schedules"
RELAYED = "penstock:relayed"
CARETAKER = "penstock:caretaker"
BURIED = "penstock:buried"
EVERYBODY = "*"
"""What the bell says where it is meant for all: the decisions or the topics have changed."""
CHANGES = "penstock:changes"
WAKES = "penstock:wakes"
"""Where the relay is told that something was committed for it."""
SYNCED = "penstock:synced"
"""What a durable publish writes to wait for."""
SEEN = "penstock:seen:"
_TOPIC = "penstock:topic:"
_AGAIN = "penstock:again:"


def topic_stream(topic: str, partition: int) -> str:
    return f"{_TOPIC}{topic}:{partition}"


def again_stream(subscription: str, partition: int = 0) -> str:
    return f"{_AGAIN}{subscription}:{partition}"


def is_again(stream: str) -> bool:
    return stream.startswith(_AGAIN)


def topic_and_partition(stream: str) -> tuple[str, int]:
    """The topic and partition of a topic's stream."""
    topic, _, partition = stream.removeprefix(_TOPIC).rpartition(":")
    return topic, int(partition)


def subscription_of(stream: str) -> str:
    """The subscription that an `again` stream belongs to."""
    return stream.removeprefix(_AGAIN).rpartition(":")[0]


def partition_of(stream: str) -> int:
    """The partition that a topic's or an `again` stream's name ends with."""
    return int(stream.rpartition(":")[2])


def rate(subscription: str) -> str:
    return f"penstock:rate:{subscription}"


def blocked(subscription: str, partition: int) -> str:
    return f"penstock:blocked:{subscription}:{partition}"


def held(subscription: str, partition: int, key: str) -> str:
    return f"penstock:held:{subscription}:{partition}:{key}"


def as_of(id: str) -> str:
    return f"penstock:as-of:{id}"


def hand(consumer: str) -> str:
    return f"penstock:hand:{consumer}"
