"""What goes wrong in a callback stays there: the framework's loop goes on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., None])


def contained(method: Method) -> Method:
    """Tell an error in a callback's method once, by the callback's ``once``, instead of raising it."""

    @functools.wraps(method)
    def safe(self: Any, *arguments: Any, **named: Any) -> None:
        try:
            method(self, *arguments, **named)
        except Exception as error:
            what = method.__name__
            self.once.tell(what, f"{what}: {type(error).__name__}: {error}. The training goes on.")

    return cast("Method", safe)
