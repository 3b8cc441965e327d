"""Which rows are held out for the test: decided by what a row holds, not by where it stands.

A row's hash decides, so the same row is held out in every version of a
dataset: a champion that was trained on yesterday's file has never seen today's
held-out rows, and a row that occurs twice is never on both sides.
"""

from __future__ import annotations

import numpy as np

from app.ml.schema import Task

HELD_OUT = 0.2


def held_out(keys: np.ndarray, target: np.ndarray, task: Task) -> np.ndarray:
    """A mask of the rows held out, about a fifth; a class of two rows or more is on both sides."""
    mask = _below(keys, HELD_OUT)
    share = mask.mean() if len(mask) else 0.0
    if not 0.5 * HELD_OUT <= share <= 1.5 * HELD_OUT:
        keys = _told_apart(keys)
        mask = _below(keys, HELD_OUT)
    groups = np.unique(target) if task == "classification" else [None]
    for group in groups:
        members = np.arange(len(target)) if group is None else np.flatnonzero(target == group)
        _balance(mask, members, keys)
    return mask


def _below(keys: np.ndarray, share: float) -> np.ndarray:
    return keys < np.uint64(int(share * 2**64))


def _balance(mask: np.ndarray, members: np.ndarray, keys: np.ndarray) -> None:
    """At least one of a group on each side, if it has two; a single row is for training."""
    held = int(mask[members].sum())
    if len(members) == 1:
        mask[members] = False
    elif held == 0:
        mask[members[np.argmin(keys[members])]] = True
    elif held == len(members):
        mask[members[np.argmax(keys[members])]] = False


def _told_apart(keys: np.ndarray) -> np.ndarray:
    """Where a table has few different rows, those alike are told apart by position (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = keys + np.arange(1, len(keys) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
