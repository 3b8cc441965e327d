"""A table is judged in sentences; a verdict is never an exception."""

from __future__ import annotations

import json
import math

import pytest

from app.ml import drift
from app.ml.profile import ColumnProfile
from app.ml.report import Plan
from app.ml.validation import Before
from tests.ml.tables import csv, judged, prices, two_classes


def test_accepts_a_table_and_tells_what_is_in_it() -> None:
    report = judged(two_classes(400), "stays")
    summary = report.summary()

    assert report.accepted
    assert (summary["rows"], summary["columns"], summary["task"]) == (400, 3, "classification")
    assert list(summary["classes"]) == ["no", "yes"]
    assert sum(summary["classes"].values()) == 400
    age, city, stays = summary["profile"]
    assert age["type"] == "number"
    assert age["missing"] > 0
    assert 18 <= age["min"] < age["mean"] < age["max"] < 80
    assert city["type"] == "category"
    assert city["distinct"] == 3
    assert stays["target"]


def test_a_target_of_many_numbers_is_a_regression_and_of_few_a_classification() -> None:
    assert judged(prices(), "price").summary()["task"] == "regression"
    digits = csv("x,digit", [f"{i * 7 % 31},{i % 10}" for i in range(100)])
    assert judged(digits, "digit").summary()["task"] == "classification"
    assert judged(digits, "digit", task="regression").summary()["task"] == "regression"


def test_the_target_is_a_name_or_else_a_position() -> None:
    by_name = judged(two_classes(), "stays")
    by_position = judged(two_classes(), "2")
    named_like_a_position = judged(csv("0,1", [f"{i},{'ab'[i % 2]}" for i in range(20)]), "1",
                                   header=True)  # fmt: skip

    assert by_name.target == by_position.target == "stays"
    assert named_like_a_position.target == "1"


REJECTED = {
    "empty": (b"", "y", "empty"),
    "html": (b"<html><body>Sign in first</body></html>", "y", "HTML"),
    "header only": (b"x,y\n", "y", "0 rows"),
    "one row": (b"x,y\n1,a\n", "y", "1 row of data"),
    "one class": (csv("x,y", [f"{i},same" for i in range(50)]), "y", "one class only"),
    "no target": (csv("x,y", [f"{i},?" for i in range(50)]), "y", "missing in every row"),
    "unknown target": (two_classes(), "wage", "no column 'wage'"),
    "target too far": (two_classes(), "3", "no column '3'"),
    "one column": (csv("y", ["a", "b"] * 20), "y", "one column only"),
    "twice": (csv("x,x,y", [f"{i},{i},{'ab'[i % 2]}" for i in range(50)]), "y", "same name"),
    "constant": (csv("x,y", [f"1,{'ab'[i % 2]}" for i in range(50)]), "y", "No column is left"),
    "texts": (csv("x,y", [f"{i % 3},text {i}" for i in range(500)]), "y", "too many"),
    "prose": (("\n".join("one, two " * (i % 5) + "end" for i in range(60))).encode(), "0", "table"),
    "constant number": (
        csv("x,y", [f"{i},3.5" for i in range(50)]), "y", "one class only"),
}  # fmt: skip


@pytest.mark.parametrize("case", REJECTED)
def test_rejects_what_cannot_be_learned_from_and_says_why(case: str) -> None:
    data, target, words = REJECTED[case]
    report = judged(data, target)

    assert not report.accepted
    assert words in " ".join(report.reasons)
    assert all(reason.endswith((".", "!", "?")) for reason in report.reasons)


def test_a_wanted_regression_needs_numbers() -> None:
    report = judged(two_classes(), "stays", task="regression")

    assert "should be a number" in report.reasons[0]


def test_a_cut_file_is_accepted_with_a_note() -> None:
    report = judged(two_classes().rpartition(b",")[0], "stays")

    assert report.accepted
    assert "last row is cut off" in " ".join(report.notes)


def test_columns_that_cannot_help_are_left_out_with_a_note() -> None:
    rows = [f"id-{i},{i % 7},fixed,,{'ab'[i % 2]}" for i in range(100)]
    report = judged(csv("id,x,k,e,y", rows), "y")

    assert report.schema
    assert [feature.name for feature in report.schema.features] == ["x"]
    told = " ".join(report.notes)
    assert "identifier" in told
    assert "same value in every row" in told
    assert "no values" in told


