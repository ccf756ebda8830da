"""Messages as fields, beside protobuf's own classes."""

import pytest
from google.protobuf import struct_pb2, timestamp_pb2, wrappers_pb2

from avkeras.saved_models.wire import entries, fields


def test_fields_are_those_that_protobuf_writes():
    moment = timestamp_pb2.Timestamp(seconds=2**40 + 7, nanos=300)
    assert dict(fields(moment.SerializeToString())) == {1: 2**40 + 7, 2: 300}
    for message, size in ((wrappers_pb2.DoubleValue(value=0.5), 8), (wrappers_pb2.FloatValue(value=0.5), 4)):
        ((number, value),) = fields(message.SerializeToString())
        assert (number, len(value)) == (1, size)
    text = wrappers_pb2.StringValue(value="häuser" * 50)
    assert [(number, str(value, "utf-8")) for number, value in fields(text.SerializeToString())] == [(1, text.value)]


def test_a_negative_number_is_read_as_its_64_bits():
    ((_, value),) = fields(wrappers_pb2.Int64Value(value=-1).SerializeToString())
    assert value == 2**64 - 1


def test_maps_are_read_by_key_and_an_empty_value_is_empty():
    message = struct_pb2.Struct(fields={"one": struct_pb2.Value(string_value="x"), "none": struct_pb2.Value()})
    found = entries(message.SerializeToString(), 1)
    assert {name: bytes(value) for name, value in found.items()} == {"one": b"\x1a\x01x", "none": b""}


@pytest.mark.parametrize("broken", [b"\x0a", b"\x0a\x05abc", b"\x80", b"\x0d\x00\x00", b"\x0b"])
def test_what_is_cut_short_is_refused(broken):
    with pytest.raises(ValueError, match=r"ends behind|of kind"):
        list(fields(broken))
