r"""Train the transformer that writes motion tokens, the original's step 3.2.

The documented command, after train-vq:

    ktube-motion train-gpt --exp-name GPT --batch-size 16 --num-layers 9 --clip-dim 768 \
        --embed-dim-gpt 1536 --nb-code 128 --n-head-gpt 16 --block-size 51 --ff-rate 4 \
        --drop-out-rate 0.1 --resume-pth output/VQVAE/net_best_fid.pth --vq-name VQVAE \
        --out-dir output --total-iter 100000 --lr-scheduler 50000 --lr 0.0001 --dataname ktube \
        --down-t 2 --depth 3 --quantizer ema_reset --eval-iter 10000 --pkeep 0.5 \
        --dilation-growth-rate 3 --vq-act relu

Without KE-T5's files it tells the same line with --text-encoder embedded, which runs now.

Reads the corpus of --dataname, the tokenizer of --resume-pth and a text encoder. What a checkpoint or
the text encoder says otherwise than a flag wins; one table lists it (--strict: an error).

Writes OUT_DIR/EXP_NAME: net_last.pth, net_best_fid.pth, net_best_div.pth, net_best_top1.pth and
net_best_matching.pth, which T2M-GPT's code reads; the same models as folders, best_fid/ and others,
last/; run.log, log.jsonl and TensorBoard's files. The tokens of the corpus are kept in its folder
VQ_NAME, and made anew for another tokenizer. Ctrl-C saves and stops, --resume goes on.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ._shared._experiments import TOKENIZER_FLAGS, TRANSFORMER_FLAGS, Experiment
from ._shared._options import TRANSFORMER, add_flags
from ._shared._places import choosing_protocol, open_corpus

if TYPE_CHECKING:
    from ..evaluation import EvaluationConfig
    from ..gpt import MotionTransformer, TransformerConfig
    from ..io import Corpus
    from ..training import TransformerTraining
    from ..vq import MotionTokenizer

USES = """dataname batch-size total-iter warm-up-iter lr lr-scheduler gamma weight-decay optimizer block-size
embed-dim-gpt clip-dim num-layers n-head-gpt ff-rate drop-out-rate resume-pth resume-trans out-dir exp-name vq-name
print-iter eval-iter seed pkeep"""
TOKENIZER = """code-dim nb-code mu down-t stride-t width depth dilation-growth-rate output-emb-width vq-act vq-norm
quantizer quantbeta"""
OURS = """resume strict follow-links evaluator evaluator-iter text-encoder text-tokenizer text-pooling paraphrases
text-dropout min-frames max-frames save-iter accumulation mixed-precision compile"""


def add_options(parser: ArgumentParser) -> None:
    """Add the flags of T2M-GPT's parser, and ours."""
    add_flags(parser, TRANSFORMER, uses=USES, checkpoint=TOKENIZER, ours=OURS)


def run(options: Namespace) -> None:
    """Train a transformer."""
    from ..io import check_name
    from ..text import TextAugmentation
    from ..training import train_transformer
    from ._shared._checkpoints import Checkpoints
    from ._shared._encoders import choose_text_encoder, evaluator_to_choose

    if options.optimizer == "adam" and options.weight_decay:
        raise ConfigError("Adam without decay is AdamW without decay.", fix="Give --weight-decay 0 with adam.")
    with Experiment(options) as experiment:
        corpus, protocol = open_corpus(options.dataname, options), choosing_protocol(options)
        cache = corpus.root / check_name(options.vq_name)
        start, tokenizer = models(options, experiment, corpus)
        encoder, chosen = choose_text_encoder(options, options.dataname)
        experiment.settle("clip_dim", encoder.dim, options.text_encoder or encoder.identity)
        if start is not None and start.config.text_encoder not in ("", encoder.identity):
            known = start.config.text_encoder
            raise ConfigError("--resume-trans knows another text encoder.", expected=known, found=encoder.identity)
        config = training(options, start.config if start else architecture(options), protocol)
        evaluator = evaluator_to_choose(experiment, corpus, protocol, spoken=True, stats=False)
        experiment.start()
        about = {"dataname": str(options.dataname), "text_encoder": chosen, "tokenizer_path": options.resume_pth}
        checkpoints = Checkpoints(experiment, **about)
        model = train_transformer(
            config, corpus, experiment.folder, tokenizer=tokenizer, text_encoder=encoder, evaluator=evaluator,
            cache=cache, start=start, resume=options.resume, on_best=checkpoints.on_best,
            augmentation=options.paraphrases and TextAugmentation.from_table(options.paraphrases),
        )  # fmt: skip
        experiment.say_left_out(corpus)
        checkpoints.finish(model)


def models(
    options: Namespace, experiment: Experiment, corpus: "Corpus"
) -> "tuple[MotionTransformer | None, MotionTokenizer]":
    """Load the tokenizer, and the transformer to start from where one is given."""
    from ._shared._checkpoints import load_tokenizer, load_transformer, tokenizer_of

    path, because, start = options.resume_pth, options.resume_trans, None
    if because is None:
        tokenizer = load_tokenizer(path, options=options, corpus=corpus)
    else:
        start = load_transformer(because, heads=options.n_head_gpt)
        tokenizer = tokenizer_of(start, path, because=because, options=options, corpus=corpus)
        experiment.settle_all(start.config, TRANSFORMER_FLAGS, because)
    experiment.settle_all(tokenizer.config, TOKENIZER_FLAGS, path)
    return start, tokenizer


def architecture(options: Namespace) -> "TransformerConfig":
    """Read the architecture from the flags; codes and text follow from tokenizer and encoder."""
    from ..gpt import TransformerConfig

    return TransformerConfig(
        width=options.embed_dim_gpt, block_size=options.block_size, num_layers=options.num_layers,
        num_heads=options.n_head_gpt, ff_rate=options.ff_rate, dropout=options.drop_out_rate,
    )  # fmt: skip


def training(
    options: Namespace, transformer: "TransformerConfig", protocol: "EvaluationConfig"
) -> "TransformerTraining":
    """Read the training from the flags."""
    from ..training import TransformerTraining

    return TransformerTraining(
        transformer=transformer, keep_probability=options.pkeep, text_dropout=options.text_dropout,
        steps=options.total_iter, batch_size=options.batch_size, learning_rate=options.lr,
        weight_decay=options.weight_decay, warmup=options.warm_up_iter, milestones=tuple(options.lr_scheduler),
        decay=options.gamma, accumulation=options.accumulation, mixed_precision=options.mixed_precision,
        compile=options.compile, seed=options.seed, log_every=options.print_iter, evaluate_every=options.eval_iter,
        save_every=options.save_iter, evaluation=protocol,
    )  # fmt: skip
