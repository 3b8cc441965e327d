"""Tables from a browser to a model, with real workers, and their figures recomputed outside.

The metrics on the model's page are what scikit-learn computes from the served
answers to the rows of the evaluation file, whose targets we know. On the same
machine: a worker that is killed in mid-training, and one file uploaded twice at once.
"""

from __future__ import annotations

import csv
import io
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score, root_mean_squared_error
from werkzeug.serving import make_server

from app.bench.machine import Machine, machine
from tests.console.browser import let_in
from web import create_app
from web.console.words import metric

HANDLERS = {"PENSTOCK_HANDLERS": "workers.handlers"}
LANES = "default,training,system"
PATIENCE = 600.0
EVERY = 0.25  # seconds between two looks: a look is a query, and who trains needs the CPU
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def ours() -> Iterator[Machine]:
    with machine(None) as made:
        made.platform.users.create("admin", "admin-password", "administrator")
        made.start_worker(LANES, 1, environment=HANDLERS)
        yield made


@pytest.fixture(scope="module")
def address(ours: Machine) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, create_app(ours.platform), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    let_in(page, address)
    yield page
    context.close()


def written(path: Path, rows: Rows, delimiter: str = ",") -> Path:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def diabetes() -> Rows:
    found = load_diabetes(scaled=False)
    names = [str(name) for name in found.feature_names]
    pairs = zip(found.data.tolist(), found.target.tolist(), strict=True)
    return [{**dict(zip(names, row, strict=True)), "progression": y} for row, y in pairs]


def digits() -> Rows:
    found = load_digits()
    rows = [dict(enumerate(map(int, pixels))) for pixels in found.data[:700]]
    return [
        {f"px_{place}": value for place, value in row.items()} | {"digit": int(digit)}
        for row, digit in zip(rows, found.target, strict=False)
    ]


def tickets() -> Rows:
    """Texts as people write them: with quotes, delimiters, line breaks, formulas and scripts."""
    chance = random.Random(4)
    words = [
        "refund",
        "late; again",
        'says "no"',
        "=1+1",
        "<script>alert(1)</script>",
        "two\nlines",
    ]
    rows = []
    for _ in range(600):
        shop, mood = f"Shop Nr. {chance.randrange(30)}", chance.choice(["angry", "calm", "?"])
        urgent = (mood == "angry") + (shop.endswith("1")) + chance.gauss(0, 0.5) > 0.6
        text = " ".join(chance.choices(words, k=3))
        rows.append({"shop": shop, "mood": mood, "text": text, "urgent": "yes" if urgent else "no"})
    return rows


def upload(page: Page, address: str, path: Path, second: Path, name: str, target: str) -> str:
    """Fill in the form as a person does; the run's id."""
    page.goto(f"{address}/datasets")
    page.get_by_label("Table, as CSV").set_input_files(path)
    page.get_by_label("Name", exact=False).first.fill(name)
    page.get_by_label("Column to predict").fill(target)
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Evaluation table").set_input_files(second)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(f"{address}/datasets/{name}?run=*")
    return page.url.partition("run=")[2]


TABLES: dict[str, tuple[Callable[[], Rows], str, str]] = {
    "diabetes": (diabetes, "progression", ";"),
    "digits": (digits, "digit", ","),
    "tickets": (tickets, "urgent", "\t"),
}


def outside(truth: list[Any], told: list[dict[str, Any]]) -> dict[str, float]:
    """What scikit-learn says of these answers."""
    if "probabilities" not in told[0]:
        return {"rmse": float(root_mean_squared_error(truth, [one["value"] for one in told]))}
    labels = list(told[0]["probabilities"])
    truth, said = [str(label) for label in truth], [one["value"] for one in told]
    chances = [[one["probabilities"][label] for label in labels] for one in told]
    two = len(labels) == 2
    f1 = (
        f1_score(truth, said, pos_label=labels[1])
        if two
        else f1_score(truth, said, average="macro")
    )
    # Rounded to six digits they sum up to one only roughly, and scikit-learn insists.
    exact = [[c / sum(row) for c in row] for row in chances]
    auc = (
        roc_auc_score([label == labels[1] for label in truth], [row[1] for row in exact])
        if two
        else roc_auc_score(truth, exact, multi_class="ovr", labels=labels)
    )
    return {"accuracy": float(accuracy_score(truth, said)), "f1": float(f1), "auc": float(auc)}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TABLES)
