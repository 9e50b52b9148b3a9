"""Which properties the stand-in knows: the rest is refused by name, before anything is touched."""

from collections.abc import Iterator, Mapping
from typing import Any

from mooring.plugin.wire import is_list, is_mapping

Shape = Mapping[str, "Shape | None"]
"""The property names that are known, with the shape of what stands under them; None: anything may."""


def leaves(*names: str) -> Shape:
    """A shape of plain values (or of mappings whose keys are the program's own)."""
    return dict.fromkeys(names)


def unknown(props: Mapping[str, Any], shape: Shape, *, above: str = "") -> Iterator[str]:
    """The dotted name of every property in `props` that `shape` does not have; unset ones ask for nothing.

    `props` are plain values. A list is looked at item by item, as a property has one shape whatever its count.
    """
    for name, value in sorted(props.items()):
        if value is None:
            continue
        if name not in shape:
            yield f"{above}{name}"
        elif (inner := shape[name]) is not None:
            for item in value if is_list(value) else [value]:
                # What is no mapping here is unknown until something else exists.
                if is_mapping(item):
                    yield from unknown(item, inner, above=f"{above}{name}.")


def refusal(word: str, name: str) -> str:
    return (
        f"docker stand-in: {word} property {name!r} is not implemented; "
        "use the official plugin (pulumi-resource-docker 5.2.0)"
    )
