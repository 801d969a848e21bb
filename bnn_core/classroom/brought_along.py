"""What counts at a place of the report for which there is something from several downloads: a lesson that somebody
handed in again along with the homework on another. The best of them does, so that an old notebook that lies in a later
homework costs nobody a mark. It may not know how a submission is graded, or what it is worth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bnn_core.classroom.journal import Journal, Origin, Place

Tried = tuple[str, Origin]
"""The key of a result, and where it came from."""


def tried_before(journal: Journal, place: Place) -> list[Tried]:
    """What may count there, in the order of time."""
    return [(entry.key, origin) for entry, origin in journal.tried(place)] if place in journal.latest else []


def keep_what_counts(journal: Journal, origins: Sequence[tuple[Place, Origin]]) -> dict[Place, list[Tried]]:
    """What may count so far at these places. Where it may go on to, that is noted, for a grading that is interrupted.
    origins: of what was handed in now.
    """
    before = {place: tried_before(journal, place) for place, _ in origins}
    along = {place for place, origin in origins if origin.brought_along}
    along |= {place for place, tried in before.items() if any(origin.brought_along for _, origin in tried)}
    journal.note_attempts({place: before[place] for place in along if before[place]}, along)
    return before


def note_what_counts(
    journal: Journal, results: Iterable[tuple[Place, str, Origin]], before: Mapping[Place, Sequence[Tried]]
) -> None:
    """Let each of these results, of several the last, stand in its place, and note where all came from that may count.
    results: the place, the key and the origin of each; before: as `keep_what_counts` gave it.
    """
    now: defaultdict[Place, list[Tried]] = defaultdict(list)
    for place, key, origin in results:
        earlier = journal.origins.get(place)
        if earlier is not None and earlier.system and not origin.system:
            # Feedback goes back to where the platform's own names came from.
            origin = replace(origin, key=earlier.key, system=earlier.system, entry=earlier.entry)
        now[place].append((key, origin))
    tried = {place: all_tried(before[place], ones) for place, ones in now.items()}
    for ones in tried.values():
        journal.let_stand(ones[-1][0])
    journal.note_origins({place: ones[-1][1] for place, ones in tried.items()})
    journal.note_attempts({place: ones for place, ones in tried.items() if len(ones) > 1}, tried)


def all_tried(before: Sequence[Tried], now: Sequence[Tried]) -> list[Tried]:
    """All of which the best counts: what was handed in now, and what was before where one of the two came along with
    another lesson's homework; so a better one keeps the mark when the lesson's own homework is graded again, too. What
    was handed in twice counts with its first time.
    """
    is_along = any(origin.brought_along for _, origin in now)
    if is_along:
        first = {key for key, origin in before if not origin.brought_along}
        now = [one for one in now if one[0] not in first]
    known = {key for key, _ in now}
    stays = [
        (key, origin)
        for key, origin in before
        if (is_along or origin.brought_along)
        and key not in known
        and not any(origin.is_of_same_file(other) for _, other in now)
    ]
    return [*stays, *now] if is_along else [*now, *stays]
