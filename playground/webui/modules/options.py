"""Settings by name: attributes for code, a dict of values for the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class OptionInfo:
    """An option's default, and how a settings page would show it."""

    def __init__(
        self,
        default: Any = None,
        label: str = "",
        component: Any = None,
        component_args: Any = None,
        onchange: Callable[[], object] | None = None,
        section: tuple[str, str] | None = None,
    ) -> None:
        self.default = default
        self.label = label
        self.component = component
        self.component_args = component_args
        self.onchange = onchange
        self.section = section


class Options:
    """`opts.name` reads and writes the option `name`."""

    data_labels: dict[str, OptionInfo]
    data: dict[str, Any]

    def __init__(self, data_labels: dict[str, OptionInfo]) -> None:
        self.__dict__["data_labels"] = data_labels
        self.__dict__["data"] = {key: info.default for key, info in data_labels.items()}

    def __setattr__(self, key: str, value: Any) -> None:
        if key in self.data:
            self.data[key] = value
        else:
            super().__setattr__(key, value)

    def __getattr__(self, item: str) -> Any:
        try:
            return self.data[item]
        except KeyError:
            raise AttributeError(f"no option {item!r}") from None

    def set(self, key: str, value: Any, is_api: bool = False, run_callbacks: bool = True) -> bool:
        """Whether the value changed. Raises KeyError for an unknown option."""
        info = self.data_labels[key]
        if self.data[key] == value:
            return False
        setattr(self, key, value)
        if run_callbacks and info.onchange:
            info.onchange()
        return True

    def get_default(self, key: str) -> Any:
        """The value that an option starts with, or None for an unknown one."""
        info = self.data_labels.get(key)
        return info.default if info else None

    def add_option(self, key: str, info: OptionInfo) -> None:
        """An option of a script's own; a value that is set already stays."""
        self.data_labels[key] = info
        self.data.setdefault(key, info.default)
