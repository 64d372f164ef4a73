"""What a report says about an earlier study: whether it compares at all, and what became of each finding.

Rules for English, read sentence by sentence. Words that also describe one film alone ("increased markings", "worse on
the right", "prior surgery", New York, a stable patient) are no comparisons, nor is that there is no earlier film.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from xr2text_core.report.editing import sentences
from xr2text_core.report.labeler import Mention, label_sentence

CHANGES = ("new", "larger", "smaller", "resolved", "unchanged")

_STUDY = (
    r"(?:stud(?:y|ies)|exam(?:s|inations?)?|films?|radiographs?|x[- ]?rays?|cxrs?|images?|imaging|cts?|scans?"
    r"|views?|reports?|mri|comparisons?|ones?|dates?)"
)
_EARLIER = (
    r"(?:(?:the|an?|most|recent|her|his|that|multiple|several|serial)\s+)*"
    rf"(?:prior|previous|earlier|last|old|preceding|comparison)\b(?:\s+\w+){{0,2}}?\s+{_STUDY}\b"
)
_THEN = r"(?:the\s+)?(?:prior|previous(?:ly)?|before|earlier|last|yesterday|priors)\b"
_THAN_THEN = rf"(?:since|compared|than\s+(?:(?:on|in|at|it was|seen)\s+)*(?:{_EARLIER}|{_THEN}))"
_DEGREE = (
    r"(?:(?:very|more|less|slight|slightly|mild|mildly|minimal|minimally|moderate|moderately|marked|markedly|somewhat"
    r"|significant|significantly|substantial|substantially|considerable|considerably|further|again|now|also|not|much"
    r"|partially|partly|nearly|near|almost|completely|complete|essentially|largely|grossly|overall|relatively"
    r"|appreciable|appreciably|definite|relevant|other|gross|real|major|visible|detectable|radiographic)\s+)*"
)
# "has increased" is a verb where none of what has increased follows: "the lung has increased markings".
_VERB_ENDS = (
    r"(?=\W*(?:$|[.,;:)]|(?:in|since|from|compared|relative|by|and|but|with|over|slightly|mildly|markedly|on|now)\b))"
)
_WHAT_GROWS = (  # increased markings are no comparison, an increased effusion is
    r"(?:(?:the|an?|of|in|size|amount|right|left|bilateral|small|moderate|large|pulmonary|pleural|interstitial|basal"
    r"|basilar|bibasilar|lower|upper|lobe|sided)[- ]+)*"
    r"(?:effusions?|edema|pneumothora\w+|consolidations?|atelectas\w+)\b"
)
_SEEN = r"(?:seen|noted|demonstrated|identified|visualized|appreciated)"
_SYMPTOMS = (
    r"(?:(?:respiratory|oxygen|shortness|chest|back|abdominal|white)\s+)?(?:symptoms?|dyspnea|of breath|sob|cough"
    r"|fevers?|pain|hypoxia|hypoxemia|requirements?|leukocytosis|wbc|count|distress|status|murmur|wheez\w+|confusion)\b"
)
# Words that compare nothing with an earlier study.
_TRAPS = re.compile(
    "|".join(
        (
            r"\bnew (?:york|england|jersey|mexico|haven|hampshire|orleans|zealand|delhi|year|world|patient|diagnos\w+"
            r"|baseline|technique|protocol|scanner|system|hospital)\b|\bnew[- ](?:onset|born)\b",
            rf"\b(?:new|worse\w*|increas\w+|decreas\w+|improv\w+|persist\w+|progress\w+|stable)\s+{_SYMPTOMS}",
            rf"\b{_SYMPTOMS}\s+(?:ha(?:s|ve)\s+)?(?:persist\w*|worse\w*|improve\w*|resolve\w*)",
            r"\b(?:no|without)\s+(?:(?:available|relevant|recent|direct|old|other|prior|previous|earlier|chest|such)\s+)*"
            rf"(?:comparisons?|priors|(?:prior|previous|earlier|old)\s+(?:\w+\s+)?{_STUDY})\b[^.;]*",
            r"\b(?:none|nothing)\b[^.;]*\bcomparison\b",
            r"\bcomparisons?(?:\s+\w+)?\s*[:-]?\s*(?:(?:is|are)\s+)?(?:none|not available|unavailable|n/?a)\b",
            r"\b(?:unavailable|not available)\b[^.;]*\bcomparison\b",
            r"\bcomparison\s+(?:can|could|would|may|should|is\s+(?:recommended|advised|suggested))\b",
            r"\b(?:compared?|comparison|relative)\s+(?:to|with)\s+(?:(?:that|those|of|the|on)\s+)*"
            r"(?:right|left|contralateral|opposite|other|upper|lower|ribs?|vertebra\w*|normal|expected|average)\b",
            r"\b(?:\w*dynamically|clinically|neurologically|medically|mechanically)\s+stable\b",
            r"\bpatient\s+(?:is|was|remains|appears)\s+(?:\w+\s+)?stable\b",
            r"\bstable\s+(?:patient|condition|vitals?|vital signs|angina|fixation|construct|h[ae]+modynamic\w*)\b",
            r"\b(?:high|low|poor|limited|spatial|image|contrast)[- ]resolution\b",
            r"\b(?:until|ensure|document|confirm|demonstrate|assess|to|for)\s+(?:\w+\s+)?"
            r"(?:resolution|clearing|improvement|stability|change)\b",
            r"\bif\b[^.,;]*",
            r"\b(?:short|regular|[pq]r|qt|time|\d+\w*|month|year)[- ](?:term\s+)?interval\w*\b",
            r"\binterval\s+(?:follow\w*|repeat|imaging|surveillance)",
            r"\bchange in (?:management|therapy|position)\b",
        )
    ),
    re.IGNORECASE,
)
_OF_CHANGE = {
    "resolved": (
        r"\bno longer\b",
        r"(?<!partially )(?<!partly )\bresolved\b",
        r"(?<!partial )\bresolution\b",
        r"\bha(?:s|ve)\s+(?:\w+ly\s+)?(?:cleared|disappeared|resorbed)\b",
        r"\binterval\s+(?:removal|clearing)\b",
    ),
    "unchanged": (
        r"\bun(?:changed|altered)\b",
        rf"\b(?:no|without|not)\s+(?:interval\s+)?{_DEGREE}(?:interval\s+)?chang(?:es?|ed)\b(?!\s+of\b)",
        r"(?<!\w-)\bstable\b",
        rf"\bsimilar\b[^.,;]*\b(?:{_EARLIER}|{_THEN})",
        rf"\bnot\s+{_DEGREE}(?:increased|decreased|worsened|improved|progressed)\b",
        r"\bpersist(?:s|ent|ently|ing|ed)?\b",
    ),
    "new": (r"(?<!no )(?<!without )\bnew(?:ly)?\b", r"\binterval\s+(?:development|appearance|placement|insertion)\b"),
    "larger": (
        rf"\bha(?:s|ve|d)\s+{_DEGREE}(?:(?:increased|enlarged)\b{_VERB_ENDS}|(?:grown|worsened|progressed)\b)",
        rf"\bincreased\s+{_WHAT_GROWS}",
        rf"\bincreased\s+{_DEGREE}(?:in\s+(?:size|extent|number|prominence)|since|from|compared|relative)\b",
        rf"\binterval\s+{_DEGREE}(?:increas\w+|worsening|progression|enlargement|growth)\b",
        r"\bworsen(?:ed|ing)\b|\bincreasing(?:ly)?\b|\benlarging\b|\bprogress(?:ion|ed|ing)\b",
        rf"\b(?:larger|greater|more\s+\w+|worse|bigger)\s+{_THAN_THEN}",
    ),
    "smaller": (
        rf"\bha(?:s|ve|d)\s+{_DEGREE}(?:(?:decreased|diminished)\b{_VERB_ENDS}|(?:improved|regressed|shrunk|lessened)\b)",
        rf"\b(?:decreased|reduced)\s+{_WHAT_GROWS}",
        rf"\bdecreased\s+{_DEGREE}(?:in\s+(?:size|extent|number|prominence)|since|from|compared|relative)\b",
        rf"\binterval\s+{_DEGREE}(?:decreas\w+|improvement|reduction|regression)\b",
        r"\bimprov(?:ed|ing|ement)\b|\bdecreasing\b|\bresolving\b",
        r"\bpart(?:ial|ially|ly) (?:resolved|resolution|clearing)\b",
        rf"\b(?:smaller|less\s+\w+|better)\s+{_THAN_THEN}",
    ),
}
_OTHERWISE = (
    r"\b(?:no|without)\s+new\b",
    r"\bcompar(?:ed|ison|ing|ative)\b",
    r"\binter(?:val|im)\b",
    rf"\b{_EARLIER}",
    rf"\b(?:since|from|than|to|with|as|on|in)\s+{_THEN}(?!\s*[/a-z])",
    rf"\bpreviously\s+(?:\w+\s+)?(?:{_SEEN}|described|present|mentioned|reported)\b",
    r"\bas before\b|\bagain\b|\bre-?demonstrat\w+|\bin the meantime\b",
)
_CHANGE = {change: re.compile("|".join(patterns), re.IGNORECASE) for change, patterns in _OF_CHANGE.items()}
_ANY = re.compile("|".join((*(each for group in _OF_CHANGE.values() for each in group), *_OTHERWISE)), re.IGNORECASE)
_CLAUSE = re.compile(r"[,;]|\b(?:and|but|while|whereas|although|with)\b", re.IGNORECASE)

# What is taken out of a sentence so that it tells of one study alone, in this order.
_REFERENCE = (
    rf"(?:\s+(?:as\s+)?(?:since|from|to|with|than(?:\s+(?:on|in))?|on|of|compared\s+(?:to|with)|(?:in|by)\s+comparison"
    rf"\s+(?:to|with)|relative\s+to|when\s+compared\s+(?:to|with))\s+(?:{_EARLIER}|{_THEN})[^.,;]*"
    r"|\s+in the interval\b)"
)
_WORDED = (
    r"(?:unchanged|stable|new(?:ly)?|increased|decreased|worsened|improved|larger|smaller|progressed|persistent"
    r"|similar|diminished)"
)
_CUTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^\s*(?:as\s+)?(?:compared|in comparison|when compared)\s+(?:to|with)\b[^,]*,\s*",
        r"^\s*(?:since|from)\b[^,]*,\s*|^\s*in the (?:interval|meantime),?\s*",
        rf"^\s*(?:again|re-?demonstrated|re-?demonstration)\s+(?:(?:{_SEEN}|is|are|of)\s+)*",
        rf",?\s*(?:(?:which|that)\s+(?:is|are|was|were)\s+)?(?:(?:as|not|well)\s+)*{_SEEN}{_REFERENCE}",
        r"(?:,?\s*\b(?:without|with no)\s+|,\s*no\s+)(?:\w+\s+){0,2}(?:interval\s+)?changes?\b" + _REFERENCE + "?",
        rf"(?:,\s*|\s+(?:and|but)\s+|\s+)(?:which\s+|that\s+)?(?:(?:is|are|was|has|have|had|been|appears?|remains?|again"
        rf"|overall|otherwise)\s+)*{_DEGREE}{_WORDED}(?:\s+(?:in\s+(?:size|extent|appearance|position)))*{_REFERENCE}?"
        r"(?=\s*(?:[.,;]|$))",
        r"\bthere\s+(?:has|have)\s+been\s+(?:an?\s+)?(?=interval)",
        r"\binterval\s+(?:development|appearance|placement|worsening|improvement|progression|increase|decrease)\s+(?:of|in)"
        r"\s+(?:an?\s+|the\s+)?",
        rf"^\s*(?:there\s+is\s+)?no\s+{_DEGREE}(?:interval\s+)?change\s+(?:of|in)\s+"
        r"(?:the\s+)?(?:appearance\s+of\s+)?(?:the\s+)?",
        r"\bre-?demonstration\s+of\s+",
        r"\b(?:\w+ly\s+)?(?:stable|unchanged)\s+(?:appearance|position|size|configuration)\s+of\s+(?:an?\s+|the\s+)?",
        r"\b(?:(?:grossly|overall|relatively|essentially|significantly|largely)\s+)*(?:new(?:ly)?|stable|unchanged"
        r"|persistent(?:ly)?|improv(?:ed|ing)|worsen(?:ed|ing)|increasing(?:ly)?|decreasing|resolving|enlarging"
        r"|previously\s+\w+|interval|interim),?\s+(?:and\s+(?=\w))?(?=\w)",
        rf"\b(?:increased|decreased|reduced)\s+(?={_WHAT_GROWS})",
        r",?\s*\bagain\b",
        _REFERENCE,
    )
)
_ARTICLE = re.compile(r"\b(an?)(\s+)(?=([a-z]))", re.IGNORECASE)
_DANGLING = re.compile(
    r"^\W*(?:is|are|has|have|was|were|and|but|of|in|since|which|been)\b"
    r"|\b(?:is|are|was|were|has|have|had|been|appears?|remains?|demonstrates?|shows?|of|in|with|and|but|or|the|an?|to"
    r"|from|which|that|than|there|no|at|on|for|by|as)\W*$"
    r"|\b(?:to|of|in|from|with|been)\s+(?:to|of|from|since)\b"
    r"|\b(?:is|are)\s+(?:in\s+appearance|with|of|represent|indicate|suggest|may)\b",
    re.IGNORECASE,
)


def has_comparison(text: str) -> bool:
    """Whether any sentence compares with an earlier study."""
    return any(_compares(sentence.text) for sentence in sentences(text))


def changes(text: str) -> dict[str, str]:
    """What the report says became of findings since an earlier study: one of CHANGES each, the last that is said."""
    found: dict[str, str] = {}
    for sentence in sentences(text):
        if _compares(sentence.text):
            found |= _changes(sentence.text)
    return found


@lru_cache(maxsize=16384)  # radiologists repeat their sentences
def _compares(sentence: str) -> bool:
    return _ANY.search(_without_traps(sentence)) is not None


def _without_traps(sentence: str) -> str:
    """The sentence with blanks, as many letters, in place of words that compare nothing."""
    return _TRAPS.sub(lambda match: " " * len(match[0]), sentence.rstrip(" ."))


def _changes(sentence: str) -> dict[str, str]:
    """Where a sentence words several changes, each is of the findings of its clause, else of those just before."""
    words = _without_traps(sentence)
    worded = set(_worded(words))
    if len(worded) <= 1:
        return _of(label_sentence(sentence.strip(" .")), *worded)
    ends = [0, *(match.start() for match in _CLAUSE.finditer(words)), len(words)]
    found: dict[str, str] = {}
    waiting: tuple[Mention, ...] = ()
    for start, end in pairwise(ends):
        mentions = label_sentence(re.sub(r"^\W+|\W+$", "", sentence[start:end])) or waiting
        change = next(_worded(words[start:end]), "")
        found |= _of(mentions, change)
        waiting = () if change else mentions
    return found


def _worded(words: str) -> Iterator[str]:
    return (change for change, pattern in _CHANGE.items() if pattern.search(words))


def _of(mentions: Sequence[Mention], change: str = "") -> dict[str, str]:
    """The change of each finding that is there, or has gone."""
    is_said = (each for each in mentions if change == "resolved" or (change and each.status != "absent"))
    return {each.finding: change for each in is_said}


def without_comparisons(text: str) -> str:
    """The report as it would be written without an earlier study: sentences that compare are edited, where they state
    the same findings without the comparison, else they go. "" where the report does nothing but compare; a text that
    does not compare is returned as it is.
    """
    if not has_comparison(text):
        return text
    return " ".join(filter(None, (_alone(sentence.text) for sentence in sentences(text))))


@lru_cache(maxsize=16384)
def _alone(sentence: str) -> str:
    """A sentence without its comparison; "" where it does nothing else."""
    if not _compares(sentence):
        return sentence
    edited = sentence
    for cut in _CUTS:
        if not _compares(edited):
            break
        edited = _tidy(cut.sub(" ", edited))
    is_whole = not _compares(edited) and not _DANGLING.search(edited)
    return edited if is_whole and _stated(edited) and _stated(edited) == _stated(sentence) else ""


def _article(article: str, letter: str) -> str:
    """`a` or `an` before a letter, its capital kept."""
    return article[0] + ("n" if letter.lower() in "aeiou" else "")


def _stated(sentence: str) -> frozenset[tuple[str, str]]:
    """The findings of a sentence, and how it states them."""
    return frozenset((each.finding, each.status) for each in label_sentence(sentence.rstrip(" .")))


def _tidy(sentence: str) -> str:
    """Single spaces, a capital at the beginning as before, and the articles that fit."""
    text = re.sub(r"(?:\s|,(?=\W*$))+([.,;:])", r"\1", " ".join(sentence.split())).lstrip(",;: ")
    text = _ARTICLE.sub(lambda match: _article(match[1], match[3]) + match[2], text)
    return text[:1].upper() + text[1:] if sentence[:1].isupper() or sentence[:1] == " " else text
