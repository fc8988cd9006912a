"""What `follow` gives to a program's loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar, Union

RowType = TypeVar("RowType")
ChangeType = TypeVar("ChangeType")


@dataclass(frozen=True)
class Reset:
    """Forget what you have: rows follow. At the start, and where the last cursor has expired."""

    type: Literal["reset"] = field(default="reset", init=False)


@dataclass(frozen=True)
class Row(Generic[RowType]):
    """A row that is there."""

    row: RowType
    cursor: None = field(default=None, init=False)
    type: Literal["row"] = field(default="row", init=False)


@dataclass(frozen=True)
class Listed:
    """All rows were told. From here on keep cursors."""

    cursor: str
    type: Literal["listed"] = field(default="listed", init=False)


@dataclass(frozen=True)
class Change(Generic[ChangeType]):
    """A change. Handle it, then keep the cursor: what was not kept comes again."""

    change: ChangeType
    cursor: str
    type: Literal["change"] = field(default="change", init=False)


FollowEvent = Union[Reset, Row[RowType], Listed, Change[ChangeType]]
