"""Requests of the replay cases, drawn with seeds and then frozen in the fixtures."""

from dataclasses import dataclass, replace

import numpy as np

BLOCK_TOKENS = 512  # of a hash id in the Mooncake format


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests in the order of sending; lists [requests].

    arrival_ms: zeros where a closed loop decides. hash_ids: None where no two prompts share anything.
    about: how lengths and arrivals were drawn.
    """

    about: str
    isl: list[int]
    osl: list[int]
    arrival_ms: list[float]
    hash_ids: list[list[int]] | None = None

    def __len__(self) -> int:
        return len(self.isl)


def fixed(count: int, isl: int, osl: int) -> Load:
    """All alike."""
    return Load(about="fixed lengths", isl=[isl] * count, osl=[osl] * count, arrival_ms=[0.0] * count)


def spread(count: int, isl: int, osl: int, seed: int, frac: float = 0.5) -> Load:
    """Lengths uniform around their means, by `frac` to either side."""
    draw = np.random.default_rng(seed).uniform(1.0 - frac, 1.0 + frac, (2, count))
    return Load(
        about=f"lengths uniform within {frac:.0%} of {isl} and {osl}, seed {seed}",
        isl=np.maximum(draw[0] * isl, 1).astype(int).tolist(),
        osl=np.maximum(draw[1] * osl, 2).astype(int).tolist(),
        arrival_ms=[0.0] * count,
    )


def arriving(load: Load, per_s: float, seed: int, cv: float = 1.0) -> Load:
    """Independent gamma gaps with a coefficient of variation: 1 is Poisson, 0 is constant."""
    if cv == 0:
        gaps, kind = np.full(len(load), 1e3 / per_s), "constant gaps"
    else:
        shape = cv**-2
        gaps = np.random.default_rng(seed).gamma(shape, 1e3 / per_s / shape, len(load))
        kind = ("exponential gaps" if cv == 1 else f"gamma gaps, CV {cv:g}") + f", seed {seed}"
    times = np.round(np.concatenate([[0.0], np.cumsum(gaps)[:-1]]), 3)
    return replace(load, about=f"{load.about}; {per_s:g}/s, {kind}", arrival_ms=times.tolist())


def sharing(load: Load, groups: int, blocks: int, seed: int) -> Load:
    """Each prompt begins with the prefix of one of some groups: so many blocks, or all full ones it has."""
    chosen = np.random.default_rng(seed).integers(groups, size=len(load))
    fresh, listed = 1_000_000, []
    for isl, group in zip(load.isl, chosen.tolist(), strict=True):
        shared = min(blocks, isl // BLOCK_TOKENS)
        own = -(-isl // BLOCK_TOKENS) - shared
        listed.append([1 + group * 1000 + place for place in range(shared)] + list(range(fresh, fresh + own)))
        fresh += own
    about = f"{load.about}; {groups} prefixes of {blocks} blocks of 512 tokens, seed {seed}"
    return replace(load, about=about, hash_ids=listed)


def conversations(count: int, per_s: float, seed: int) -> Load:
    """Sessions of a few turns as Mooncake has them: the last prompt, its answer and some more."""
    random = np.random.default_rng(seed)
    rows: list[tuple[float, int, int, list[int]]] = []
    start_ms, fresh, system = 0.0, 1000, [1]
    while len(rows) < count:
        at_ms, tokens, ids = start_ms, 512, list(system)
        for _ in range(1 + random.poisson(2.0)):
            tokens += int(np.clip(random.lognormal(6.6, 0.8), 16, 6000))
            whole = tokens // BLOCK_TOKENS
            ids += range(fresh, fresh + whole - len(ids))
            fresh += max(whole, 1)
            osl = int(np.clip(random.lognormal(4.6, 0.7), 4, 600))
            ragged = [fresh] if tokens % BLOCK_TOKENS else []
            fresh += 1
            rows.append((round(at_ms, 3), tokens, osl, [*ids, *ragged]))
            at_ms += 2000.0 + 20.0 * osl + random.exponential(8000.0)
            tokens += osl
        start_ms += random.exponential(3e3 / per_s)
    kept = sorted(sorted(rows)[:count], key=lambda row: row[0])
    first_ms = kept[0][0]
    return Load(
        about=f"sessions of turns with growing prompts, lognormal lengths, about {per_s:g}/s, seed {seed}",
        arrival_ms=[round(row[0] - first_ms, 3) for row in kept],
        isl=[row[1] for row in kept],
        osl=[row[2] for row in kept],
        hash_ids=[row[3] for row in kept],
    )
