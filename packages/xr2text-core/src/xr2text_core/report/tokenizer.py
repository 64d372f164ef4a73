"""Text to token ids and back: a tokenizer learned from the training reports, or the one of a pretrained decoder."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

MAX_VOCABULARY = 4000  # tokens that are learned from reports
QUESTION_TOKENS, PRIOR_TOKENS = 48, 96  # of an indication, and of the report of the last study, at most
IGNORED = -100  # as a label: padding, which no loss counts
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")  # in the order of BART, so that both kinds share their ids


class ReportTokenizer:
    """Byte-level BPE: every text survives the way there and back unchanged, apart from a leading space."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        missing = [token for token in SPECIAL_TOKENS if tokenizer.token_to_id(token) is None]
        if missing:
            raise ValueError(f"the tokenizer lacks the tokens {missing}; expected one of the BART family")
        ids = tokenizer.get_vocab()
        self.bos_id, self.pad_id, self.eos_id = (ids[token] for token in SPECIAL_TOKENS[:3])

    @classmethod
    def learn(cls, texts: Iterable[str], max_vocabulary: int = MAX_VOCABULARY) -> "ReportTokenizer":
        """Learn one from the reports of the training split."""
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=max_vocabulary,
            min_frequency=2,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def from_json(cls, text: str) -> "ReportTokenizer":
        return cls(Tokenizer.from_str(text))

    @classmethod
    def from_pretrained(cls, name: str) -> "ReportTokenizer":
        """The tokenizer of a pretrained decoder: a local folder, or a name on the hub."""
        if (Path(name) / "tokenizer.json").is_file():
            return cls(Tokenizer.from_file(str(Path(name) / "tokenizer.json")))
        from transformers import AutoTokenizer  # converts older vocabularies too; slow to import

        return cls(AutoTokenizer.from_pretrained(name).backend_tokenizer)

    def to_json(self) -> str:
        return str(self._tokenizer.to_str())

    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of each text, at most `max_tokens` with the end mark that closes each.

        A text that is cut gets no end mark: nobody shall learn to end in the middle of a sentence.
        """
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [[*each.ids, self.eos_id][:max_tokens] for each in encoded]

    def encode_if_any(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """The same, but an empty text has no token, not even an end mark."""
        return [
            tokens if text.strip() else [] for text, tokens in zip(texts, self.encode(texts, max_tokens), strict=True)
        ]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The texts of token ids, special tokens left out."""
        return [text.strip() for text in self._tokenizer.decode_batch([list(each) for each in ids])]

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())
