"""Hypothesis strategies made from the table of parameters."""

from __future__ import annotations

from functools import reduce

from hypothesis import strategies as st

from freeu import presets
from freeu.settings.parameter import Parameter, format_number
from freeu.settings.settings import TABLE

shares = st.floats(0, 1)
curves = st.dictionaries(shares, shares, max_size=5).map(
    lambda points: ", ".join(
        f"{format_number(progress)}:{format_number(strength)}" for progress, strength in points.items()
    )
)


def values(parameter: Parameter) -> st.SearchStrategy:
    """Return a strategy for the values that a parameter allows."""
    return {
        "switch": st.booleans(),
        "choice": st.sampled_from(parameter.choices or ("",)),
        "number": st.floats(parameter.low, parameter.high),
        "curve": curves,
    }[parameter.kind]


def _order_window(payload: dict) -> dict:
    """Return the payload with start and stop swapped if start is larger."""
    start, stop = payload.get("start", 0.0), payload.get("stop", 1.0)
    ordered = dict(zip(("start", "stop"), sorted((start, stop)), strict=True))
    return {**payload, **{name: value for name, value in ordered.items() if "start" in payload or "stop" in payload}}


valid = (
    st.fixed_dictionaries({}, optional={name: values(parameter) for name, parameter in TABLE.items()})
    .map(_order_window)
    .flatmap(lambda p: st.sampled_from([p, *({**p, "preset": name} for name in presets.BUILTIN)]))
)
"""Payloads that must be accepted."""

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["1", "2", " 1.5 ", "0:0,1:1", "nan", "inf", "1_0", "1e400", "true", "box", "0.5"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.just(10**5000),
    st.just(reduce(lambda inner, _: [inner], range(2000), 1)),
)
names = st.one_of(
    st.sampled_from([*TABLE, "preset", "b4", "Version", "stop_ratio"]), st.text(max_size=8), st.integers()
)
payloads = st.one_of(
    st.dictionaries(names, junk, max_size=6),
    st.lists(junk, max_size=len(TABLE) + 2),
    valid,
    junk,
)
"""Payloads of any kind, valid or not."""
