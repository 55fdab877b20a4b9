"""Which requests and saves a fault waits for, what is drawn by a seed, and the form of `/_sim/faults`."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from cpqbridge_sim.faults import AFTER, BEFORE, KINDS, LAG, Fault, fault_of, one_of

_STRUCK_KEPT = 20_000
# These make no sense for a whole request, so that they wait for saves of any object unless they name one.
_ALWAYS_OF_RECORDS = frozenset({"validation", "flow", "trigger", LAG})


@dataclass(slots=True, kw_only=True)
class PlannedFault:
    """A fault for what fits: `skip` of it pass, then it strikes `times` of it.

    `method`, `path`, `sobject` and `record` may hold `*`, for example `POST` and `/v1/prices*`.

    Attributes:
        part: it waits for parts of composite requests rather than for whole ones.
        sobject: the object whose saves it waits for; empty for faults of whole requests.
        record: the id of the record, with `sobject`.
        starts_at: the simulated time before which it does not strike.
    """

    fault: Fault
    method: str = "*"
    path: str = "*"
    skip: int = 0
    times: int = 1
    part: bool = False
    sobject: str = ""
    record: str = "*"
    starts_at: datetime | None = None

    @property
    def level(self) -> str:
        """What it waits for: a `request`, a `part` of one, or a `save`."""
        if self.sobject:
            return "save"
        return "part" if self.part else "request"

    def fits(self, target: Target) -> bool:
        """Return whether it waits for this."""
        return (
            self.level == target.level
            and (self.starts_at is None or (target.now is not None and target.now >= self.starts_at))
            and self.fault.kind != LAG
            and fnmatchcase(target.method, self.method)
            and fnmatchcase(target.path, self.path)
            and (not self.sobject or fnmatchcase(target.sobject, self.sobject))
            and (not self.sobject or fnmatchcase(target.record, self.record))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a fault may strike: a request, a part of a composite one, or the save of a record."""

    method: str = ""
    path: str = ""
    level: str = "request"
    sobject: str = ""
    record: str = ""
    now: datetime | None = None


class RandomFaults:
    """Faults that strike a share of all requests; the same requests are struck whenever a run is repeated.

    Each request is judged by its method, its path and its place among those that have the same, so that
    requests of several threads may come in any order. A fault without a moment of its own gets one.

    Args:
        seed: two runs with the same seed strike the same requests.
        rate: the share, 0 to 1.
        faults: by kind: one of the kinds strikes, and of its faults one.
        until: after so many requests no more strike; None for ever.
        method: only requests that fit; may hold `*`.
        path: as `method`.
    """

    def __init__(
        self,
        *,
        seed: int,
        rate: float,
        faults: Mapping[str, tuple[Fault, ...]],
        until: int | None = None,
        method: str = "*",
        path: str = "*",
    ) -> None:
        if not 0 <= rate <= 1:
            raise ValueError("`rate` must lie between 0 and 1.")
        if not faults:
            raise ValueError("`kinds` must name what may strike.")
        self.seed, self.rate, self.faults, self.until = seed, rate, faults, until
        self._method, self._path = method, path
        self._seen: Counter[tuple[str, str]] = Counter()

    def take(self, target: Target) -> Fault | None:
        """Return what strikes a request, if anything."""
        if not (fnmatchcase(target.method, self._method) and fnmatchcase(target.path, self._path)):
            return None
        if self.until is not None and self._seen.total() >= self.until:
            return None
        place = self._seen[target.method, target.path]
        self._seen[target.method, target.path] += 1
        # A seed of text is hashed by Random itself, the same way in every process.
        chance = Random(f"{self.seed} {target.method} {target.path} {place}")  # noqa: S311 - chance for tests
        if chance.random() >= self.rate:
            return None
        return chance.choice(self.faults[chance.choice(sorted(self.faults))])

    def told(self) -> dict[str, Any]:
        """The settings as plain data, with how many requests were judged."""
        kinds = sorted(self.faults)
        judged = self._seen.total()
        return {
            "seed": self.seed,
            "rate": self.rate,
            "kinds": kinds,
            "until": self.until,
            "method": self._method,
            "path": self._path,
            "judged": judged,
        }


