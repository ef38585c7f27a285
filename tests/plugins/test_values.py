"""Property values survive the wire, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.plugins.protocol import struct_pb2
from emulator.plugins.values import SECRET, SIGNATURE, UNKNOWN, decode, encode, has_unknown, same, secret

_scalars = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
_keys = st.text(min_size=1).filter(lambda key: key != SIGNATURE)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_keys, _values, max_size=5))
def test_round_trip(values: dict) -> None:
    assert same(decode(encode(values)), values)


def test_whole_numbers_are_integers() -> None:
    assert str(decode(encode({"traffic": {"blue": 100}}))) == "{'traffic': {'blue': 100}}"


def test_nulls_are_left_out_and_empty_collections_are_kept() -> None:
    struct = struct_pb2.Struct()
    struct.update({"gone": None, "inner": {"gone": None, "list": []}, "empty": {}})
    assert decode(struct) == {"inner": {"list": []}, "empty": {}}


def test_secrets_arrive_unwrapped() -> None:
    assert decode(encode({"key": secret("s3"), "deep": [{"a": secret({"b": 1})}]})) == {
        "key": "s3",
        "deep": [{"a": {"b": 1}}],
    }
    assert secret(1) == {SIGNATURE: SECRET, "value": 1}


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (True, 1, False),
        ([1, True], [1, 1], False),
        ({"a": 1}, {"a": 1}, True),
        ("1", 1, False),
    ],
)
def test_same(left: object, right: object, expected: bool) -> None:
    assert same(left, right) is expected


def test_unknown_is_found_anywhere() -> None:
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": "known"}]})
