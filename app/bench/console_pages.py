"""What `bench console` asks for: every GET route of the console and the API, with addresses for each.

The routes come from the web process itself, so a new page that has no address here is noticed:
`addresses` refuses to leave one out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping

from app.bench.console_story import PACKED, STEPS, SUBSCRIPTIONS, WORKERS, Story

ROUTES = """
import json
from web import create_app
rules = create_app().url_map.iter_rules()
print(json.dumps(sorted({rule.rule for rule in rules if "GET" in rule.methods})))
"""
"""Asked of a process of its own: nothing in `app` imports `web`."""
NOT_PAGES = {
    "/static/<path:filename>": "kept by browsers",
    "/live": "a stream, measured with open consoles",
    "/api/v1/events/stream": "a stream",
    "/events/live": "a stream",
    "/audit/export/<format>": "a download of all there is",
    "/api/v1/audit/export": "a download of all there is",
    "/datasets/<name>/<int:version>/rejected.csv": "a download of a file",
    "/api/v1/datasets/<name>/versions/<int:version>/rejected": "a download of a file",
    "/models/<name>/batches/<correlationid>.csv": "a download of a file",
    "/api/v1/models/<name>/batches/<correlationid>/result": "a download of a file",
    "/api/v1/models/<name>/versions/<int:version>/evaluation": "a file from the blob store",
    "/aggregates/<stream>/as-of/<id>": "an answer that a worker gives, kept for an hour",
    "/api/v1/aggregates/<stream>/as-of/<id>": "an answer that a worker gives, kept for an hour",
    "/projections/<path:name>": "the code of this benchmark declares no projection",
    "/api/v1/projections/<path:name>": "the code of this benchmark declares no projection",
    "/api/v1/projections/<path:name>/skip-newer": "the code of this benchmark declares no projection",
    "/projections/<path:name>/as-of/<id>": "the code of this benchmark declares no projection",
    "/api/v1/projections/<path:name>/as-of/<id>": "the code of this benchmark declares no projection",
    "/api/v1/commands/<name>": "the code of this benchmark declares no command",
    "/commands/given/<id>": "the code of this benchmark declares no command",
    "/api/v1/commands/answers/<id>": "the code of this benchmark declares no command",
    "/subscriptions/<path:name>/cases": "the code of this benchmark declares no join",
    "/api/v1/subscriptions/<path:name>/cases": "the code of this benchmark declares no join",
    "/subscriptions/<path:name>/delete": "what code declares is not deleted",
    "/api/v1/webhooks/<name>": "the database of this benchmark has no webhook",
    "/readyz": "for the router",
    "/healthz": "for the router",
    "/metrics": "for the collector",
}


def routes(environment: Mapping[str, str]) -> list[str]:
    """Every rule that answers GET."""
    done = subprocess.run(
        [sys.executable, "-c", ROUTES], env=dict(environment), capture_output=True, check=True
    )
    return list(json.loads(done.stdout))


def addresses(rules: Iterable[str], story: Story) -> dict[str, list[str]]:
    """What to ask of each rule. Raises LookupError for one that nobody thought of."""
    known = _known(story)
    asked = {}
    for rule in rules:
        if rule in NOT_PAGES:
            continue
        if rule in known:
            asked[rule] = known[rule]
        elif "<" not in rule:
            asked[rule] = [rule]
        else:
            raise LookupError(f"bench console has no address for {rule}: add one to {__name__}")
    return asked


def _known(story: Story) -> dict[str, list[str]]:
    sizes, id_of = story.sizes, story.id_of
    some = [sizes.events * k // 7 for k in range(1, 7)]
    events = [id_of(n) for n in some]
    runs = [id_of(sizes.runs * k // 7 * story.apart) for k in range(1, 7)]
    parked = [n // story.every * story.every + story.every - 1 for n in some]
    letters = [f"l{n:015x}" for n in parked]
    groups = sorted({story.group_of(n) for n in parked})  # the largest comes first
    searches = [
        "", f"?type={PACKED[0]}", "?type=order.*", f"?subject=order/{some[0] % 200_000}", "?q=Ghent",
        f"?partitionkey=customer-{some[1] % 50_000}", "?since=1h", "?q=nowhere+to+be+found",
    ]  # fmt: skip
    found = ["", f"?q={events[0]}", f"?q={letters[0][:8]}", "?q=order", "?q=nowhere",
        f"?q={runs[0][:20]}", "?q=customer-42", "?q=handle+payment",
    ]  # fmt: skip
    tails = ["", f"?type={PACKED[0]}", "?expression=event.data.n+%3E+400", "?subject=nobody"]
    failures = [
        "", f"?group={groups[0]}", f"?group={groups[-1]}", "?since=7d",
        f"?subscription={SUBSCRIPTIONS[0]}", f"?type={PACKED[1]}", "?q=no+price", "?q=nowhere",
    ]  # fmt: skip
    of_runs = [
        "", "?state=failed", "?state=running", "?state=stuck", f"?type={STEPS[0]}", "?q=step",
        "?key=customer-0", "?data=customer.id%3D42", "?q=nowhere",
    ]  # fmt: skip
    ranges = ("15m", "1h", "24h", "7d", "30d")
    streams = [f"order:{n}" for n in (0, 5)]
    jobs = ["replay-0000", "replay-0007"]
    return {
        "/events": [f"/events{one}" for one in searches],
        "/api/v1/events": [f"/api/v1/events{one}" for one in searches],
        "/search": [f"/search{one}" for one in found],
        "/api/v1/search": [f"/api/v1/search{one}" for one in found[1:]],
        "/tail": [f"/tail{one}" for one in tails],
        "/events/<path:id>": [f"/events/{one}" for one in events],
        "/events/<path:id>/raw": [f"/events/{one}/raw" for one in events],
        "/api/v1/events/<path:id>": [f"/api/v1/events/{one}" for one in events],
        "/failures": [f"/failures{one}" for one in failures],
        "/failures/<id>": [f"/failures/{one}" for one in letters],
        "/failures/discard": [f"/failures/discard?scope=group&group={groups[0]}"],
        "/api/v1/dead-letters": [f"/api/v1/dead-letters{one}" for one in failures],
        "/api/v1/dead-letters/groups": [
            f"/api/v1/dead-letters/groups{one}" for one in failures if "group=" not in one
        ],
        "/api/v1/dead-letters/groups/<id>": [f"/api/v1/dead-letters/groups/{g}" for g in groups],
        "/api/v1/dead-letters/<id>": [f"/api/v1/dead-letters/{one}" for one in letters],
        "/runs": [f"/runs{one}" for one in of_runs],
        "/api/v1/runs": [f"/api/v1/runs{one}" for one in of_runs],
        "/runs/<path:correlationid>": [f"/runs/{one}" for one in runs],
        "/runs/<path:correlationid>/compare": [f"/runs/{one}/compare" for one in runs],
        "/runs/<path:correlationid>/export": [f"/runs/{one}/export" for one in runs],
        "/api/v1/runs/<path:correlationid>": [f"/api/v1/runs/{one}" for one in runs],
        "/api/v1/runs/<path:correlationid>/compare": [f"/api/v1/runs/{r}/compare" for r in runs],
        "/api/v1/runs/<path:correlationid>/export": [f"/api/v1/runs/{r}/export" for r in runs],
        "/flow": [f"/flow?range={one}" for one in ranges],
        "/api/v1/figures": [f"/api/v1/figures?range={one}" for one in ranges],
        "/topics/<name>": [f"/topics/order?range={one}" for one in ranges],
        "/subscriptions/<path:name>": [
            f"/subscriptions/{SUBSCRIPTIONS[0]}?range={one}" for one in ranges
        ],
        "/subscriptions/<path:name>/rewind": [f"/subscriptions/{SUBSCRIPTIONS[0]}/rewind"],
        "/api/v1/subscriptions/<path:name>": [f"/api/v1/subscriptions/{s}" for s in SUBSCRIPTIONS],
        "/workers/<id>": [f"/workers/{WORKERS[0]}?range={one}" for one in ranges],
        "/api/v1/workers/<id>": [f"/api/v1/workers/{one}" for one in WORKERS],
        "/replays/<id>": [f"/replays/{one}" for one in jobs],
        "/api/v1/replays/<id>": [f"/api/v1/replays/{one}" for one in jobs],
        "/replays/new": [
            f"/replays/new?scope=group&group={groups[-1]}",
            f"/replays/new?scope=selected&id={letters[0]}&id={letters[1]}",
            "/replays/new?scope=filter&since=7d",
        ],
        "/aggregates": ["/aggregates", "/aggregates?category=order"],
        "/aggregates/<stream>": [f"/aggregates/{one}" for one in streams],
        "/positions/<int:position>": ["/positions/1"],
        "/api/v1/aggregates": ["/api/v1/aggregates?category=order"],
        "/api/v1/aggregates/<stream>": [f"/api/v1/aggregates/{one}" for one in streams],
        "/api/v1/aggregates/<stream>/history": [
            f"/api/v1/aggregates/{one}/history" for one in streams
        ],
        "/datasets/<name>": ["/datasets/table-00", "/datasets/table-33"],
        "/api/v1/datasets/<name>": ["/api/v1/datasets/table-00"],
        "/api/v1/datasets/<name>/rules": ["/api/v1/datasets/table-00/rules"],
        "/models/<name>": ["/models/table-00", "/models/table-00?version=7"],
        "/api/v1/models/<name>": ["/api/v1/models/table-00"],
        "/api/v1/models/<name>/versions/<int:version>": ["/api/v1/models/table-00/versions/7"],
        "/api/v1/schemas/<type>": [f"/api/v1/schemas/{one}" for one in PACKED],
        "/publish": ["/publish", f"/publish?type={PACKED[0]}"],
        "/audit": ["/audit", "/audit?actor=user:ada", "/audit?action=subscription.changed"],
        "/alerts": ["/alerts", "/alerts?state=resolved"],
        "/alerts/rules/<name>": ["/alerts/rules/late"],
        "/api/v1/alerts/<id>": ["/api/v1/alerts/alert-00001"],
        "/api/v1/alerts/rules/<name>": ["/api/v1/alerts/rules/late"],
    }  # fmt: skip
