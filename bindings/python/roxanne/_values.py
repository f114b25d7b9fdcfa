"""What people hand in, brought into the shape the engine takes; nothing is lost on the way."""

from __future__ import annotations

import json
import operator
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

import numpy as np
import numpy.typing as npt

from ._errors import InvalidArgument

Key = Union[int, str]
Keys = Union[npt.NDArray[Any], Sequence[Key]]
Payload = Union[Mapping[str, Any], str, None]

_SCALAR_TYPES = {"float32": "f32", "float16": "f16", "uint8": "u8", "int8": "i8"}
_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", 1):
    _UNITS[_letter + "ib"] = 1024**_power
    _UNITS[_letter + "b"] = _UNITS[_letter] = 1000**_power


def byte_count(size: int | str) -> int:
    """4294967296 of "4GiB"; KiB to TiB are powers of 1024, KB to TB of 1000."""
    if isinstance(size, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", size)
        if found is None or found[2].lower() not in _UNITS:
            raise InvalidArgument(f"memory_limit {size!r}: expected a size such as '4GiB'")
        size = int(float(found[1]) * _UNITS[found[2].lower()])
    size = operator.index(size)
    if not 0 <= size < 2**64:
        raise InvalidArgument(f"memory_limit {size}: expected bytes, not below 0")
    return size


def count(number: int, what: str, limit: int = 2**32 - 1) -> int:
    """`number`, which is named `what`, where it is within 0 and `limit`."""
    try:
        number = operator.index(number)
    except TypeError:
        raise TypeError(f"{what}: expected int, not {type(number).__name__}") from None
    if number < 0:
        raise InvalidArgument(f"{what} {number}: is below 0")
    if number > limit:
        raise InvalidArgument(f"{what} {number}: is above {limit}")
    return number


def path_bytes(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> bytes:
    """What the operating system calls it, which need not be text."""
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"path {path!r}: {error.reason}") from None
    if not encoded or b"\0" in encoded:
        raise InvalidArgument(f"path {path!r}: is empty or has a NUL in it")
    return encoded


def scalar_type(dtype: Any) -> str:
    """"f32" of "f32", numpy.float32, numpy.dtype("float32")."""
    if isinstance(dtype, str) and dtype in _SCALAR_TYPES.values():
        return dtype
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in _SCALAR_TYPES:
        raise InvalidArgument(f"dtype {name}: expected f32, f16, u8 or i8")
    return _SCALAR_TYPES[name]


def key_batch(keys: Keys | Key) -> npt.NDArray[np.uint64] | list[str]:
    """An array of uint64, `keys` itself where it is one; or a list of str."""
    if isinstance(keys, (int, str, np.integer)):
        return key_batch([keys])
    if isinstance(keys, np.ndarray):
        return _array_keys(keys)
    listed: list[Any] = list(keys)
    if listed and isinstance(listed[0], str):
        return listed  # the engine looks at each
    return _number_keys(listed)


def _array_keys(keys: npt.NDArray[Any]) -> npt.NDArray[np.uint64] | list[str]:
    if keys.ndim != 1:
        raise InvalidArgument(f"keys: expected a 1-D array, not {keys.ndim} dimensions")
    if keys.dtype.kind in "UO":
        return key_batch(keys.tolist())
    if keys.dtype.kind not in "ui":
        raise InvalidArgument(f"keys are of {keys.dtype}: expected integers or str")
    if keys.dtype.kind == "i" and keys.size and keys.min() < 0:
        raise InvalidArgument(f"keys: {keys.min()} is below 0")
    return np.ascontiguousarray(keys, dtype=np.uint64)


def _number_keys(keys: list[Any]) -> npt.NDArray[np.uint64]:
    try:
        return np.array([operator.index(key) for key in keys], dtype=np.uint64)
    except TypeError:
        raise TypeError("keys: expected all int or all str") from None
    except OverflowError:
        raise InvalidArgument("keys: an int key is within 0 and 2**64 - 1") from None


def payload_texts(payloads: Iterable[Payload] | None) -> list[str]:
    """JSON texts, "" for none; an empty list where no payloads are given."""
    if payloads is None:
        return []
    if isinstance(payloads, (str, Mapping)):
        raise TypeError("payloads: expected one a point, as a list")
    return [_payload_text(row, payload) for row, payload in enumerate(payloads)]


def _payload_text(row: int, payload: Payload) -> str:
    if payload is None:
        return ""
    if not isinstance(payload, (str, Mapping)):
        raise TypeError(f"payloads: row {row}: expected a dict, JSON text or None")
    try:
        text = payload if isinstance(payload, str) else json.dumps(
            dict(payload), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if not text.isascii():
            text.encode()  # which half a surrogate pair does not let
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"payloads: row {row}: {error}") from None
    return text


def payload_dict(text: str | None) -> dict[str, Any] | None:
    """The payload of stored text."""
    if text is None:
        return None
    payload: dict[str, Any] = json.loads(text)
    return payload
