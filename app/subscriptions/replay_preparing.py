"""Preparing long replays: their lists are written in steps, and what they give back too.

Who starts one waits only until its list is frozen. The caretaker writes it, a step at a time
(`app.store.replay_work`), between other work; nothing is sent before it is whole. An edit that
turns out not to fit on the way ends the replay, and everything is parked as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import Conflict, InvalidEvents, NotFound, Refused
from app.store.replay_work import RETURN, STEP, Work
from app.subscriptions.replay_selection import Selecting

SPELL = 0.5
"""Seconds of one call, after which others have their turn."""
Item = dict[str, Any]


class Preparing:
    def __init__(self, platform: Any, selecting: Selecting):
        self.platform = platform
        self.selecting = selecting
        self.work = platform.replay_work

    def check(
        self,
        selection: Mapping[str, Any],
        options: Mapping[str, Any],
        letters: Sequence[str] | None,
        id: str,
    ) -> None:
        """What can be known before the list is written: letters that are gone, edits that don't fit.

        Of a patch for all, whether it fits the first of them. Raises as `Selecting.items` does.
        """
        target = self.selecting.target_of(selection, options)
        if letters is None:
            return
        edits = options.get("edits") or {}
        if "dead_letters" in selection:
            self.selecting.check_parked(letters, self.platform.dead_letters.named(letters))
        some = [one for one in edits if one != "*"] + list(letters[:STEP] if "*" in edits else ())
        found = list(self.platform.dead_letters.many(some))
        if options.get("prepared_edits") and "dead_letters" not in selection:
            found += self.platform.dead_letters.edited(**self.selecting.wanted(selection))
        for _ in self.selecting.of_letters(found, target, options, id):
            pass

    def advance(self) -> int:
        """Go on with all there is to do, for a while; how many steps."""
        now = self.platform.clock.monotonic
        over = now() + SPELL
        steps = 0
        for work in self.work.all():
            going: Work | None = work
            while going is not None:
                going = self._step(going)
                steps += 1
                self.platform.changes.announce("replays", "dead-letters")
                if now() >= over:
                    return steps
        return steps

    def _step(self, work: Work) -> Work | None:
        """One transaction; the work as it is then, or None where nothing is left."""
        if work.what == RETURN:
            return work if self.work.give_back(work.replay) else None
        try:
            items, place = self._following(work)
        except (Refused, Conflict, NotFound, InvalidEvents) as problem:
            self.platform.replay_store.move(
                work.replay, "cancelled", ("preparing",), stopped=str(problem)
            )
            return None
        if not self.work.add(work.replay, items, place):
            return None
        if place is None:
            self.work.ready(work.replay, self.platform.settings.approve_above)
            return None
        return Work(work.replay, work.what, work.frozen, place, work.selection, work.options)

    def _following(self, work: Work) -> tuple[list[Item], str | None]:
        """The next items of a list, and the place behind them; None at its end."""
        target = self.selecting.target_of(work.selection, work.options)
        if "events" in work.selection:
            filter, fits = self.selecting.past(work.selection)
            bounded = {**filter, "kept_until": work.frozen}
            page = self.platform.archive.select(bounded, work.place, STEP)
            chosen = self.selecting.of_past(page.items, target, fits)
            return list(self.selecting.edited_by(chosen, work.options, work.replay)), page.next
        start = int(work.place or 0)
        ids = self.work.letters(work.replay, start, STEP)
        edits = work.options.get("edits") or work.options.get("prepared_edits")
        letters = self.platform.dead_letters
        found = letters.many(ids) if edits else letters.named(ids)
        parked = [letter for letter in found if letter["state"] == "parked"]
        items = list(self.selecting.of_letters(parked, target, work.options, work.replay))
        return items, str(start + STEP) if len(ids) == STEP else None
