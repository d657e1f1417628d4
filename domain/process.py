"""What every durable process keeps: its steps, its timeline, its alarms and its orders.

A transition is a function that takes a copy of the state, changes it and returns what is to be written
together with it. It raises :class:`Refused` if the state forbids the request. Values are immutable, so a
shallow copy does. All instants are UTC, of the process's own clock.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

REMEMBERED_STEPS = 32


class Refused(Exception):
    """The state forbids the request; ``refusal`` is the stable code, ``detail`` holds codes and times."""

    def __init__(self, refusal: StrEnum, **detail: Any) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.detail = detail


class Entry(BaseModel):
    """One line of the timeline: what happened, by whom (None: the process itself), with codes and numbers."""

    model_config = ConfigDict(frozen=True)

    seq: int
    at: datetime
    code: str
    actor_id: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict)
    note_id: str | None = None


class Step(BaseModel):
    """A transition that was made: the revision it led to, and its name (of an update, alarm or order)."""

    model_config = ConfigDict(frozen=True)

    revision: int
    name: str


class Timed(BaseModel):
    """An instant at which a process acts by itself; rooms add what for."""

    model_config = ConfigDict(frozen=True)

    at: datetime

    @property
    def step(self) -> str:
        """The name of the step that is made when it rings."""
        raise NotImplementedError


A = TypeVar("A", bound=Timed)
W = TypeVar("W", bound=BaseModel)


class ProcessState(BaseModel, Generic[A, W]):
    """What the state of a process has in every room; ``A`` are its alarms, ``W`` is work that it orders."""

    revision: int = 0
    steps: tuple[Step, ...] = ()
    alarms: tuple[A, ...] = ()
    orders: tuple[W, ...] = ()
    closed: bool = False

    @property
    def next_alarm(self) -> A | None:
        """The alarm that rings next; equal instants ring in the order in which they were set."""
        return min(self.alarms, key=lambda alarm: alarm.at, default=None)

    def count_step(self, name: str) -> None:
        """Go on to the next revision, by the step called ``name``."""
        self.revision += 1
        self.steps = (*self.steps, Step(revision=self.revision, name=name))[-REMEMBERED_STEPS:]

    def made_since(self, revision: int, name: str) -> bool:
        """Tell whether a step called ``name`` was made after ``revision``."""
        return any(step.revision > revision and step.name == name for step in self.steps)

    def has(self, item: A | W) -> bool:
        """Tell whether an alarm or an order is still on its list: one that is not has lost its cause."""
        return item in self.alarms or item in self.orders

    def take(self, item: A | W) -> None:
        """Take an alarm or an order off its list."""
        self.alarms = tuple(other for other in self.alarms if other != item)
        self.orders = tuple(other for other in self.orders if other != item)
