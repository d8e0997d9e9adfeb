"""Why a worker is where it is, and the tac it would get, its password masked; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from slavealloc.models import Loads, Master, Placement, Reason, Refusal
from slavealloc.pages import Page, make_pages
from slavealloc.tac import Stamp

MASK = "********"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A master that could serve a worker, and how many of its silo's other live workers it has."""

    nickname: str
    others: int
    enabled: bool
    chosen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What would happen if a worker asked now, in words, and what that is decided on."""

    verdict: str
    is_refused: bool
    candidates: list[Candidate]
    tac: Page


def explain_place(
    answer: Placement | Refusal, masters: Mapping[int, Master], loads: Loads, stamp: Stamp
) -> Explanation:
    """Explain what the allocator would answer now."""
    worker = answer.worker
    chosen = answer.master.id if isinstance(answer, Placement) and answer.master else None
    load = loads.get(worker.silo, {})
    candidates = [
        Candidate(
            nickname=master.nickname,
            others=load.get(master.id, 0)
            - (worker.counted and worker.current_master_id == master.id),
            enabled=master.enabled,
            chosen=master.id == chosen,
        )
        for master in masters.values()
        if master.pool_id == worker.silo[0] or master.id == chosen
    ]
    masked = replace(answer, worker=worker._replace(password=worker.password and MASK))
    return Explanation(
        verdict=_say(answer),
        is_refused=isinstance(answer, Refusal),
        candidates=sorted(candidates, key=lambda each: (not each.enabled, each.nickname)),
        tac=make_pages([worker.name], {worker.name: masked}, stamp)[worker.name],
    )


def _say(answer: Placement | Refusal) -> str:
    if isinstance(answer, Refusal):
        return f"If it asked now, it would get nothing: {answer.why}."
    if answer.master is None:
        return "It is disabled: if it asked now, its tac would say so, and start nothing."
    nickname = answer.master.nickname
    match answer.reason:
        case Reason.LOCKED:
            return f"It is locked to {nickname}: it is sent there, however full that is."
        case Reason.KEPT:
            return f"If it asked now, it would stay on {nickname}: no other serves fewer."
        case Reason.CHOSEN:
            return f"If it asked now, it would be sent to {nickname}: no other serves fewer."
        case Reason.DISABLED:
            return f"It would be sent to {nickname}."