def test_a_few_odd_cells_do_not_make_a_number_column_text() -> None:
    rows = [f"{'oops' if i == 50 else i},{'ab'[i % 2]}" for i in range(100)]
    report = judged(csv("x,y", rows), "y")

    assert report.profile[0]["type"] == "number"
    assert "'oops'" in " ".join(report.notes)


def test_rows_without_a_target_are_told() -> None:
    report = judged(csv("x,y", [f"{i},{['a', 'b', ''][i % 3]}" for i in range(90)]), "y")

    assert report.accepted
    assert "30 of 90 rows have no target" in " ".join(report.notes)


def test_the_evaluation_file_is_judged_too() -> None:
    train = two_classes()
    fine = judged(train, "stays", evaluation=two_classes(50, seed=1))
    dotted = judged(train, "stays", evaluation=two_classes(50, seed=1).replace(b"yes", b"yes."))
    lacking = judged(train, "stays", evaluation=b"age,stays\n31,yes\n")
    strange = judged(train, "stays", evaluation=b"age,city,stays\n31,Oslo,1\n32,Rome,0\n")
    html = judged(train, "stays", evaluation=b"<html>")

    assert fine.accepted
    assert fine.evaluation_rows == 50
    assert dotted.accepted
    assert "trailing dot" in " ".join(dotted.notes)
    assert "lacks 1 column: city" in lacking.reasons[0]
    assert "None of the evaluation file's labels" in strange.reasons[0]
    assert html.reasons[0].startswith("The evaluation file:")


def test_a_report_survives_being_written_and_says_how_to_read_again() -> None:
    report = judged(two_classes(), "stays", evaluation=two_classes(50))
    plan = Plan.of(report.to_dict())

    assert plan.schema == report.schema
    assert plan.dialect == report.dialect
    assert (plan.rows, plan.evaluation_rows) == (400, 50)


def test_a_wide_table_has_a_short_summary() -> None:
    header = ",".join(f"c{i}" for i in range(3000)) + ",y"
    rows = [",".join(str((i * j) % 5) for j in range(3000)) + f",{'ab'[i % 2]}" for i in range(20)]
    report = judged(csv(header, rows), "y")

    assert report.accepted
    assert len(report.summary()["profile"]) == 200
    assert len(report.to_dict()["profile"]) == 3001
    assert "first 200 of 3001 columns" in " ".join(report.summary()["notes"])


def test_labels_are_normalised_and_that_is_told() -> None:
    rows = [f"{i * 7 % 31},{['yes', 'yes.', 'no ', 'no'][i % 4]}" for i in range(100)]
    report = judged(csv("x,y", rows), "y")

    assert report.classes == {"no": 50, "yes": 50}
    told = " ".join(report.notes)
    assert "25 labels end in a dot, which is ignored: 'yes.' is read as 'yes'" in told
    assert "25 rows with spaces around cells" in told


def test_rows_that_repeat_are_counted() -> None:
    rows = [f"{i * 37 % 101},{'ab'[i % 2]}" for i in range(101)]
    few = judged(csv("x,y", [*rows, *rows[:3]]), "y")
    many = judged(csv("x,y", rows * 2), "y")

    assert few.duplicates == 3
    assert "3 rows repeat one before" in " ".join(few.notes)
    assert many.duplicates == 101
    assert "101 rows repeat" in " ".join(many.warnings)


def test_a_column_that_knows_the_target_alone_is_a_suspect() -> None:
    leaky = two_classes(400).decode().splitlines()
    header, rows = leaky[0], leaky[1:]
    told = [f"{'paid' if row.endswith('yes') else 'open'},{row}" for row in rows]
    report = judged(csv(f"bill,{header}", told), "stays")
    number = prices(300).decode().splitlines()
    doubled = [f"{float(row.split(';')[2]) * 2};{row}" for row in number[1:]]

    assert any(text.startswith("bill alone predicts stays") for text in report.warnings)
    assert not any(text.startswith("age alone") for text in report.warnings)
    of_number = judged(csv(f"twice;{number[0]}", doubled), "price").warnings
    assert next(text.split()[0] for text in of_number if "alone predicts" in text) == "twice"