@dataclass(slots=True)
class FaultPlan:
    """The faults that still wait, in the order in which they are tried, and those that struck.

    Attributes:
        kinds: the kinds this simulator knows.
        waiting: what was planned and is not used up.
        random: what strikes a share of all requests, if anything.
        struck: the newest of what struck, as plain data.
    """

    kinds: frozenset[str] = frozenset(KINDS)
    waiting: list[PlannedFault] = field(default_factory=list)
    random: RandomFaults | None = None
    struck: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_STRUCK_KEPT))
    _chance: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - chance for tests
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, planned: PlannedFault) -> None:
        """Have a fault wait for what it fits.

        Raises:
            ValueError: this simulator has no faults of that kind, or not at this place.
        """
        one_of("kind", planned.fault.kind, sorted(self.kinds))
        if planned.part and (planned.fault.is_wire or planned.fault.when == AFTER):
            raise ValueError("A part of a request is refused before it runs, or not at all.")
        if planned.sobject and not (KINDS[planned.fault.kind].is_record or planned.fault.kind == LAG):
            raise ValueError(f"`{planned.fault.kind}` does not strike the save of a record.")
        if not planned.sobject and planned.fault.kind in _ALWAYS_OF_RECORDS:
            planned.sobject = "*"
        with self._lock:
            self.waiting.append(planned)

    def plan(self, kind: str, **terms: Any) -> None:
        """The same as `add`, by name: `plan("reset", when="after", method="POST", path="/v1/prices")`."""
        self.add(planned_of({"kind": kind, **terms}))

    def at_random(self, *, seed: int, rate: float, kinds: tuple[str, ...], **terms: Any) -> None:
        """Let faults of these kinds strike a share of all requests; see `RandomFaults`.

        Raises:
            ValueError: a kind is not known here.
        """
        faults = {kind: self._moments(kind) for kind in kinds}
        self.random = RandomFaults(seed=seed, rate=rate, faults=faults, **terms)

    def clear(self) -> None:
        """No more faults; what struck is forgotten too."""
        with self._lock:
            self.waiting.clear()
            self.random = None
            self.struck.clear()

    def take(self, method: str, path: str, *, now: datetime | None = None) -> Fault | None:
        """The fault that strikes this request, if any; each request is counted by every fault it fits."""
        return self.take_for(Target(method=method, path=path, now=now))

    def take_for(self, target: Target) -> Fault | None:
        """The fault that strikes this, if any."""
        with self._lock:
            found = self._take(target)
            if found is None and self.random is not None and target.level == "request":
                found = self.random.take(target)
            if found is not None:
                place = {"method": target.method, "path": target.path}
                saved = {"sobject": target.sobject, "record": target.record} if target.sobject else {}
                self.struck.append({**place, **saved, **_shown(found)})
            return found

    def _take(self, target: Target) -> Fault | None:
        found = self._used([each for each in self.waiting if each.fits(target)])
        return None if found is None else found.fault

    def take_lag(self, records: list[tuple[str, str]], *, now: datetime) -> PlannedFault | None:
        """The `lag` of a transaction that saves these records, named by object and id, if any."""
        with self._lock:
            found = self._used(
                [
                    each
                    for each in self.waiting
                    if each.fault.kind == LAG
                    and (each.starts_at is None or now >= each.starts_at)
                    and any(
                        fnmatchcase(sobject, each.sobject) and fnmatchcase(record, each.record)
                        for sobject, record in records
                    )
                ]
            )
            if found is not None:
                self.struck.append({**_shown(found.fault), "records": len(records)})
            return found

    def _used(self, fitting: list[PlannedFault]) -> PlannedFault | None:
        """Count what fits: the first that need not skip strikes."""
        found: PlannedFault | None = None
        for planned in fitting:
            if planned.skip > 0:
                planned.skip -= 1
            elif found is None:
                found = planned
                planned.times -= 1
                if planned.times <= 0:
                    self.waiting.remove(planned)
        return found

    def seconds_of(self, fault: Fault) -> float:
        """How long a fault lasts, drawn where it has a range."""
        if fault.seconds_max is None:
            return fault.seconds
        return self._chance.uniform(fault.seconds, fault.seconds_max)

    def _moments(self, kind: str) -> tuple[Fault, ...]:
        one_of("kind", kind, sorted(self.kinds))
        both = (BEFORE, AFTER) if KINDS[kind].moments else (BEFORE,)
        return tuple(Fault(kind=kind, when=moment) for moment in both)

    def told(self) -> dict[str, Any]:
        """What waits and what struck, as plain data."""
        with self._lock:
            waiting = [
                {**_shown(each.fault), "method": each.method, "path": each.path}
                | {"skip": each.skip, "times": each.times, "level": each.level}
                for each in self.waiting
            ]
            return {
                "waiting": waiting,
                "random": None if self.random is None else self.random.told(),
                "struck": list(self.struck),
            }

    def read(self, content: Any) -> dict[str, Any]:
        """Plan what a body of `POST /_sim/faults` says, all of it or nothing; returns how many wait.

        Raises:
            ValueError: a name or a value is not known.
        """
        names = {"faults", "seed", "rate", "kinds", "until", "method", "path"}
        if not isinstance(content, Mapping) or not content or not set(content) <= names:
            raise ValueError(f"it is one object with {', '.join(sorted(names))}")
        listed = content.get("faults", [])
        if not isinstance(listed, list) or not all(isinstance(entry, Mapping) for entry in listed):
            raise ValueError("`faults` must be a list of objects")
        planned = [planned_of(entry) for entry in listed]
        for entry in planned:
            one_of("kind", entry.fault.kind, sorted(self.kinds))
        if "seed" in content:
            self.at_random(**_random_terms(content))
        for entry in planned:
            self.add(entry)
        return {"waiting": len(self.waiting)}


