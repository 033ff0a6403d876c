"""Edits of bytes, as damage, haste and malice make them."""

import struct

KINDS = ("flip", "put", "cut", "repeat", "insert", "number", "word", "swap", "card", "value")

_NUMBERS = (
    b"0", b"-1", b"1e45", b"1e306", b"-9999", b"nan", b"inf", b"1e-320", b"99999999999999999999", b"0x10",
    b"2147483648", b"1e999", b"1,5", b"-0.0", b"1000000000", b"9" * 5000, b"1.5D+03", b"2**31", b"--", b"",
)  # fmt: skip

_WORDS = (
    b"\n", b"\r", b"\0", b"#", b",", b";", b"\t", b"|", b"'", b'"', b"[", b"(", b"((((((((", b"=", b"END",
    b"\xff\xfe", b"\xe9", b"flux", b"wavelength", b"redshift = ", b"<!DOCTYPE", b"XTENSION", b"{", b"}",
    b"&a", b"*a", b"../", b"/dev/zero", b"None", b"\xed\xa0\x80", b"\xe2\x80\xae", b"$",
    b"TFORM1  = '99999999D'", b"NAXIS2  =           1000000000",
)  # fmt: skip

_VALUES = tuple(
    struct.pack(kind, value)
    for kind, values in {
        ">f": (1e38, -1e38, float("nan"), float("inf"), 0.0, 1e-40),
        ">d": (1e306, -1e306, float("nan"), float("inf"), 1e45, 1e-310),
        ">i": (-1, 2**31 - 1, -(2**31)),
        ">q": (-1, 2**63 - 1, 1 << 40),
        "<d": (1e306, float("nan")),
    }.items()
    for value in values
)


def edit(content, edits):
    """Apply edits (kind, place from 0 to 1, number) one after the other."""
    for kind, place, number in edits:
        at = int(place * len(content))
        if kind == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ (1 << number % 8)]) + content[at + 1 :]
        elif kind == "put":
            content = content[:at] + bytes([number % 256]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at] + content[at + number % 4096 :] if number % 3 else content[:at]
        elif kind == "repeat":
            piece = content[at : at + number % 200]
            content = content[:at] + piece * (1 + number % 50) + content[at:]
        elif kind == "insert":
            content = content[:at] + _WORDS[number % len(_WORDS)] * (1 + number % 7) + content[at:]
        elif kind == "word":
            word = _WORDS[number % len(_WORDS)]
            content = content[:at] + word + content[at + len(word) :]
        elif kind == "number":
            first, last = _find_number(content, at)
            content = content[:first] + _NUMBERS[number % len(_NUMBERS)] + content[last:]
        elif kind == "swap":
            piece, other = content[at : at + 80], content[number % max(1, len(content)) :][:80]
            content = content[:at] + other + content[at + len(piece) :]
        elif kind == "card":
            # A number of a FITS header, right-aligned to its column 30.
            first = content.find(b"= ", at - at % 80)
            text = _NUMBERS[number % len(_NUMBERS)][:20].rjust(20)
            content = content[: first + 2] + text + content[first + 22 :] if first > 0 else content
        elif kind == "value":
            value = _VALUES[number % len(_VALUES)]
            at -= at % 4
            content = content[:at] + value + content[at + len(value) :]
    return content[: 1 << 20]


def _find_number(content, at):
    """Where the digits around a place begin and end."""
    first = at
    while first > 0 and first > at - 30 and content[first - 1 : first].isdigit():
        first -= 1
    last = at
    while last < len(content) and last < at + 30 and content[last : last + 1] in b"0123456789.e+-":
        last += 1
    return first, max(last, first)
