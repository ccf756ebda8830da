"""Messages of protobuf as fields, without the classes that TensorFlow's Python has for them."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yields number and value of each field of a message, in the order in which they were written.

    Integers are yielded as they are written (negative ones as 64 bits without a sign), the rest as bytes.

    Raises:
        ValueError: that is no message.

    Example:
        >>> [(number, bytes(value)) for number, value in fields(b"\\x0a\\x02hi")]
        [(1, b'hi')]
    """
    message = memoryview(message)
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        kind = key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
        else:
            if kind == BYTES:
                length, place = _varint(message, place)
            elif kind in (FIXED64, FIXED32):
                length = 8 if kind == FIXED64 else 4
            else:
                raise ValueError(f"a field of kind {kind}")
            if place + length > end:
                raise ValueError("a field that ends behind its message")
            value, place = message[place : place + length], place + length
        yield key >> 3, value


def entries(message: bytes | memoryview, number: int) -> dict[str, memoryview]:
    """Returns a message's field that is a map from text to messages.

    Args:
        message: that has the map.
        number: of the field.
    """
    found = {}
    for one, entry in fields(message):
        if one == number:
            pair = dict(fields(entry))
            found[str(pair.get(1, b""), "utf-8")] = pair.get(2, memoryview(b""))
    return found


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        try:
            byte = message[place]
        except IndexError:
            raise ValueError("a number that ends behind its message") from None
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
