import subprocess
import sys

import pytest

from xr2text_core.metrics.protocols import (
    PROTOCOLS,
    describe,
    get_protocol,
    reference_lengths,
    tokenize_candidates,
    tokenize_references,
    training_vocabulary,
)

REPORT = "The heart isn't enlarged. 2.5 cm nodule (left base), no effusion."
TOKENS = {
    "clean-full": "the heart isnt enlarged . 25 cm nodule left base no effusion .",
    "r2gen-iu": "the heart isnt enlarged . 25 cm nodule left base no effusion .",
    "r2gen-mimic": "the heart isnt enlarged . 25 cm nodule left base no effusion .",
    "ptb": "the heart is n't enlarged 2.5 cm nodule left base no effusion",
    "google": "the heart isn t enlarged 2 5 cm nodule left base no effusion",
}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_every_protocol_reads_the_same_report_in_its_own_way(protocol):
    assert " ".join(protocol.tokenize(REPORT)) == TOKENS[protocol.name]


def test_r2gen_protocols_cut_references_but_not_candidates():
    long = ["word " * 200]
    iu, mimic, full = (get_protocol(name) for name in ("r2gen-iu", "r2gen-mimic", "clean-full"))
    assert [len(tokenize_references(long, protocol)[0]) for protocol in (iu, mimic, full)] == [59, 99, 201]
    assert len(tokenize_candidates(long, iu)[0]) == 201


def test_rare_words_become_unk_in_references_only():
    vocabulary = training_vocabulary(["heart heart heart size size"], "r2gen-iu")
    protocol = get_protocol("r2gen-iu")
    assert vocabulary == {"heart"}
    assert tokenize_references(["Heart size"], protocol, vocabulary) == [["heart", "<unk>", "<unk>"]]
    assert tokenize_references(["Heart size"], protocol) == [["heart", "size", "."]]
    assert tokenize_candidates(["Heart size"], protocol) == [["heart", "size", "."]]


def test_blank_reports_have_no_tokens_under_any_protocol():
    for protocol in PROTOCOLS:
        assert tokenize_candidates(["", " \n"], protocol) == [[], []]


def test_lengths_describe_uncut_references_and_say_how_many_are_cut():
    statistics = reference_lengths(["word " * 99, "word"], "r2gen-iu")
    assert (statistics.mean, statistics.median, statistics.max, statistics.share_cut) == (51.0, 51.0, 100, 0.5)
    assert statistics.percentile_95 == pytest.approx(95.1)


def test_lengths_of_no_references_are_refused():
    with pytest.raises(ValueError, match="at least one reference"):
        reference_lengths([], "clean-full")


def test_unknown_protocol_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"'bleu'.*clean-full, r2gen-iu, r2gen-mimic, ptb, google"):
        get_protocol("bleu")


def test_description_starts_with_the_name_and_is_one_line():
    for protocol in PROTOCOLS:
        assert describe(protocol) == describe(protocol.name)
        assert describe(protocol).startswith(f"{protocol.name}: ")
        assert "\n" not in describe(protocol)


def test_importing_the_scores_imports_neither_torch_nor_nltk():
    code = "import sys, xr2text_core.metrics.bootstrap; print({'torch', 'nltk', 'pandas'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "set()", found.stderr
