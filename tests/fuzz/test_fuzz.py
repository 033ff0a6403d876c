"""A few seconds of fuzzing for every reader; `make fuzz` goes on for an hour."""

import pytest

from .edits import KINDS, edit
from .readers import READERS, run_reader

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

# Some take a hundred times as long as others; together they take a minute.
EXAMPLES = {
    "fits": 40,
    "sample": 60,
    "list": 60,
    "hdf5": 60,
    "cache": 100,
    "tables": 100,
    "model": 60,
    "map": 60,
}

EDITS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.floats(0, 1), st.integers(0, 65535)), min_size=1, max_size=8
)


@pytest.mark.parametrize("name", READERS)
def test_seeds_are_sound(name):
    for content in READERS[name].seeds():
        READERS[name].read(content)


@pytest.mark.parametrize("name", READERS)
def test_any_bytes_are_read_or_refused_in_one_line(name):
    contents = READERS[name].seeds()

    @hypothesis.settings(
        max_examples=EXAMPLES.get(name, 200),
        deadline=5000,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.sampled_from(contents), EDITS)
    def feed(content, edits):
        run_reader(name, edit(content, edits))

    feed()


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\n" * 1000, b"SIMPLE  =", b"PAR1PAR1", b"\x1f\x8b", b"{" * 10_000, b"# %ECSV 1.0\n"],
)
def test_hardly_anything_is_read_or_refused_too(name, content):
    run_reader(name, content)
