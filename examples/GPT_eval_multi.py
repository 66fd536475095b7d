"""Evaluate generation on the test split, many times over: the original's documented command, step 4.2."""

from _encoders import choose_text_encoder, load_evaluator
from _options import TRANSFORMER, read_options
from _workflow import (
    TOKENIZER_FLAGS,
    TRANSFORMER_FLAGS,
    Experiment,
    about_checkpoint,
    load_transformer,
    open_corpus,
    protocol_of,
    run,
    tokenizer_of,
)

from ktube_motion.evaluation import evaluate_generation
from ktube_motion.training import KnownTexts

USES = "dataname resume-pth resume-trans out-dir exp-name seed if-maxtest"
MODELS = """code-dim nb-code mu down-t stride-t width depth dilation-growth-rate output-emb-width vq-act vq-norm
quantizer quantbeta block-size embed-dim-gpt clip-dim num-layers n-head-gpt ff-rate drop-out-rate"""
OURS = """resume strict evaluator evaluator-iter text-encoder text-tokenizer text-pooling min-frames max-frames
repeats multimodality-texts guidance-scale"""


def main():
    options = read_options(__doc__, TRANSFORMER, uses=USES, checkpoint=MODELS, ours=OURS)
    experiment = Experiment(options)
    transformer, path = load_transformer(options.resume_trans, heads=options.n_head_gpt), options.resume_trans
    about = about_checkpoint(path)
    dataname = about.get("dataname", options.dataname)
    corpus = open_corpus(dataname)
    tokenizer = tokenizer_of(
        transformer, options.resume_pth, experiment=experiment, because=path, options=options, corpus=corpus
    )
    experiment.settle("dataname", dataname, path)
    experiment.settle_all(transformer.config, TRANSFORMER_FLAGS, path)
    experiment.settle_all(tokenizer.config, TOKENIZER_FLAGS, options.resume_pth)
    encoder, _ = choose_text_encoder(options, dataname, about.get("text_encoder"))
    evaluator = load_evaluator(options, dataname, corpus, say=experiment.say)
    experiment.start()
    sampling = {"top_k": 1} if options.if_maxtest else {}
    if options.guidance_scale != 1:  # an evaluation without it keeps the settings it always had
        sampling["guidance_scale"] = options.guidance_scale
    report = evaluate_generation(
        (transformer, tokenizer, KnownTexts(encoder)), corpus, evaluator=evaluator, folder=experiment.folder,
        sampling=sampling, save_predictions=True, config=protocol_of(
            options, dataname, repeats=options.repeats, seed=options.seed,
            multimodality_texts=options.multimodality_texts,
        ),
    )  # fmt: skip
    experiment.say(report.to_markdown())


if __name__ == "__main__":
    run(main)
