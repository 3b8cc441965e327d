"""Invented versions of models and datasets."""

from __future__ import annotations

from tests.web.fake_time import Json, at

EVALUATION: Json = {
    "rows": 371,
    "confusion": {
        "labels": ["0", "1"],
        "counts": [[180, 4], [7, 180]],
        "classes": 2,
        "recall": [0.978, 0.963],
        "precision": [0.963, 0.978],
    },
    "roc": [{"label": "1", "points": [[0, 0], [0.02, 0.96], [1, 1]], "share": 0.5}],
    "pr": [{"label": "1", "points": [[0, 1], [0.96, 0.98], [1, 0.5]], "share": 0.5}],
    "calibration": [
        {"said": 0.1, "was": 0.08, "rows": 180},
        {"said": 0.9, "was": 0.93, "rows": 191},
    ],
    "importance": [{"column": "px_2_3", "loss": 0.08}, {"column": "px_0_0", "loss": 0.0}],
    "slices": [{"column": "px_2_3", "value": "0 to 4", "rows": 90, "metrics": {"accuracy": 0.97}}],
}


def model_version(n: int, state: str, ago: float, accuracy: float, correlationid: str) -> Json:
    before = {"version": n - 1, "metrics": {"accuracy": accuracy - 0.008}} if n > 1 else None
    return {
        "version": n,
        "state": state,
        "registered": at(ago),
        "metrics": {
            "accuracy": accuracy,
            "auc": round(accuracy + 0.02, 4),
            "f1": round(accuracy - 0.001, 4),
        },
        "baseline": {"accuracy": 0.1004, "auc": 0.5, "f1": 0.0182},
        "champion": before,
        "lineage": {
            "dataset": "digits",
            "dataset_version": n,
            "sha256": f"9f2c{n:060x}",
            "rows": 1797,
            "parameters": {"algorithm": "boosting", "max_iter": 200},
            "code": "0.1.0",
            "trained_on": 1426,
            "held_out": 371,
            "tested_on": 371,
            "test_source": "held-out rows",
            "libraries": {"scikit-learn": "1.9.1"},
            "candidates": [
                {
                    "algorithm": "logistic",
                    "metric": "accuracy",
                    "score": accuracy - 0.01,
                    "spread": 0.005,
                    "seconds": 1.2,
                },
                {
                    "algorithm": "boosting",
                    "metric": "accuracy",
                    "score": accuracy,
                    "spread": 0.004,
                    "seconds": 2.9,
                },
            ],
            "correlationid": correlationid,
            "by": "user:admin",
            "seconds": 4.1,
        },
        "task": "classification",
        "classes": [str(d) for d in range(10)],
        "artefact": f"sha256:{n:064x}",
        "sample": f"sha256:{n + 1:064x}",
        "metric": "accuracy",
        "correlationid": correlationid,
        "reason": "better than the champion by 0.008 accuracy" if n > 1 else "better than baseline",
    }


def dataset_versions(correlationid: str) -> list[Json]:
    column = {"name": "px_0_0", "type": "number", "missing": 0, "distinct": 17, "min": 0, "max": 16}
    report = {
        "rows": 1797,
        "columns": 65,
        "target": "digit",
        "task": "classification",
        "delimiter": ",",
        "encoding": "utf-8",
        "header": True,
        "classes": {str(d): 178 + d for d in range(10)},
        "profile": [column | {"name": f"px_{i // 8}_{i % 8}"} for i in range(64)],
        "verdict": "accepted",
        "reasons": [],
        "decimal": ".",
        "misshapen_rows": 0,
        "evaluation_rows": None,
        "notes": ["10 columns have one value only and will not help."],
    }
    return [
        {
            "version": 2,
            "state": "validated",
            "uploaded": at(700),
            "by": "user:admin",
            "filename": "digits.csv",
            "target": "digit",
            "task": "classification",
            "file": f"sha256:{7:064x}",
            "sha256": f"{7:064x}",
            "evaluation": None,
            "evaluation_filename": "",
            "report_file": f"sha256:{8:064x}",
            "size": 492_831,
            "rows": 1797,
            "report": report,
            "reasons": [],
            "correlationid": correlationid,
        },
        {
            "version": 1,
            "state": "rejected",
            "uploaded": at(9100),
            "by": "user:admin",
            "filename": "digits.xls.csv",
            "target": "digit",
            "task": None,
            "file": f"sha256:{9:064x}",
            "sha256": f"{9:064x}",
            "evaluation": None,
            "evaluation_filename": "",
            "report_file": f"sha256:{10:064x}",
            "size": 8_120,
            "rows": 0,
            "report": report | {"rows": 0},
            "reasons": ["This is an HTML page, not a table: export it as CSV and upload that."],
            "correlationid": correlationid,
        },
    ]
