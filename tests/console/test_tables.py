"""A table from a browser to a model, with real workers, and its figure recomputed outside.

The metric on the model's page is what scikit-learn computes from the served
answers to the rows of the evaluation file, whose targets we know.
"""

from __future__ import annotations

import csv
import io
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from sklearn.datasets import load_diabetes
from sklearn.metrics import accuracy_score, root_mean_squared_error
from werkzeug.serving import make_server

from app.bench.machine import Machine, machine
from tests.console.browser import sign_in
from web import create_app
from web.console.words import metric

HANDLERS = {"PENSTOCK_HANDLERS": "workers.handlers"}
LANES = "default,training,system"
PATIENCE = 600.0
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
    sign_in(page, address)
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


TABLES = {
    "diabetes": (diabetes, "progression", ";", "rmse"),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TABLES)
def test_the_figures_on_the_page_are_those_computed_outside(
    name: str, ours: Machine, page: Page, address: str, tmp_path: Path
) -> None:
    make, target, delimiter, kind = TABLES[name]
    rows = make()
    random.Random(1).shuffle(rows)
    cut = len(rows) * 4 // 5
    train = written(tmp_path / f"{name}.csv", rows[:cut], delimiter)
    test = written(tmp_path / f"{name}-test.csv", rows[cut:], delimiter)
    upload(page, address, train, test, name, target)
    ours.wait_for(lambda: ours.platform.models.champion(name), PATIENCE, f"a model of {name}")

    asked = [{k: v for k, v in row.items() if k != target} for row in rows[cut:]]
    told = [one["value"] for one in ours.platform.models.predict(name, asked)["predictions"]]
    truth = [row[target] for row in rows[cut:]]
    if kind == "rmse":
        outside = float(root_mean_squared_error(truth, told))
    else:
        outside = float(accuracy_score([str(label) for label in truth], told))
    page.goto(f"{address}/models/{name}")
    assert metric(outside) in page.locator("main").inner_text()
    page.goto(f"{address}/datasets/{name}")
    assert f"{cut:,}" in page.locator("#versions").inner_text()
    assert page.locator("#versions script").count() == 0
