"""Which way of hearing words in time is best: added to the input of each token, attended to in each block, or as kinds?

    python studies/compare_hearing.py

Makes talks of the sample speaker, trains a tokenizer, and then transformers of the same width, on the same windows,
with the same losses and for the same steps. In the first a small network over the words around a token gives a vector
that is added to its input. In the second each block attends to these words, one by one, and knows of each when it
begins and ends, seen from the token. The others are the first, but hear of a word only which kind of gesture it calls
for, learned before from words alone: kinds of strokes that look alike, without any label, or the gestures that the
made-up speakers are labelled with. All hear the same words, a second back and 1.2 s ahead. They are judged as in
``measure_timing.py``, by the motion alone, on talks of strangers in known and in new wordings. Everything lies under
output/hearing; a call that was stopped goes on where it was. The table is in hearing.csv, and in docs/generation.rst.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from gesture_judge import COLUMNS, Judge
from measure_timing import gestures_of, given, speak, strangers, train_the_tokenizer, training_talks
from study import run, write_table
from torch import nn
from torch.nn import functional as F

from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.gpt._transformer import Block
from ktube_motion.io._files import read_json, write_json
from ktube_motion.text import NUM_TIMES, EmbeddedTextEncoder, WindowWordEncoder, word_track
from ktube_motion.training import TransformerTraining
from ktube_motion.training._loop import fit
from ktube_motion.training._speaking import SpeakingTask
from ktube_motion.training._speech import SpeechSet
from ktube_motion.training._word_kinds import gesture_names

SLOTS = 2  # words that may begin during one token of 0.1 s
BACK = 10  # tokens after its end for which a word is heard
PERIODS = 2.5 * 2.0 ** np.arange(7)  # tokens: of the sines that tell when a word begins and ends


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/hearing"))
    parser.add_argument("--talks", type=int, default=48, help="to train on, each of another person, about 80 seconds")
    parser.add_argument("--measured", type=int, default=12, help="talks to measure on, for known and for new wordings")
    parser.add_argument("--utterances", type=int, default=18, help="of each talk")
    parser.add_argument("--steps", type=int, default=400, help="training steps of each transformer")
    parser.add_argument("--tokenizer-steps", type=int, default=6000)
    parser.add_argument("--codes", type=int, default=512)
    parser.add_argument("--width", type=int, default=192, help="of the transformers")
    parser.add_argument("--kinds", type=int, default=128, help="of strokes, none among them")
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--draws", type=int, default=2, help="motions of each talk, whose figures are averaged")
    return parser.parse_args()


def word_slots(words, vectors, *, num_tokens, tokens_per_second, start=0):
    """Lay words on the grid of motion tokens one by one: ``(num_tokens, SLOTS * (dim + 3) + 1)``.

    Each lies in the row of the token in which it begins, with the part of that token that is over when it begins, its
    length in tokens, and a 1; a third one in a token is left out. The last column is a 1: words are known.
    """
    size = vectors.shape[1]
    rows = torch.zeros(num_tokens, SLOTS, size + 3)
    filled = [0] * num_tokens
    for word, vector in zip(words, vectors, strict=True):
        begin, end = (moment * tokens_per_second - start for moment in (word.start, word.end))
        row = math.floor(begin)
        if 0 <= row < num_tokens and filled[row] < SLOTS:
            times = torch.tensor([begin - row, end - begin, 1.0])
            rows[row, filled[row]] = torch.cat((vector.float() * size**0.5, times))
            filled[row] += 1
    return torch.cat((rows.flatten(1), torch.ones(num_tokens, 1)), 1)


class Listener(nn.Module):
    """The words around the tokens that are read, and their times as seen from each token; blocks attend to them."""

    def __init__(self, config):
        super().__init__()
        self.past, self.ahead, self.hears = config.word_past, config.word_ahead, config.hears
        self.read = nn.Linear((config.word_dim - 1) // SLOTS - 3, config.width // 3)
        self.known = nn.Parameter(torch.zeros(config.width))
        self.register_buffer("turns", torch.tensor(2 * np.pi / PERIODS, dtype=torch.float32), persistent=False)

    def forward(self, rows, dropout=0.0):
        """Take rows of `word_slots` in; give what tells the input of each token whether words are known."""
        tokens = torch.arange(rows.shape[1] - self.hears + 1, device=rows.device)
        slots = rows[..., :-1].unflatten(-1, (SLOTS, -1)).flatten(1, 2)
        there = slots[..., -1] > 0
        # Empty slots are most of them, and left out.
        most = max(int(there.sum(1).max()), 1)
        places = there.float().argsort(dim=1, descending=True, stable=True)[:, :most]
        slots, there = slots.gather(1, places[..., None].expand(-1, -1, slots.shape[-1])), there.gather(1, places)
        self.words = self.read(F.dropout(slots[..., :-3], dropout) if dropout else slots[..., :-3])
        row = places // SLOTS - self.past
        begins = row + slots[..., -3]
        ends = begins + slots[..., -2]
        near = (row[:, None] <= tokens[:, None] + self.ahead) & (ends[:, None] > tokens[:, None] - BACK)
        self.heard = near & there[:, None]
        angles = [(moment[:, None] - tokens[:, None] - 0.5)[..., None] * self.turns for moment in (begins, ends)]
        self.times = torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], -1)
        return rows[:, self.past : self.past + len(tokens), -1:] * self.known


class AttendingBlock(Block):
    """A block that attends to the words around each token first."""

    def __init__(self, config, index, listener):
        super().__init__(config, index)
        self.__dict__["listener"] = listener  # the model's, not a part of each block
        self.norm0 = nn.LayerNorm(config.width)
        self.query = nn.Linear(config.width, config.width)
        self.said = nn.Linear(config.width // 3, 2 * config.width)
        self.when = nn.Linear(4 * len(PERIODS), 2 * config.width, bias=False)
        self.silence = nn.Parameter(0.02 * torch.randn(2, config.width))
        self.tell = nn.Linear(config.width, config.width)

    def forward(self, x, cache=None, mask=None):
        count = self.listener.times.shape[1]  # of the positions that hear: not those of the text before the last
        told = self._attend(self.norm0(x[:, -count:]))
        dropout = self.dropout if self.training and cache is None else 0.0
        told = F.dropout(told, dropout) if dropout else told
        return super().forward(torch.cat((x[:, :-count], x[:, -count:] + told), 1), cache, mask)

    def _attend(self, x):
        """Key and value of a word are a sum: what it is, and when it is as seen from the token."""
        heads, times = self.num_heads, self.listener.times
        query = self.query(x).unflatten(-1, (heads, -1))
        key, value = self.said(self.listener.words).unflatten(-1, (2, heads, -1)).unbind(2)
        when_key, when_value = self.when.weight.unflatten(0, (2, heads, -1))
        no_key, no_value = self.silence.unflatten(-1, (heads, -1))
        scores = torch.einsum("bnhc,bmhc->bhnm", query, key)
        scores = scores + torch.einsum("bnht,bnmt->bhnm", torch.einsum("bnhc,hct->bnht", query, when_key), times)
        scores = scores.masked_fill(~self.listener.heard[:, None], -torch.inf)
        nothing = torch.einsum("bnhc,hc->bhn", query, no_key)[..., None]
        weights = (torch.cat((nothing, scores), -1) * query.shape[-1] ** -0.5).softmax(-1)
        nothing, weights = weights[..., 0], weights[..., 1:]
        found = torch.einsum("bhn,hc->bnhc", nothing, no_value) + torch.einsum("bhnm,bmhc->bnhc", weights, value)
        moments = torch.einsum("bhnm,bnmt->bnht", weights, times)
        return self.tell((found + torch.einsum("bnht,hct->bnhc", moments, when_value)).flatten(2))


class AttendingTransformer(MotionTransformer):
    """A transformer that attends to the words, in place of adding them to its input."""

    def __init__(self, config):
        super().__init__(config)
        self.hearing = Listener(config)
        self.blocks = nn.ModuleList(AttendingBlock(config, k, self.hearing) for k in range(2 * config.num_layers))
        self.apply(self._init)


class AttendingSet(SpeechSet):
    def _track(self, name, start, count, words, vectors):
        first, total = start - self.config.word_past, self.config.hears + count
        rows = word_slots(words, vectors, num_tokens=total, tokens_per_second=self.rate, start=first)
        place = first + torch.arange(total)
        rows[(place < 0) | (place >= len(self.tokens[name]))] = 0
        return rows


class AttendingTask(SpeakingTask):
    def __init__(self, config, *parts):
        super().__init__(config, *parts)
        self.model = AttendingTransformer(config.transformer)
        for speech in self.sets.values():
            speech.__class__ = AttendingSet


#: What is trained, its model, how words are laid out for it, the size of a row, and the rows that it is given before
#: a token: a word that began two seconds ago may still be heard.
WAYS = {
    "added to the input": (SpeakingTask, MotionTransformer, word_track, lambda dim: dim + NUM_TIMES, BACK),
    "attended to": (AttendingTask, AttendingTransformer, word_slots, lambda dim: SLOTS * (dim + 3) + 1, 2 * BACK),
    "as kinds of strokes": (SpeakingTask, MotionTransformer, word_track, lambda dim: dim + NUM_TIMES, BACK),
    "as labelled gestures": (SpeakingTask, MotionTransformer, word_track, lambda dim: dim + NUM_TIMES, BACK),
}


def train(options, name, corpus, gestures, tokenizer, encoder, words):
    """Train one way; give the model, its held-out loss, and the processor's seconds for a hundred steps."""
    task_type, model_type, _, size, past = WAYS[name]
    folder, steps = options.output / name.replace(" ", "_"), options.steps
    kinds = {"as kinds of strokes": options.kinds, "as labelled gestures": 1 + len(gesture_names(gestures))}.get(
        name, 0
    )
    known = {"gestures": gestures} if name == "as labelled gestures" else {}
    if not (folder / "spent.json").exists():
        config = TransformerTraining(
            steps=steps, batch_size=32, learning_rate=1e-3, betas=(0.9, 0.98), text_dropout=0.5, warmup=50,
            milestones=(int(0.8 * steps),), decay=0.2, evaluate_every=steps, save_every=500, tracker=None,
            mixed_precision="no",
            transformer=TransformerConfig(
                num_codes=tokenizer.config.num_codes, tokenizer=tokenizer.fingerprint, width=options.width,
                frames_per_token=tokenizer.frames_per_token, num_layers=2, num_heads=6, block_size=65,
                text_dim=encoder.dim, text_encoder=encoder.identity, word_encoder=words.identity,
                word_dim=size(words.dim), word_past=past, word_ahead=12, word_kinds=kinds,
            ),
        )  # fmt: skip
        torch.manual_seed(config.seed)
        task = task_type(config, corpus, tokenizer, encoder, words, options.output / "tokens", True, **known)
        began = time.process_time()
        summary = fit(task, config, folder, resume=True)
        spent = 100 * (time.process_time() - began) / steps
        write_json(folder / "spent.json", {"loss": summary["loss"], "seconds": spent})
    found = read_json(folder / "spent.json")
    return model_type.from_pretrained(folder / "last"), found["loss"], found["seconds"]


