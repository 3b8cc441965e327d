"""Making known what the code declares: to SQL, and to Redis.

Done when a worker starts and at release, by any number of processes at once.
The web process learns of types and subscriptions from SQL, without importing a
handler; the groups on the streams make sure that a subscription gets every
event from its start on, whether or not a worker runs.
"""

from __future__ import annotations

from typing import Any

from app.events.topics import SYSTEM_TOPIC
from app.streams.broker import create_groups
from app.streams.control import be_present
from app.subscriptions.side_by_side import GONE, let_go, nobodys
from app.subscriptions.streams import subscription_streams


def declare(platform: Any) -> None:
    """Write schemas, commands and subscriptions to SQL, make topics and groups, and put the decisions in force."""
    for versions in platform.catalogue.types.versions.values():
        for known in versions.values():
            platform.schemas.save(
                known.name,
                known.version,
                known.topic,
                known.json_schema(),
                tracking=known.tracking,
                doc=known.doc,
            )
    platform.commands.declare()
    declared = list(platform.handlers.subscriptions.values())
    platform.subscription_store.declare(
        {
            **one.describe(),
            "topics": list(platform.catalogue.topics_of(one.types)) if not one.everything else [],
        }
        for one in declared
    )
    # At once what no live worker has; in a deploy the older release's go when its workers have gone.
    found = nobodys(platform, platform.workers.code())
    let_go(platform, [one for one, wait in found.items() if wait == GONE])
    topics = platform.stream_topics
    topics.partitions(SYSTEM_TOPIC)
    for one in declared:
        if not one.everything:
            for topic in platform.catalogue.topics_of(one.types):
                topics.partitions(topic)
    known_topics = topics.all()
    wire = platform.wire()
    for one in declared:
        for streams in subscription_streams(one, platform.catalogue, known_topics):
            create_groups(wire, one.name, streams, start="$" if one.start == "now" else "0")
    wire.drop()
    platform.schedules.declare()
    platform.subscriptions.mirror()
    be_present(platform.redis, [one.name for one in declared])