def test_a_small_class_is_a_warning() -> None:
    report = judged(csv("x,y", [f"{i * 7 % 31},{'b' if i % 50 == 0 else 'a'}" for i in range(500)]),
                    "y")  # fmt: skip

    assert "'b' is 2.00% of the rows" in " ".join(report.warnings)


def test_numbers_have_a_histogram_and_texts_bars() -> None:
    age, city, _ = judged(two_classes(400), "stays").profile

    assert len(age["histogram"]) == 20
    assert sum(age["histogram"]) == 400 - age["missing"]
    assert sum(city["bars"]) == 400 - city["missing"]


def test_the_next_upload_is_compared() -> None:
    first = judged(two_classes(400), "stays")
    before = Before(1, json.loads(json.dumps(first.reference)))
    same = judged(two_classes(400, seed=8), "stays", before=before)
    rows = [row.split(",") for row in two_classes(400).decode().splitlines()[1:]]
    moved = [f"{int(a or 50) + 60},{c if i % 9 else 'Turin'},{s}" for i, (a, c, s) in
             enumerate(rows)]  # fmt: skip
    other = judged(csv("age,city,stays", moved), "stays", before=before)
    lacking = judged(csv("age,town,stays", [f"{a},{c},{s}" for a, c, s in rows]), "stays",
                     before=before)  # fmt: skip

    assert same.compared_with == 1
    assert same.changes == []
    kinds = {(change["column"], change["kind"]) for change in other.changes}
    assert {("age", "drift"), ("age", "range"), ("city", "new categories")} <= kinds
    assert next(c for c in other.changes if c["kind"] == "drift")["psi"] > 1
    assert {("city", "missing column"), ("town", "new column")} <= {
        (change["column"], change["kind"]) for change in lacking.changes
    }


def test_dates_and_rare_texts_are_compared_as_such() -> None:
    def table(year: int) -> bytes:
        rows = [
            f"{year + i % 2}-{1 + i % 12:02}-{1 + i % 28:02},{year}text {i % 200},{'ab'[i % 3 > 1]}"
            for i in range(300)
        ]
        return csv("day,note,y", rows)

    before = Before(1, json.loads(json.dumps(judged(table(2020), "y").reference)))
    assert judged(table(2020), "y", before=before).changes == []
    later = judged(table(2030), "y", before=before).changes
    assert [(c["column"], c["kind"]) for c in later] == [("day", "range"), ("day", "drift")]
    assert "It goes from 2030-01-01 to 2031-" in later[0]["text"]


def test_the_stability_index_agrees_with_its_definition() -> None:
    old, new = ColumnProfile("c"), ColumnProfile("c")
    old.update(["a"] * 60 + ["b"] * 40)
    new.update(["a"] * 30 + ["b"] * 70)
    expected = (0.3 - 0.6) * math.log(0.3 / 0.6) + (0.7 - 0.4) * math.log(0.7 / 0.4)

    assert drift.psi(drift.reference(old), new) == pytest.approx(expected)


def test_a_column_that_numbers_the_rows_is_left_out_by_its_name() -> None:
    rows = [f"{i + 1},{i + 1},{i * 7 % 31},{'ab'[i % 2]}" for i in range(100)]
    report = judged(csv("id,day,x,y", rows), "y")

    assert report.schema
    assert [feature.name for feature in report.schema.features] == ["day", "x"]
    assert "day: it numbers the rows" in " ".join(report.notes)


def test_a_table_of_ten_thousand_columns_is_judged() -> None:
    names = ",".join([*(f"c{i}" for i in range(9_999)), "y"])
    rows = [",".join([*(str((i * k) % 7) for k in range(9_999)), "ab"[i % 2]]) for i in range(24)]
    report = judged(csv(names, rows), "y")

    assert report.accepted
    assert report.summary()["columns"] == 10_000
    assert any("Only the first 200" in note for note in report.summary()["notes"])


def test_a_table_in_utf_16_is_judged_as_any_other() -> None:
    report = judged(two_classes().decode().encode("utf-16"), "stays")

    assert report.accepted
    assert report.summary()["encoding"] == "utf-16"
    assert report.classes.keys() == {"no", "yes"}