def measure(options, judge, talks, marks, speakers):
    """Give figures for each row of a set of talks: real motion, what the tokenizer leaves of it, and each way."""
    names, tokenizer, words, models = list(marks), *speakers
    real = {name: talks.features(name) for name in names}
    yield "real", judge.measure(talks, marks, real)
    with torch.no_grad():
        coded = {n: tokenizer.decode(tokenizer.encode(torch.from_numpy(part))).numpy() for n, part in real.items()}
    yield "real in tokens", judge.measure(talks, marks, coded)
    for way, model in models.items():
        draws = []
        for draw in range(options.draws):
            seeds = range(1000 * draw, 1000 * draw + len(names))
            made = speak(
                talks, names, tokenizer, model, words, given, lay=WAYS[way][2], seeds=seeds, top_p=options.top_p
            )
            draws.append(judge.measure(talks, marks, dict(zip(names, made, strict=True))))
        yield way, np.mean(draws, axis=0)


def main():
    options = read_arguments()
    corpus, labels = training_talks(options.output, options.talks, options.utterances)
    tokenizer = train_the_tokenizer(corpus, options.output, steps=options.tokenizer_steps, codes=options.codes)
    gestures = gestures_of(labels)
    encoder = EmbeddedTextEncoder()
    words, models, facts = WindowWordEncoder(encoder), {}, {}
    for way in WAYS:
        models[way], loss, seconds = train(options, way, corpus, gestures, tokenizer, encoder, words)
        size = sum(weight.numel() for weight in models[way].parameters())
        facts[way] = [f"{size / 1e6:.2f}", f"{seconds:.3g}", f"{loss:.3g}"]
        print(way, *facts[way], sep="  ", flush=True)
    judge = Judge(corpus, labels)
    rows = [["wordings", "words are", "parameters M", "processor s for 100 steps", "held-out loss", *COLUMNS]]
    for wordings, talks, marks in strangers(options, options.output):
        for way, figures in measure(options, judge, talks, marks, (tokenizer, words, models)):
            rows.append([wordings, way, *facts.get(way, [""] * 3), *(f"{value:.3g}" for value in figures)])
            print(*rows[-1], sep="  ", flush=True)
    write_table(options.output / "hearing.csv", rows)


if __name__ == "__main__":
    run(main)
