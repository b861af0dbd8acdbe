"""The WebUI's options."""

from __future__ import annotations

from typing import Any


class OptionInfo:
    """Default value, label and control of an option."""

    def __init__(
        self,
        default: Any = None,
        label: str = "",
        component: Any = None,
        component_args: Any = None,
        onchange: Any = None,
        section: tuple[str, str] | None = None,
        refresh: Any = None,
    ) -> None:
        self.default = default
        self.label = label
        self.component = component
        self.component_args = component_args
        self.onchange = onchange
        self.section = section
        self.refresh = refresh


class Options:
    """Values of options. `opts.name` reads the option `name`; `data` holds all values."""

    data_labels: dict[str, OptionInfo]
    data: dict[str, Any]

    def __init__(self, data_labels: dict[str, OptionInfo]) -> None:
        self.__dict__["data_labels"] = data_labels
        self.__dict__["data"] = {key: info.default for key, info in data_labels.items()}

    def __setattr__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __getattr__(self, item: str) -> Any:
        try:
            return self.data[item]
        except KeyError:
            raise AttributeError(f"there is no option {item!r}") from None

    def add_option(self, key: str, info: OptionInfo) -> None:
        """Add an option of an extension. An existing option keeps its value."""
        self.data_labels[key] = info
        self.data.setdefault(key, info.default)

    def set(self, key: str, value: Any) -> None:
        """Set an option. Raises KeyError for an unknown one."""
        if key not in self.data:
            raise KeyError(key)
        self.data[key] = value
