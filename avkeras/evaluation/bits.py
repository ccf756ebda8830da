"""Frame decisions as machine words: bit `f % 64` of word `f // 64` is frame `f`, and the words are the first axis.

One operation then treats 64 frames of a clip at once, which is what makes the search of `avkeras.evaluation.search`
fast. Every function takes and gives `uint64` arrays `(words, ...)`; bits past the last frame are 0.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_BITS = 64
_ONE = np.uint64(1)
# Swapping neighbours, then pairs, then nibbles reverses each byte
_SWAPS = [
    (np.uint64(1), np.uint64(0x5555555555555555)),
    (np.uint64(2), np.uint64(0x3333333333333333)),
    (np.uint64(4), np.uint64(0x0F0F0F0F0F0F0F0F)),
]
_BYTE_SUM = np.uint64(0x0101010101010101)


def pack(decisions: NDArray[np.bool_]) -> Words:
    """Pack decisions `(..., frames)` into words `(words, ...)`."""
    octets = np.packbits(decisions, axis=-1, bitorder="little")
    if missing := -octets.shape[-1] % 8:
        octets = np.pad(octets, [(0, 0)] * (octets.ndim - 1) + [(0, missing)])
    return np.ascontiguousarray(np.moveaxis(octets.view("<u8"), -1, 0), np.uint64)


def unpack(words: Words, frames: int) -> NDArray[np.bool_]:
    """Unpack words `(words, ...)` into decisions `(..., frames)`."""
    octets = np.ascontiguousarray(np.moveaxis(words, 0, -1), "<u8").view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=frames, bitorder="little").view(bool)


def later(words: Words, frames: int) -> Words:
    """Move every decision `frames` (0 or more) frames later; what falls off the last word is lost."""
    whole, rest = divmod(frames, _BITS)
    if whole >= len(words):
        return np.zeros_like(words)
    moved = words << np.uint64(rest)
    if rest and len(words) > 1:
        moved[1:] |= words[:-1] >> np.uint64(_BITS - rest)
    return np.concatenate([np.zeros_like(words[:whole]), moved[: len(words) - whole]]) if whole else moved


def earlier(words: Words, frames: int) -> Words:
    """Move every decision `frames` (0 or more) frames earlier; what falls off the first word is lost."""
    whole, rest = divmod(frames, _BITS)
    if whole >= len(words):
        return np.zeros_like(words)
    moved = words >> np.uint64(rest)
    if rest and len(words) > 1:
        moved[:-1] |= words[1:] << np.uint64(_BITS - rest)
    return np.concatenate([moved[whole:], np.zeros_like(words[:whole])]) if whole else moved


def onsets(words: Words) -> Words:
    """First frame of every run of decisions."""
    return words & ~later(words, 1)


def runs_from(words: Words, starts: Words) -> Words:
    """The runs of decisions whose first frames are `starts` (a subset of `onsets(words)`).

    Adding the first bit of a run to the word carries through the run and clears it, and no other run.
    """
    kept = np.empty(np.broadcast_shapes(words.shape, starts.shape), np.uint64)
    carry = None
    for index, (word, start) in enumerate(zip(words, starts, strict=True)):
        total = word + start
        overflow = total < word
        if carry is not None:
            total = total + carry
            overflow |= total < carry
        kept[index] = word & ~total
        carry = overflow.astype(np.uint64)
    return kept


def occupied(words: Words) -> NDArray[np.bool_]:
    """Whether each sequence holds any decision: `(words, ...)` to `(...)`."""
    some = words[0] != 0
    for word in words[1:]:
        some |= word != 0
    return some


def popcount(words: Words) -> NDArray[np.int64]:
    """Number of decisions of each sequence: `(words, ...)` to `(...)`."""
    count = words - ((words >> _ONE) & _SWAPS[0][1])
    count = (count & _SWAPS[1][1]) + ((count >> np.uint64(2)) & _SWAPS[1][1])
    count = (count + (count >> np.uint64(4))) & _SWAPS[2][1]
    return ((count * _BYTE_SUM) >> np.uint64(56)).sum(0, dtype=np.int64)


def reverse(words: Words, frames: int) -> Words:
    """The sequences of `frames` decisions, last frame first."""
    turned = words[::-1].byteswap()
    for shift, keep in _SWAPS:
        turned = ((turned >> shift) & keep) | ((turned & keep) << shift)
    return earlier(turned, _BITS * len(words) - frames)


def median_filters(words: Words, sizes: Sequence[int], *, frames: int) -> Iterator[Words]:
    """Median-filter sequences of `frames` decisions with every size in turn (odd, rising).

    The edges are mirrored ("reflect" of `scipy.ndimage.median_filter`: d c b a | a b c d | d c b a). The counts of
    decisions within the window are kept as binary numbers, one array of words a digit; a wider window adds to them.
    """
    inside = pack(np.ones(frames, bool)).reshape(-1, *[1] * (words.ndim - 1))
    backwards = reverse(words, frames)
    digits = [words]
    half = 0
    for size in sizes:
        while half < size // 2:
            half += 1
            before = _mirrored(words, backwards, -half, frames, inside)
            after = _mirrored(words, backwards, half, frames, inside)
            digits = _plus_two(digits, before, after, top=(2 * half + 1).bit_length())
        yield _at_least(digits, half + 1)


def filter_words(words: Words, filters: Sequence[int], *, lengths: NDArray[np.int64]) -> Iterator[Words]:
    """Median-filter packed decisions `(words, ..., clips)` with every size (rising), each clip at its own length."""
    groups = [(int(length), np.flatnonzero(lengths == length)) for length in np.unique(lengths)]
    streams = []
    for length, clips in groups:
        inside = pack(np.ones(length, bool)).reshape(-1, *[1] * (words.ndim - 1))
        own = words[: len(inside), ..., clips] if len(groups) > 1 else words[: len(inside)]
        streams.append(median_filters(own & inside, filters, frames=length))
    for parts in zip(*streams, strict=True):
        filtered = np.zeros_like(words)
        for (_, clips), part in zip(groups, parts, strict=True):
            filtered[: len(part), ..., clips] = part
        yield filtered


def _mirrored(words, backwards, frames_ahead, frames, inside):
    """The decisions `frames_ahead` frames on (or back), the sequence continued by its mirror images."""
    ahead = frames_ahead % (2 * frames)
    if ahead >= frames:
        words, backwards, ahead = backwards, words, ahead - frames
    if not ahead:
        return words
    return (earlier(words, ahead) | later(backwards, frames - ahead)) & inside


def _plus_two(digits, first, second, *, top):
    """Binary numbers (lowest digit first, at most `top` digits) plus two bits."""
    add, carry_in = first ^ second, first & second
    total = [digits[0] ^ add]
    carry = digits[0] & add
    # carry + carry_in is a number of two bits only here: where carry_in is set add is 0, so carry is 0 too
    carry |= carry_in
    for digit in digits[1:]:
        total.append(digit ^ carry)
        carry = digit & carry
    return total if len(total) == top else [*total, carry]


def _at_least(digits, least):
    """Where binary numbers are `least` or more."""
    enough = None
    # From the lowest digit: more here, or as much here and enough below
    for place, digit in enumerate(digits):
        if least >> place & 1:
            enough = digit if enough is None else digit & enough
        elif enough is not None:
            enough = digit | enough
    return enough