def test_the_figures_on_the_page_are_those_computed_outside(
    name: str, ours: Machine, page: Page, address: str, tmp_path: Path
) -> None:
    make, target, delimiter = TABLES[name]
    rows = make()
    random.Random(1).shuffle(rows)
    cut = len(rows) * 4 // 5
    train = written(tmp_path / f"{name}.csv", rows[:cut], delimiter)
    test = written(tmp_path / f"{name}-test.csv", rows[cut:], delimiter)
    upload(page, address, train, test, name, target)
    ours.wait_for(
        lambda: ours.platform.models.champion(name), PATIENCE, f"a model of {name}", EVERY
    )

    asked = [{k: v for k, v in row.items() if k != target} for row in rows[cut:]]
    told = ours.platform.models.predict(name, asked)["predictions"]
    computed = outside([row[target] for row in rows[cut:]], told)
    kept = ours.platform.models.get(name)["versions"][0]["metrics"]
    assert computed == pytest.approx({key: kept[key] for key in computed}, abs=1e-4)
    page.goto(f"{address}/models/{name}")
    shown = page.locator("main").inner_text()
    assert all(metric(kept[key]) in shown for key in computed)
    page.goto(f"{address}/datasets/{name}")
    assert f"{cut:,}" in page.locator("#versions").inner_text()
    assert page.locator("#versions script").count() == 0


def ended(ours: Machine, run: str) -> dict[str, Any]:
    """The run, once it is over."""

    def over() -> bool:
        found = ours.platform.runs.get(run)
        return bool(found) and found["state"] not in ("running", "waiting")

    ours.wait_for(over, PATIENCE, f"the end of run {run}", EVERY)
    return dict(ours.platform.runs.get(run) or {})


@pytest.mark.timeout(900)
def test_a_worker_killed_in_mid_training_leaves_one_model(ours: Machine, tmp_path: Path) -> None:
    file = written(tmp_path / "killed.csv", digits()[:300])
    run = ours.platform.datasets.upload(file.read_bytes(), "killed", "digit", actor="user:ann")
    (worker,) = ours.workers

    def training() -> bool:
        below = psutil.Process(worker.pid).children(recursive=True)
        return any("app.ml.apart" in child.cmdline() for child in below if child.is_running())

    ours.wait_for(training, PATIENCE, "a training", 0.05)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(30)
    ours.workers.remove(worker)
    ours.start_worker(LANES, 1, environment=HANDLERS)

    found = ended(ours, run["correlationid"])
    types = [step["type"] for step in found["steps"]]
    assert (found["state"], found["outcome"]) == ("succeeded", "deployment.finished")
    happened = ours.platform.archive.find(correlationid=run["correlationid"], limit=500).items
    for once in ("training.finished", "model.registered", "deployment.finished"):
        assert [event["type"] for event in happened].count(once) == 1, types
    assert [one["version"] for one in ours.platform.models.get("killed")["versions"]] == [1]


@pytest.mark.timeout(900)
def test_the_same_file_twice_at_once_is_two_uploads_and_one_champion(ours: Machine) -> None:
    chance = random.Random(9)
    lines = [
        f"{(x := chance.random()):.4f},{'ab'[x + chance.gauss(0, 0.2) > 0.5]}" for _ in range(200)
    ]
    table = "\n".join(["x,y", *lines]).encode()
    _, secret = ours.platform.tokens.create("twice", ["publish"], None, "user:ann")
    app, together = create_app(ours.platform), threading.Barrier(2)

    def post(_: int) -> str:
        client = app.test_client()
        together.wait(30)
        answer = client.post(
            "/api/v1/datasets",
            headers={"Authorization": f"Bearer {secret}"},
            data={"file": (io.BytesIO(table), "t.csv"), "name": "twice", "target": "y"},
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json["correlationid"])

    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(post, range(2)))
    outcomes = sorted(ended(ours, run)["outcome"] for run in runs)

    versions = ours.platform.datasets.get("twice")["versions"]
    assert [(one["version"], one["state"]) for one in versions] == [
        (2, "validated"),
        (1, "validated"),
    ]
    assert len({one["file"] for one in versions}) == 1
    assert outcomes[0] == "deployment.finished"
    assert outcomes[1] in ("deployment.rolledback", "model.rejected")
    models = ours.platform.models.get("twice")
    assert [one["state"] for one in models["versions"]].count("champion") == 1
    assert len({one["artefact"] for one in models["versions"]}) == 1  # bit for bit
