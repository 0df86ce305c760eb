"""Let functions stand for parts of a module, for a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ["Given", "replaced"]


class Given(tuple[Any, ...]):
    """The output of a backbone: a state, by place and by name, and nothing else."""

    @property
    def last_hidden_state(self) -> Tensor:
        state: Tensor = self[0]
        return state

    def __getattr__(self, name: str) -> None:
        if name.startswith("_"):
            raise AttributeError(name)


class _Stand(nn.Module):
    """Stands for a module: is called instead of it, and has all its attributes."""

    def __init__(self, real: nn.Module, act: Callable[..., Any]) -> None:
        super().__init__()
        self._real = (real,)
        self._act = act

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return self._act(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.__dict__["_real"][0], name)


@contextmanager
def replaced(module: nn.Module, parts: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Let functions stand for parts of a module, and put the parts back."""
    with ExitStack() as exits:
        for path, act in parts.items():
            outer, _, name = path.rpartition(".")
            home = module.get_submodule(outer)._modules
            real = home[name]
            assert real is not None
            exits.callback(home.__setitem__, name, real)
            home[name] = _Stand(real, act)
        yield
