"""The small words that decide what a sentence says about a finding: sides, sizes, and cues."""

SIDE_PHRASES = {
    "right": ("right", "right hand side", "middle lobe", "rll|rul|rml"),
    "left": ("left", "left hand side", "lingula|lingular", "lll|lul"),
    "bilateral": (
        "bilateral|bilaterally|both|bibasilar|biapical|bibasal",
        "left greater than right",
        "right greater than left",
    ),
}

SEVERITY_PHRASES = {
    "mild": ("mild|mildly|minimal|minimally|small|slight|slightly|trace|tiny|borderline|subtle|minor|early",),
    "moderate": ("moderate|moderately", "small|mild to moderate", "moderate sized"),
    "severe": ("severe|severely|large|marked|markedly|extensive|massive|gross", "moderate to severe|large|marked"),
}

CUE_PHRASES: dict[str, tuple[str, ...]] = {
    # after it, absent
    "no": (
        "no|without|absent|denies|nor|neither|not|negative",
        "no|without definite|convincing|radiographic|obvious? evidence|signs|sign|findings of|for",
        "negative|free|clear|resolution|clearing|absence|removal|cleared|disappearance for|of",
        "rather than",
        "do|does|did not demonstrate|show|reveal|have|contain",
        "resolved",
        "instead of",
    ),
    # before it, absent
    "gone": (
        "resolved",
        "has|have resolved|cleared|disappeared",
        "has|have been removed",
        "is|are|was|were not|no longer? seen|identified|present|visualized|visible|evident|appreciated|demonstrated",
        "is|are absent",
        "not seen|identified|visualized|present|evident|appreciated|demonstrated",
        "no longer seen|identified|visualized|present|evident|appreciated|demonstrated|visible",
        "is|are excluded",
        "not definitely|clearly? seen",
        "ruled out",
    ),
    # after it, uncertain
    "maybe": (
        "may|might|could|possible|possibly|questionable|question|suspect|suspected|suspicious|worrisome|concerning|concern",
        "cannot|not be? entirely? rule out",
        "unclear|uncertain whether|if",
        "is? possible|possibility|suspect|suspected|suspicion that",
        "low suspicion for",
        "less likely",
        "doubt|unlikely",
        "may|might|could be due|secondary|related to",
        "may|might|could be|represent|reflect|indicate|also? represent?",
        "cannot|not entirely? exclude",
        "suggest|suggests|suggesting|suggested",
        "suggestive of",
        "difficult to completely|entirely? exclude",
        "in the? correct|appropriate|proper|right clinical setting|context",
        "question of",
        "differential",
        "perhaps|potentially|equivocal",
        "raises|raising the? possibility|concern|question of|for",
    ),
    # before it, uncertain
    "doubted": (
        "cannot|not be? entirely|completely? excluded|ruled out?",
        "is|are unlikely",
        "is|are|not possible|suspected|questioned",
        "difficult to exclude",
    ),
    "versus": ("versus|vs",),
    # after it, the past; ends at "with"
    "past": ("history of", "status post", "s p"),
    # after it, nothing is said about this image
    "advice": (
        "to identify",
        "if there? is|are?",
        "recommend|recommended|consider|advised",
        "to exclude|evaluate|assess|rule|detect|document|ensure|confirm",
        "rule out",
        "correlate|correlation clinically|clinical? for|with",
        "symptoms of",
        "evaluate|evaluation|assess|assessment for|of",
        "may not be",
        "please note that?",
    ),
    # looks like a cue and is none
    "nothing": (
        "no|without significant|interval|substantial|definite|appreciable interval? change|changes in|of|from?",
        "no change|changes in?",
        "not significantly|substantially|appreciably? changed|xxxx|different|increased|worsened",
        "no increase in?",
        "no improvement in?",
        "not only",
        "with or without",
        "to suggest|indicate",
        "consistent|compatible with",
        "not well seen|visualized|evaluated|demonstrated",
        "document|ensure|confirm resolution",
        "near? complete|incomplete|partial resolution|clearing of?",
        "not optimally",
        "line of",
    ),
    "but": (
        "but|however|although|though|except|aside|apart|otherwise|which|that|while|whereas|despite",
        "other than",
        "due|secondary|related to",
    ),
    "there": ("there is|are|has",),
    "verb": (
        "seen|identified|demonstrated|visualized|noted|present|evident ,",
        "is|are|was|were|appears|appear|remains|remain|has|have|demonstrates|demonstrate|shows|show",
    ),
    "list": (",|and",),
    "or": ("or",),
    "of": ("in|within|at|of|on|over|overlying|involving|projecting|throughout|along|near|from|to|for",),
    "fresh": ("stable|unchanged|persistent|chronic|old|again|continued|redemonstrated|redemonstration|previous|prior",),
    "break": (":|(|)",),
    "with": ("with",),
}