def planned_of(values: Mapping[str, Any]) -> PlannedFault:
    """A planned fault from plain values: those of `PlannedFault`, and those of the fault.

    Raises:
        ValueError: a name or a value is not known.
    """
    rest = dict(values)
    names = {entry.name for entry in fields(PlannedFault)} - {"fault"}
    placing = {name: rest.pop(name) for name in names if name in rest}
    for name in ("skip", "times"):
        if name in placing and not (type(placing[name]) is int and placing[name] >= 0):
            raise ValueError(f"`{name}` must be a count.")
    for name in ("method", "path", "sobject", "record"):
        if name in placing and not isinstance(placing[name], str):
            raise ValueError(f"`{name}` must be text.")
    if isinstance(placing.get("starts_at"), str):
        moment = datetime.fromisoformat(placing["starts_at"])
        placing["starts_at"] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return PlannedFault(fault=fault_of(rest), **placing)


def _random_terms(content: Mapping[str, Any]) -> dict[str, Any]:
    kinds = content.get("kinds", ())
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise ValueError("`kinds` must be a list of kinds")
    for name in ("seed", "until"):
        if name in content and content[name] is not None and type(content[name]) is not int:
            raise ValueError(f"`{name}` must be a whole number")
    terms = {name: content[name] for name in ("until", "method", "path") if name in content}
    return {"seed": content["seed"], "rate": float(content.get("rate", 0)), "kinds": tuple(kinds), **terms}


def _shown(fault: Fault) -> dict[str, Any]:
    """What of a fault differs from the default, as plain data."""
    usual = asdict(Fault(kind=fault.kind))
    return {"kind": fault.kind, **{name: each for name, each in asdict(fault).items() if each != usual[name]}}
