"""Evaluate a motion tokenizer on the test split: the original's documented command, step 4.1."""

from _encoders import DEVICE, load_evaluator
from _options import VQ, read_options
from _workflow import (
    TOKENIZER_FLAGS,
    Experiment,
    about_checkpoint,
    load_tokenizer,
    open_corpus,
    protocol_of,
    run,
)

from ktube_motion.evaluation import evaluate_tokenizer

USES = "dataname resume-pth out-dir exp-name seed"
TOKENIZER = """code-dim nb-code mu down-t stride-t width depth dilation-growth-rate output-emb-width vq-act vq-norm
quantizer beta"""
OURS = "resume strict evaluator evaluator-iter min-frames max-frames repeats"


def main():
    options = read_options(__doc__, VQ, uses=USES, checkpoint=TOKENIZER, ours=OURS)
    experiment = Experiment(options)
    dataname = about_checkpoint(options.resume_pth or "").get("dataname", options.dataname)
    experiment.settle("dataname", dataname, options.resume_pth)
    corpus = open_corpus(dataname)
    tokenizer = load_tokenizer(options.resume_pth, options=options, corpus=corpus).to(DEVICE)
    experiment.settle_all(tokenizer.config, TOKENIZER_FLAGS, options.resume_pth)
    evaluator = load_evaluator(options, dataname, corpus, say=experiment.say)
    experiment.start()
    report = evaluate_tokenizer(
        tokenizer, corpus, evaluator=evaluator, folder=experiment.folder, save_predictions=True,
        config=protocol_of(options, dataname, repeats=options.repeats, seed=options.seed),
    )  # fmt: skip
    experiment.say(report.to_markdown())


if __name__ == "__main__":
    run(main)
