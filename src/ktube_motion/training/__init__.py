"""Training tokenizer, evaluator and transformer with one loop on Hugging Face Accelerate."""

from ._augmentation import MotionAugmentation
from ._corpus_dataset import CorpusDataset, collate_clips
from ._datasets import ClipTable, WindowSampler
from ._device import Capabilities, capabilities
from ._evaluator import EvaluatorTraining, train_evaluator
from ._loop import LoopConfig, Task, fit, learning_rate
from ._speech_evaluator import SpeechEvaluatorTraining, train_speech_evaluator
from ._tokenizer import TokenizerTraining, measure_tokenizer, train_tokenizer
from ._transformer import TransformerTraining, train_transformer
from ._utterances import KnownTexts, TextVariants, UtteranceSet, encode_texts, tokenize_corpus
from ._word_kinds import teach_words

__all__ = [
    "Capabilities",
    "ClipTable",
    "CorpusDataset",
    "EvaluatorTraining",
    "KnownTexts",
    "LoopConfig",
    "MotionAugmentation",
    "SpeechEvaluatorTraining",
    "Task",
    "TextVariants",
    "TokenizerTraining",
    "TransformerTraining",
    "UtteranceSet",
    "WindowSampler",
    "capabilities",
    "collate_clips",
    "encode_texts",
    "fit",
    "learning_rate",
    "measure_tokenizer",
    "teach_words",
    "tokenize_corpus",
    "train_evaluator",
    "train_speech_evaluator",
    "train_tokenizer",
    "train_transformer",
]
