"""The small words that decide what a sentence says about a finding: sides, sizes, and cues.

Phrases are written as phrases.py tells. Beside words there are marks: `:` (also an equals sign), `-` (a dash between
spaces), `query` (also a question mark), `(-)`, `(+)`, and `.` for the end of the sentence.
"""

SIDE_PHRASES = {
    "right": ("right", "right hand side", "middle lobe", "rll|rul|rml"),
    "left": ("left", "left hand side", "lingula|lingular", "lll|lul"),
    "bilateral": (
        "bilateral|bilaterally|both|bibasilar|biapical|bibasal",
        "left greater|more than right",
        "right greater|more than left",
    ),
}

SEVERITY_PHRASES = {
    "mild": ("mild|mildly|minimal|minimally|small|slight|slightly|trace|tiny|borderline|subtle|minor|early",),
    "moderate": ("moderate|moderately", "small|mild to moderate", "moderate sized"),
    "severe": ("severe|severely|large|marked|markedly|extensive|massive|gross", "moderate to severe|large|marked"),
}

CUE_PHRASES: dict[str, tuple[str, ...]] = {
    # --- What is not there ---
    # after it, absent
    "no": (
        "no|none|without|absent|denies|nor|neither|not|negative|never|nothing|lack|lacks|lacking|excludes|excluding|zero",
        "nonvisualization|nonvisualisation of",
        "non visualization of",
        "no|without definite|convincing|radiographic|obvious? evidence|signs|sign|findings|features|suggestion of|for",
        "no|neg|without e o",  # e/o: evidence of
        "with o",  # w/o
        "neg|nil for?",
        "negative|free|clear|resolution|clearing|absence|cleared|disappearance|devoid|lack for|of|from",
        "unremarkable|unrevealing for",
        ": negative for",
        "rather than",
        "nor is|are|was|were|do|does there|i|we see?",
        "nor is|are|was|were",
        "do|does|did not demonstrate|show|reveal|have|contain",
        "cannot|not see|identify|detect|find|appreciate|visualize|demonstrate",
        "can|could not see|identify|detect|find|appreciate|visualize|demonstrate",
        "fail|fails|failed|failing to show|reveal|demonstrate|identify|detect|disclose|depict|find|visualize",
        "not associated|accompanied|complicated with|by",
        "unassociated|unaccompanied|uncomplicated with|by",
        "inconsistent|incompatible with",
        "not consistent|compatible|in? keeping with",
        "not typical|suggestive|indicative|characteristic|suspicious|convincing of|for",
        "argue|argues|arguing|speak|speaks against",
        "rules|ruling out",
        "instead of",
        "(-)",
    ),
    # before it, absent
    "gone": (
        "has|have resolved|cleared|disappeared|resorbed",
        "has|have been drained|evacuated",
        "is|are|was|were no longer? seen|identified|present|visualized|visible|evident|appreciated|demonstrated",
        "is|are|was|were not seen|identified|present|visualized|visible|evident|appreciated|demonstrated|found",
        "cannot|not be seen|identified|visualized|appreciated|demonstrated|detected|found",
        "is|are|was|were absent|excluded|lacking",
        "has|have been excluded",
        "not seen|identified|visualized|present|evident|appreciated|demonstrated|detected|observed|found|visible|noted",
        "no longer seen|identified|visualized|present|evident|appreciated|demonstrated|visible|there",
        "not definitely|clearly? seen",
        "ruled out",
        "(-)|neg|negative|absent .|,|)",
        "no|none|nil .",
        # the answer of a structured line: "Pneumothorax: none"
        ":|-|query none|nil",
        ":|-|query no|n|absent|negative|neg|0|zero .|,|(",
        ":|- n a",
        "( no|none|nil|absent|negative|neg )",
    ),
    # the devices before it or after it are gone
    "removed": ("removed|discontinued|explanted", "taken out", "removal of"),
    # on either side, absent
    "resolved": ("resolved",),
    # --- What is doubtful ---
    # after it, uncertain
    "maybe": (
        "may|might|could|question|suspect|suspicious|worrisome|concerning|concern|maybe|perhaps|potentially|conceivably",
        "possibly|equivocally|questionably",
        "cannot|not be? entirely? rule out",
        "unclear|uncertain whether|if",
        "is? possible|possibility|suspect|suspected|suspicion that",
        "possibility|likelihood of",
        "low? suspicion for|of",
        "doubt",
        "may|might|could|can be? due|secondary|related|attributable|owing to",
        "may|might|could|can relate to",
        "or be? due|secondary|related|attributable to",
        "may|might|could|can be caused|explained by",
        "may|might|could|can be because of",
        "may|might|could be|represent|reflect|indicate|also? represent?",
        "can be? represent|reflect|indicate|mimic|simulate",
        "as can|may|could be seen with|in",
        "can|may|could be seen with",
        "is|are a? concern for",
        "is? doubtful|unlikely|questionable|conceivable|improbable|uncertain|unclear that|if|whether",
        "favored|likely over|than",
        "than",  # "more likely atelectasis than pneumonia"
        "cannot|not entirely? exclude",
        "suggest|suggests|suggesting|suggested",
        "mimics|mimicking|simulates|simulating|resembles|resembling",
        "suggestive|suggestion|suggestions of",
        "that|which would suggest|indicate",
        "non|not? nondiagnostic|diagnostic|specific for",
        "difficult to completely|entirely? exclude",
        "in the? correct|appropriate|proper|right clinical setting|context",
        "question of",
        "differential",
        "raises|raising|raise the? possibility|concern|question|suspicion of|for",
        "query",  # also a question mark: "?nodule"
    ),
    # before it, uncertain
    "doubted": (
        "cannot|not be|been? entirely|completely|reliably|confidently|definitely|definitively? excluded|ruled out?",
        "could|can not be entirely|completely|reliably|confidently? excluded|ruled out?",
        "is|are|was|were|be questioned|queried|considered|conceivable|entertained",
        "should|must|could|may|might|can also? be considered|excluded|suspected|raised|entertained",
        "should|must|could|may|might be ruled out",
        "to be considered|excluded",
        "be|is|are|remains|remain a|another|an consideration|possibility|concern|candidate",
        "be|is|are|remain considerations|possibilities",
        "difficult|hard|impossible to exclude",
        "difficult|hard|impossible to rule out",
        "cannot|not be? confirmed|assessed",
        "deserves|merits|warrants|needs consideration",
        "rule out .",
        "may|might|could also|well|still? be present|there|developing|evolving|forming|superimposed|coexisting|"
        "obscured|hidden|masked|missed|overlooked",
        "may|might|could exist|coexist|persist",
        "may|might|could|can|would have|give|produce|cause|mimic this|these|a|the similar? "
        "appearance|appearances|picture|pattern|findings",
        "is|are|remains|remain in question",
        "among|one of? the? considerations|possibilities",
        "possibly|questionably|perhaps|maybe .|)",
        "possibly|questionably present|seen|visible|there",
        "in|on the? differential diagnosis?",
        "part of the differential diagnosis?",
        "if any|present|real .|,|)",
        "not favored|suspected|considered|expected",
        "query .|,",
    ),
    # on either side, uncertain
    "possible": (
        "possible|questionable|suspected|unlikely|doubtful|improbable|equivocal|uncertain|dubious|questioned|doubted",
        "less|least|not likely|probable",
        "not a likely|probable explanation|cause|diagnosis?",
        "not thought|felt|believed|considered to? be? likely|probable",
        "low probability|likelihood of?",
        "less favored",
    ),
    "versus": ("versus|vs",),
    # --- What is not about this image ---
    # after it, the past; ends at "with"
    "past": (
        "history|hx of?",
        "h o|of?",  # h/o
        "previously|formerly|initially|earlier attributed|ascribed|thought|interpreted|diagnosed to|as",
        "treated|treatment|therapy for|of",
        "drainage|evacuation|thoracentesis|resection|excision of|for",
    ),
    # the same, but a device that was put in stays in
    "operated": ("status post", "s p"),
    # after it, nothing is said about this image
    "advice": (
        "to identify",
        "if there? is|are?",
        "recommend|recommended|consider|advised",
        "to exclude|evaluate|assess|rule|detect|document|ensure|confirm",
        "rule out for?",
        "ruled out for",
        "r o",  # r/o
        "correlate|correlation clinically|clinical? for|with",
        "symptoms of",
        "evaluate|evaluation|assess|assessment|eval|assessed|evaluated for|of",
        "checked|check|looked|look|looking|searched|search|searching|inspected|examined|screened|screening|workup for",
        "monitor|monitored|monitoring|surveillance|followup for|of",
        "follow up for|of",
        "risk|risks of|for",
        "risk factor|factors for",
        "prone|predisposed|susceptible to",
        "if clinical|clinically",
        "not? insensitive|sensitive|suboptimal|limited for|to",
        "may not be",
        "please note that?",
    ),
    # --- Phrases that look like a cue and are none ---
    "nothing": (
        "no|without|not significant|interval|substantial|definite|appreciable|noticeable|measurable|detectable|further|"
        "obvious|real? interval? change|changes|decrease|reduction|improvement|regression|increase|worsening|"
        "progression|growth",
        "no|without evidence|sign of interval? resolution|clearing|improvement",
        "not significantly|substantially|appreciably|markedly|much? changed|xxxx|different|increased|worsened|"
        "decreased|improved|progressed|diminished|regressed|grown",
        "not|never|partially|partly|incompletely|nearly|mostly|largely|almost|virtually yet? fully|completely|entirely|"
        "totally|quite? resolved|cleared|disappeared|gone|resorbed|drained|removed",
        "yet to resolve|clear|disappear",
        "fail|fails|failed|failing to resolve|clear|improve",
        "near|nearly|almost|incomplete|partial|subtotal|virtually|some|slight|slow|gradual|ongoing|minimal|mild "
        "complete? interval? resolution|clearing|disappearance of?",
        "unresolved|resolving|clearing",
        "failure of|to",
        "air fluid level|levels",
        "not only",
        "with or without",
        "to suggest|indicate",
        "consistent|compatible with",
        "not well seen|visualized|evaluated|demonstrated",
        "document|ensure|confirm resolution",
        "not optimally",
        "line of",
        "not on|in|at|of? the? right|left side|lung|hemithorax?",  # "in the left lung, not the right"
    ),
    # --- Where what a cue says ends ---
    "but": (
        "but|however|although|though|except|aside|apart|otherwise|while|whereas|despite",
        "other than",
    ),
    "relative": ("which|that",),
    # a doubt reaches past it: "possibly due to edema"
    "cause": (
        "due|secondary|related|attributable|owing to",
        "because|result of",
        "caused by",
        "on the basis of",
    ),
    "there": ("there is|are|has", "(+)"),
    "verb": (
        "seen|identified|demonstrated|visualized|noted|present|evident ,",
        "is|are|was|were|appears|appear|remains|remain|has|have|demonstrates|demonstrate|shows|show",
    ),
    "label": (":",),
    "dash": ("-",),
    "comma": (",",),
    "and": ("and",),
    "or": ("or",),
    "of": ("in|within|at|of|on|over|overlying|involving|projecting|throughout|along|near|from|to|for",),
    "fresh": ("stable|unchanged|persistent|chronic|old|again|continued|redemonstrated|redemonstration|previous|prior",),
    "break": ("(|)",),
    "with": ("with",),
    "end": (".",),
}
