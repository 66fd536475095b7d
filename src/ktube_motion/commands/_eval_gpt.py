r"""Evaluate generation on the test split, many times over, the original's step 4.2.

The documented command, after train-gpt:

    ktube-motion eval-gpt --exp-name TEST_GPT --batch-size 128 --num-layers 9 --embed-dim-gpt 1024 \
        --nb-code 512 --n-head-gpt 16 --block-size 51 --ff-rate 4 --drop-out-rate 0.1 \
        --resume-pth output/VQVAE/net_last.pth --vq-name VQVAE --out-dir output \
        --total-iter 300000 --lr-scheduler 150000 --lr 0.0001 --dataname t2m --down-t 2 --depth 3 \
        --quantizer ema_reset --eval-iter 10000 --pkeep 0.5 --dilation-growth-rate 3 \
        --vq-act relu --resume-trans output/GPT/net_best_fid.pth

Reads the transformer of --resume-trans, the tokenizer of --resume-pth, the corpus they were trained on
and that corpus's evaluator. What a checkpoint says otherwise than a flag wins; one table lists it
(--strict: an error). A tokenizer whose codes the transformer does not know is an error.

Writes OUT_DIR/EXP_NAME: report.md and report.json with the figures, pictures of them, and the joints of
every clip, NAME_gt.npy and NAME_pred.npy, which render and export read. A run that was stopped goes on
with --resume.
"""

from argparse import ArgumentParser, Namespace

from ._shared._experiments import TOKENIZER_FLAGS, TRANSFORMER_FLAGS, Experiment
from ._shared._options import TRANSFORMER, add_flags
from ._shared._places import open_corpus, protocol_of

USES = "dataname resume-pth resume-trans out-dir exp-name seed if-maxtest"
MODELS = """code-dim nb-code mu down-t stride-t width depth dilation-growth-rate output-emb-width vq-act vq-norm
quantizer quantbeta block-size embed-dim-gpt clip-dim num-layers n-head-gpt ff-rate drop-out-rate"""
OURS = """resume strict follow-links evaluator evaluator-iter text-encoder text-tokenizer text-pooling min-frames
max-frames repeats multimodality-texts guidance-scale"""


def add_options(parser: ArgumentParser) -> None:
    """Add the flags of T2M-GPT's parser, and ours."""
    add_flags(parser, TRANSFORMER, uses=USES, checkpoint=MODELS, ours=OURS)


def run(options: Namespace) -> None:
    """Evaluate a transformer with its tokenizer."""
    from ..evaluation import evaluate_generation
    from ..evaluation._samples import collect_samples
    from ..training import KnownTexts
    from ._shared._checkpoints import about_checkpoint, load_transformer, tokenizer_of
    from ._shared._encoders import choose_text_encoder, load_evaluator

    with Experiment(options) as experiment:
        path = options.resume_trans
        transformer, about = load_transformer(path, heads=options.n_head_gpt), about_checkpoint(path)
        dataname = about.get("dataname", options.dataname)
        corpus = open_corpus(dataname, options)
        tokenizer = tokenizer_of(
            transformer, options.resume_pth, experiment=experiment, because=path, options=options, corpus=corpus
        )
        experiment.settle("dataname", dataname, path)
        experiment.settle_all(transformer.config, TRANSFORMER_FLAGS, path)
        experiment.settle_all(tokenizer.config, TOKENIZER_FLAGS, options.resume_pth)
        encoder, _ = choose_text_encoder(options, dataname, about.get("text_encoder"))
        protocol = protocol_of(
            options, dataname, repeats=options.repeats, seed=options.seed,
            multimodality_texts=options.multimodality_texts,
        )  # fmt: skip
        collect_samples(corpus, protocol)  # too few to measure: told before an evaluator is trained
        evaluator = load_evaluator(options, dataname, corpus, say=experiment.say)
        experiment.start()
        report = evaluate_generation(
            (transformer, tokenizer, KnownTexts(encoder)), corpus, evaluator=evaluator, folder=experiment.folder,
            sampling=sampling(options), save_predictions=True, config=protocol,
        )  # fmt: skip
        experiment.say(report.to_markdown())
        experiment.say_left_out(corpus)


def sampling(options: Namespace) -> dict[str, float]:
    """Read from the flags how tokens are drawn."""
    how: dict[str, float] = {"top_k": 1} if options.if_maxtest else {}
    if options.guidance_scale != 1:  # an evaluation without it keeps the settings it always had
        how["guidance_scale"] = options.guidance_scale
    return how
