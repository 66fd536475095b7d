"""Many utterances one after the other, as in a week of talks: memory stays where it was."""

import warnings

import numpy as np
import psutil
import torch

from ktube_motion.features import feature_stats
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.text import EmbeddedTextEncoder
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

SMALL, FULL = 256, 100_000
BATCH, MOST_GROWTH = 256, 64  # MiB

WORDS = "손을 팔을 고개를 몸을 천천히 크게 두 번 들어 벌려 돌려 숙여 보세요 인사합니다 가리킵니다 올립니다".split()


def run(count: int) -> tuple[dict[str, int], list[str]]:
    """Generate so many different utterances with a small pipeline."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng, encoder = np.random.default_rng(0), EmbeddedTextEncoder()
    stats = feature_stats([rng.normal(size=(90, 263)).astype(np.float32)])
    tokenizer = MotionTokenizer(TokenizerConfig(width=8, code_dim=8, num_codes=16, depth=1), stats).eval()
    config = TransformerConfig(
        num_codes=16, width=32, text_dim=encoder.dim, num_layers=1, num_heads=2, block_size=13,
        tokenizer=tokenizer.fingerprint, text_encoder=encoder.identity,
    )  # fmt: skip
    pipeline = UtteranceToMotion(tokenizer, MotionTransformer(config).eval(), encoder)
    generator, made, frames, grown, before = torch.Generator().manual_seed(0), 0, 0, 0, None
    warm = min(count // 4, 4096)
    while made < count:
        texts = [f"{' '.join(rng.choice(WORDS, 4))} {made + k}번째" for k in range(min(BATCH, count - made))]
        # A quarter ends where the model ends it, as a talk's last sentence; the others last as long as their words.
        seconds = rng.uniform(0.4, 2.4, len(texts)).tolist() if made // BATCH % 4 else None
        with warnings.catch_warnings(action="ignore"):  # a model that has learned nothing ends some before they begin
            motions = pipeline.generate(texts, seconds=seconds, generator=generator)
        assert all(np.isfinite(np.asarray(motion.positions)).all() for motion in motions)
        made += len(motions)
        frames += sum(motion.num_frames for motion in motions)
        used = psutil.Process().memory_info().rss >> 20
        if before is None and made >= warm:
            before = used
        grown = max(grown, used - (before or used))
    faults = [f"{grown} MiB more after {count} utterances"] if grown > MOST_GROWTH else []
    told = {"utterances": made, "seconds of motion": round(frames / pipeline.tokenizer.config.fps)}
    return told | {f"MiB more than after the first {warm}": grown}, faults
