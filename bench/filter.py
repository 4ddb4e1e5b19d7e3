"""The semantic filter beside the loop of the released code, on the same texts in one run: `python bench/filter.py`.

The loop is the released one said plainly: for each candidate it embeds every pool text again, one by one. The candidate
itself is embedded once; the released code embeds it again for every pool text too, so the ratios are on the low side.
Both sides use the same embedder, one text at a time on one thread. The fast side decides on 20 candidates, the slow side
on the first few of them (the table says how many), and the decisions must be identical. Last, the exact search alone:
100 candidates against 100,000 random unit vectors. About two and a half minutes on one core.
"""

from __future__ import annotations

import random
import time
import tracemalloc

import numpy as np

from aloe_hub.embedding import EMBEDDED, Embedder, open_embedder
from aloe_hub.stages.dedup import Kept, sift

ROUND = 20  # candidates: what the generator is asked for at a time
SIZES = {30: 20, 331: 6, 3310: 2}  # pool size: on how many of them the released loop is timed
THRESHOLD = 0.75  # between the paraphrases and the news of this bench, so that both decisions occur

PEOPLE = "baker,surveyor,cellist,welder,nurse,archivist,diver,florist,judge,plumber,potter,pilot,vet,beekeeper,coder,tailor"
PLACES = "Lima,Oslo,Hanoi,Accra,Perth,Quito,Riga,Cairo,Leeds,Busan,Tunis,Bergen,Dakar,Austin,Kyoto,Porto,Turin,Pune"
HOBBIES = "rowing,chess,ceramics,salsa,judo,birdwatching,radio repair,calligraphy,caving,archery,sailing,quilting,darts"
HOMES = "two sisters,a deaf cat,her father,four lodgers,a parrot,twin sons,nobody,an old greyhound,his wife,ten hens"
HABITS = "eats no wheat,wakes at five,uses a wheelchair,collects maps,is left-handed,swims daily,keeps bees,reads Braille"
NEWS = [
    "The glacier lost eleven metres of ice in a single summer.",
    "Whisk the yolks with sugar until the mixture is pale and thick.",
    "The committee postponed its vote on the harbour bridge.",
    "A prime number has exactly two divisors.",
    "Our train was cancelled because of a fallen tree.",
    "Violins are tuned in fifths, from the open A string.",
]


def personas(count: int, rng: random.Random) -> list[str]:
    """Different persona texts of one template."""
    found: dict[str, None] = {}
    while len(found) < count:
        person, place, hobby, home, habit = (rng.choice(s.split(",")) for s in (PEOPLE, PLACES, HOBBIES, HOMES, HABITS))
        age = rng.randrange(18, 90)
        found[f"A {person} of {age} in {place} who lives with {home}, goes in for {hobby} and {habit}."] = None
    return list(found)


def candidates(pool: list[str], count: int, rng: random.Random) -> list[str]:
    """By turns a close variant of a pool text and something else altogether."""
    variants = [text.replace("A ", "There is a ", 1) for text in rng.sample(pool, count // 2)]
    others = [NEWS[n] if n < len(NEWS) else f"{NEWS[n % len(NEWS)]} ({n})" for n in range(count // 2)]
    return [text for both in zip(others, variants, strict=True) for text in both]


def released_loop(pool: list[str], texts: list[str], embed: Embedder) -> list[bool]:
    pool = list(pool)
    decisions = []
    for text in texts:
        vector = embed([text])[0]
        highest = max(float(embed([item])[0] @ vector) for item in pool)
        decisions.append(highest <= THRESHOLD)
        if decisions[-1]:
            pool.append(text)
    return decisions


def beside_the_released_loop(embed: Embedder) -> None:
    print(f"embedder {EMBEDDED}, threshold {THRESHOLD}; seconds a candidate, aloe_hub over {ROUND} candidates")
    print(f"{'pool':>6} {'timed on':>10} {'kept':>5} {'released loop':>14} {'aloe_hub':>10} {'ratio':>7}  pool, once")
    everyone = personas(max(SIZES), random.Random(0))
    for size, count in SIZES.items():
        pool = everyone[:size]
        texts = candidates(pool, ROUND, random.Random(size))
        start = time.perf_counter()
        expected = released_loop(pool, texts[:count], embed)
        slow = (time.perf_counter() - start) / count

        kept = Kept()
        start = time.perf_counter()
        kept.add(pool, embed(pool))
        once = time.perf_counter() - start
        start = time.perf_counter()
        decisions = [decision.kept for decision in sift(kept, texts, embed(texts), THRESHOLD)]
        fast = (time.perf_counter() - start) / ROUND
        assert decisions[:count] == expected, f"pool of {size}: the decisions differ"
        print(f"{size:6} {count:10} {sum(expected):5} {slow:14.4f} {fast:10.5f} {slow / fast:7.0f}  {once:.1f} s")
    print("decisions identical")


def at_a_hundred_thousand(dim: int = 384) -> None:
    rng = np.random.default_rng(0)
    tracemalloc.start()
    kept = Kept()
    for start in range(0, 100_000, 1_000):
        rows = rng.standard_normal((1_000, dim), dtype=np.float32)
        kept.add([str(start + n) for n in range(1_000)], rows / np.linalg.norm(rows, axis=1, keepdims=True))
    held, grown = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    queries = rng.standard_normal((100, dim), dtype=np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        kept.nearest(queries)
        seconds.append(time.perf_counter() - begun)
    beside = tracemalloc.get_traced_memory()[1] - held
    print(f"100,000 x {dim}: held {held / 1e6:.0f} MB (peak {grown / 1e6:.0f} MB while growing in steps of 1,000)")
    print(f"nearest for 100 candidates: {min(seconds):.2f} s (best of 3), {beside / 1e6:.0f} MB beside the pool")


if __name__ == "__main__":
    beside_the_released_loop(open_embedder(EMBEDDED))
    at_a_hundred_thousand()
