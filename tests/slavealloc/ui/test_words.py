"""Notes become text and links, nothing else; a farm keeps its colour."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slavealloc.ui.words import COLOURS, choose_colour, link_bugs, shorten

LINKS = {r"[Bb]ug (\d+)": r"https://b.example.org/?id=\1", r"#(\S+)": r"https://i.example.org/\1"}


@given(st.text())
def test_a_note_s_text_stays_as_it_is(text: str) -> None:
    assert "".join(piece.text for piece in link_bugs(text, LINKS)) == text


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        pytest.param(
            "bug 1, Bug 22", ["https://b.example.org/?id=1", "https://b.example.org/?id=22"]
        ),
        pytest.param("see #7", ["https://i.example.org/7"]),
        pytest.param('#"><script>', ["https://i.example.org/%22%3E%3Cscript%3E"]),
        pytest.param("#../../x?y", ["https://i.example.org/..%2F..%2Fx%3Fy"]),
        pytest.param("no bugs", []),
    ],
)
def test_what_a_pattern_finds_is_one_word_of_the_url(text: str, urls: list[str]) -> None:
    assert [piece.url for piece in link_bugs(text, LINKS) if piece.url] == urls


def test_a_pattern_that_matches_nothing_at_all_ends() -> None:
    assert [piece.url for piece in link_bugs("abc", {"x*": "https://x"})] == [None]


@given(st.text(st.sampled_from("ab \n"), max_size=40), st.integers(0, 40))
def test_a_cut_text_ends_with_a_whole_word_or_is_empty(text: str, most: int) -> None:
    cut = shorten(text, most)
    if cut != text:
        kept = cut.removesuffix(" …")
        assert text.startswith(kept)
        assert not kept or re.match(r"\s", text[len(kept) :])


@given(st.text(min_size=1))
def test_every_farm_has_a_colour_of_its_own_kind(farm: str) -> None:
    assert choose_colour(farm) in COLOURS
    assert choose_colour("staging") != choose_colour("prod") == choose_colour("Production-2")
