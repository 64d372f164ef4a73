"""The words of the labeler: phrases, what they mean, and which attribute of which place is which finding.

A phrase is words separated by spaces; `a|b` means either word, a trailing `?` that the word may be missing. Longer
phrases win over shorter ones that start at the same word. `xxxx` is what the Indiana University collection writes for
a removed word.
"""

from functools import cache
from itertools import product

# Findings that are named by themselves.
FINDING_PHRASES: dict[str, tuple[str, ...]] = {
    "enlarged cardiomediastinum": (
        "mediastinal widening|enlargement|mass|adenopathy|lymphadenopathy",
        "widening|enlargement of the? mediastinum",
        "hilar|mediastinal|paratracheal and? hilar|mediastinal? adenopathy|lymphadenopathy|fullness|enlargement|mass",
        "adenopathy|lymphadenopathy",
        "enlarged hilar|mediastinal|paratracheal lymph nodes|xxxx",
    ),
    "cardiomegaly": (
        "cardiomegaly",
        "cardiac|heart enlargement",
        "enlargement of the? heart|cardiac",
        "borderline heart|cardiac size|silhouette?",
        "heart|cardiac size|silhouette is? borderline enlarged?",
        "increased heart size",
        "heart size|xxxx? is|remains|appears mildly|slightly|moderately|markedly? large",
        "heart is|remains|appears borderline in? size|enlarged?",
    ),
    "lung opacity": (
        "nodular|round|rounded|masslike opacity|opacities|density|densities",
        "opacity|opacities|opacification|opacifications|haziness|infiltrate|infiltrates|infiltration|infiltrations",
        "density|densities|radiodensity|radiodensities",
        "airspace|alveolar disease|process|abnormality|abnormalities",
        "air space disease|process|abnormality|abnormalities",
        "pulmonary|parenchymal disease",
        "hazy airspace",
        "ground glass",
        "contusion",
    ),
    "lung lesion": (
        "nodule|nodules|mass|masses|lesion|lesions|neoplasm|malignancy|metastasis|metastases|tumor|carcinoma",
        "nodular|round|rounded|masslike opacity|opacities|density|densities",
        "metastatic disease",
        "reticulonodular",
        "nodularity",
        "cavitary|cavity|cavitation",
    ),
    "edema": ("edema", "heart failure", "chf", "failure", "fluid overload", "volume overload", "kerley"),
    "consolidation": ("consolidation|consolidations|consolidative",),
    "pneumonia": ("pneumonia|pneumonias|bronchopneumonia|pneumonitis", "infectious process|infiltrate|etiology"),
    "atelectasis": (
        "atelectasis|atelectases|atelectatic",
        "volume loss",
        "loss of volume",
        "lobar collapse",
        "collapse",
    ),
    "pneumothorax": ("pneumothorax|pneumothoraces|hydropneumothorax",),
    "pleural effusion": (
        "pleural? effusion|effusions",
        "pleural fluid",
        "hemothorax",
        "hydrothorax",
        "fluid in the? pleural space|spaces",
    ),
    "pleural other": (
        "pleural|pleuroparenchymal|apical|biapical thickening|scarring|scar|cap|capping|plaque|plaques|retraction",
        "thickening of the? pleura",
        "pleural based? density|opacity|mass",
        "fissural thickening",
    ),
    "fracture": ("fracture|fractures|fractured", "compression|burst|wedge fracture|fractures"),
    "support devices": (
        "catheter|catheters|picc|pacemaker|aicd|icd|defibrillator|port|mediport|portacath|stent|stents|stimulator",
        "endotracheal|nasogastric|enteric|feeding|tracheostomy|chest|et|ng tube|tubes",
        "tube|tubes|tubing",
        "central|venous|picc|picc line|lines|catheter|catheters",
        "sternal|sternotomy|cerclage wires|sutures",
        "clip|clips|wires|sutures|suture|hardware|prosthesis|prostheses|implant|implants|screw|screws|anchor|staples",
        "pacer|pacing|defibrillator|stimulator|icd|aicd leads|lead|wires|generator",
        "leads",
        "prosthetic|mechanical|artificial|bioprosthetic mitral|aortic? valve|valves",
        "valve replacement|prosthesis",
        "closure device",
        "spinal|cervical fusion",
        "cervical|lumbar spine? fusion",
        "surgical device|devices|xxxx",
        "loop recorder",
        "filter",
        "shunt",
        "tracheostomy",
        "breast implants",
    ),
    "hyperinflation": (
        "hyperinflation|hyperinflated|hyperexpansion|hyperexpanded|hyperaeration|hyperaerated|hyperlucent|hyperlucency",
        "hyper inflated|expanded|aerated|inflation|expansion",
        "overinflated|overinflation|hyperdistention|hyperdistended|overexpanded",
        "air trapping",
        "increased ap|anteroposterior diameter",
    ),
    "emphysema": (
        "emphysema|emphysematous|copd|bullous|bulla|bullae|bleb|blebs",
        "chronic? obstructive pulmonary|lung|airway|airways? disease|change|changes",
    ),
    "granuloma": ("granuloma|granulomas|granulomata|granulomatous",),
    "calcification": ("calcinosis",),
    "scarring": ("scarring|scar|scars|scarred|fibrosis|fibrotic|cicatrix",),
    "interstitial markings": (
        "interstitial|bronchovascular|peribronchial|perihilar markings",
        "interstitial prominence|thickening|changes|change|disease|pattern|abnormality|process|coarsening",
        "prominent|coarse|coarsened|prominence|thickened of? the? pulmonary? interstitium",
        "bronchovascular|vascular crowding",
        "crowding",
        "reticular changes?",
        "peribronchial cuffing|thickening",
        "bronchial wall? thickening",
        "bronchiectasis",
        "coarse|coarsened breath? interstitial",
    ),
    "aortic abnormality": (
        "atherosclerosis|atherosclerotic|arteriosclerotic|arteriosclerosis",
        "atherosclerotic vascular? calcification|calcifications|calcific",
        "aneurysm|aneurysmal",
    ),
    "degenerative spine": (
        "osteophyte|osteophytes|osteophytosis|spondylosis|spurring|spurs|dish|spondylitic",
        "disc|disk space? narrowing|disease",
        "endplate changes|change",
        "diffuse idiopathic skeletal hyperostosis",
        "degenerative spondylosis",
    ),
    "scoliosis": (
        "scoliosis|scoliotic|dextroscoliosis|levoscoliosis|dextrocurvature|levocurvature|kyphoscoliosis",
        "curvature",
    ),
    "elevated diaphragm": ("eventration|eventrated", "diaphragmatic elevation", "diaphragmatic? paralysis"),
    "hiatal hernia": ("hiatal|hiatus hernia", "hernia"),
    "low lung volumes": (
        "hypoinflation|hypoinflated|hypoventilation|hypoventilated|hypoexpanded|underinflated|hypoaeration|hypoaerated",
        "low|lower|reduced|decreased|decreasing|diminished|shallow lung? volume|volumes",
        "lung volumes are|is|remain|appear low|reduced|decreased|diminished|small",
        "small lung volumes",
        "low inspiratory volume|volumes",
        # A shallow or poor inspiration tells how the film was taken, and is no finding.
    ),
    "vascular congestion": (
        "pulmonary? vascular|venous? congestion|engorgement|redistribution|cephalization",
        "pulmonary? venous hypertension",
        "vascular prominence",
        "engorged",
    ),
    "bone abnormality": (
        "posttraumatic|postoperative changes|change|deformity of? multiple? right|left? ribs|rib",
        "osteodystrophy",
        "osteopenia|osteopenic|demineralization|demineralized|osteoporosis|osteoporotic",
        "kyphosis|kyphotic",
        "compression|wedge|wedging deformity|deformities",
        "sclerotic lesion|lesions|focus",
        "lytic lesion|lesions",
        "wedging",
        "vertebral compression",
    ),
    "other abnormality": (
        "pneumoperitoneum|pneumomediastinum|cholelithiasis",
        "subcutaneous emphysema|air",
        "pectus excavatum|carinatum?",
        "foreign body|bodies",
        "bullet|projectile|shrapnel|buckshot",
        "azygos lobe|fissure",
        "arthritis|arthritic|osteoarthritis",
        "pulmonary hypertension",
        "nipple shadow|shadows",
        "mastectomy",
        "pericardial effusion",
        "dislocation",
    ),
}

# Places, each with the region it lies in; "lung" stands for the lung of the stated side.
PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "heart": (
        "heart|cardiac size|silhouette|shadow|contour|contours|xxxx?",
        "ventricle|ventricular|atrium|atrial",
        "cardiomediastinal|cardiopericardial|cardiothymic silhouette?",
        "cardio mediastinal silhouette?",
    ),
    "mediastinum": (
        "mediastinum|mediastinal|paratracheal|retrosternal|subcarinal|precarinal",
        "mediastinal contour|contours|silhouette|structures",
        "superior|upper mediastinum|mediastinal",
    ),
    "hilum": ("hilum|hilar|hila|infrahilar|suprahilar|hilus", "lymph node|nodes|xxxx", "pulmonary artery|arteries"),
    "aorta": ("aorta|aortic", "aortic arch|knob|xxxx"),
    "markings": ("markings",),
    "coronary": ("coronary artery|arteries?",),
    "vessels": ("vasculature|vascularity|vessels|vascular", "pulmonary vasculature|vascularity|vessels|xxxx"),
    "lung": (
        "lung|lungs|pulmonary|lobe|lobes|lobar|basilar|bibasilar|base|bases|apex|apical|apices|biapical|perihilar",
        "midlung|lingula|lingular|retrocardiac|hemithorax|parenchymal|parenchyma|infrahilar",
    ),
    "pleura": ("pleura|pleural|fissure|fissures",),
    "spine": (
        "spine|spinal|vertebra|vertebrae|vertebral|thoracolumbar|endplate|endplates|disc|disk",
        "thoracic|lumbar|cervical|t spine|vertebra|vertebrae|vertebral? body?",
        "vertebral body|bodies",
    ),
    "diaphragm": ("diaphragm|diaphragms|diaphragmatic|hemidiaphragm|hemidiaphragms",),
    "angle": (
        "costophrenic|cp angle|angles|sulcus|sulci|xxxx|recess?",
        "pleural sinus|recess|sulcus",
    ),
    "bone": (
        "rib|ribs|clavicle|clavicles|clavicular|sternum|sternal|humerus|humeral|scapula|bone|bones|bony|osseous|skeletal",
    ),
    "joint": ("shoulder|shoulders|acromioclavicular|glenohumeral|ac joint|joints?",),
    "elsewhere": ("knee|knees|hip|hips|hand|wrist|femur|femoral|pelvis|pelvic|scaphoid|metacarpal|ankle|foot|elbow",),
    "body": (
        "abdomen|abdominal|spleen|splenic|breast|breasts|neck|axilla|axillary|bowel|stomach|liver|quadrant|gallbladder",
        "soft tissue|tissues",
        "costochondral|cartilage|cartilages",
        "nipple",
        "renal",
    ),
}

PLACE_REGIONS = {
    "heart": "heart",
    "mediastinum": "mediastinum",
    "hilum": "mediastinum",
    "aorta": "mediastinum",
    "coronary": "heart",
    "lung": "lung",
    "pleura": "lung",
    "vessels": "lung",
    "spine": "spine",
    "diaphragm": "diaphragm",
    "angle": "costophrenic angles",
}

# Attributes make a finding only together with a place.
ATTRIBUTE_PHRASES: dict[str, tuple[str, ...]] = {
    "enlarged": ("enlarged|enlargement|dilated|widened|widening|wide|increased|increase|fullness|full",),
    "prominent": ("prominent|prominence|engorged|indistinct|indistinctness",),
    "elevated": ("elevated|elevation|tenting",),
    "tortuous": ("tortuous|tortuosity|unfolded|unfolding|ectatic|ectasia|uncoiled|uncoiling",),
    "flattened": ("flattened|flattening",),
    "blunted": ("blunted|blunting|obscuration|obliteration|obscured|thickening",),
    "calcified": ("calcified|calcific",),
    "calcification": ("calcification|calcifications",),
    "degenerative": ("degenerative|degenerated|degeneration|hypertrophic|spondylotic",),
    "deformed": (
        "deformity|deformities|deformed|irregularity|sclerosis|sclerotic|lucency",
        "loss of? height|xxxx",
        "height loss",
    ),
    "normal": (
        "normal|unremarkable|clear|intact",
        "within normal limits",
        "normal in size",
        "at? upper limits of normal",
        "at? upper limits normal",
        "top normal",
        "not enlarged|widened|dilated",
        "nonenlarged",
    ),
}

# (attribute, place) -> findings. "normal" denies the finding instead.
ATTRIBUTE_OF_PLACE: dict[tuple[str, str], tuple[str, ...]] = {
    ("enlarged", "heart"): ("cardiomegaly",),
    ("prominent", "heart"): ("cardiomegaly",),
    ("enlarged", "mediastinum"): ("enlarged cardiomediastinum",),
    ("enlarged", "hilum"): ("enlarged cardiomediastinum",),
    ("prominent", "mediastinum"): ("enlarged cardiomediastinum",),
    ("prominent", "hilum"): ("enlarged cardiomediastinum",),
    ("enlarged", "aorta"): ("aortic abnormality",),
    ("prominent", "aorta"): ("aortic abnormality",),
    ("enlarged", "vessels"): ("vascular congestion",),
    ("prominent", "vessels"): ("vascular congestion",),
    ("elevated", "diaphragm"): ("elevated diaphragm",),
    ("flattened", "diaphragm"): ("hyperinflation",),
    ("blunted", "angle"): ("pleural other",),
    ("blunted", "pleura"): ("pleural other",),
    ("calcified", "aorta"): ("aortic abnormality", "calcification"),
    ("calcified", "hilum"): ("calcification",),
    ("calcified", "mediastinum"): ("calcification",),
    ("calcified", "lung"): ("calcification",),
    ("calcified", "pleura"): ("calcification",),
    ("calcified", "coronary"): ("calcification",),
    ("calcified", "heart"): ("calcification",),
    ("calcification", "aorta"): ("aortic abnormality", "calcification"),
    ("calcification", "hilum"): ("calcification",),
    ("calcification", "mediastinum"): ("calcification",),
    ("calcification", "lung"): ("calcification",),
    ("calcification", "pleura"): ("calcification",),
    ("calcification", "coronary"): ("calcification",),
    ("calcification", "heart"): ("calcification",),
    ("tortuous", "aorta"): ("aortic abnormality",),
    ("enlarged", "markings"): ("interstitial markings",),
    ("prominent", "markings"): ("interstitial markings",),
    ("degenerative", "spine"): ("degenerative spine",),
    ("degenerative", "joint"): ("other abnormality",),
    ("deformed", "bone"): ("bone abnormality",),
    ("deformed", "spine"): ("bone abnormality",),
    ("normal", "heart"): ("cardiomegaly",),
    ("normal", "mediastinum"): ("enlarged cardiomediastinum",),
    ("normal", "lung"): ("lung opacity",),
    ("normal", "vessels"): ("vascular congestion",),
    ("normal", "bone"): ("fracture",),
}

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
        "within limits of normal",
        "not definitely|clearly? seen",
        "ruled out",
    ),
    # after it, uncertain
    "maybe": (
        "may|might|could|possible|possibly|questionable|question|suspect|suspected|suspicious|worrisome|concerning|concern",
        "may|might|could be|represent|reflect|indicate|also? represent?",
        "cannot|not entirely? exclude",
        "suggest|suggests|suggesting|suggested",
        "suggestive of",
        "difficult to exclude",
        "question of",
        "differential",
        "perhaps|potentially|equivocal",
        "raises|raising the? possibility|concern|question of|for",
    ),
    # before it, uncertain
    "doubted": (
        "cannot be? entirely|completely? excluded",
        "can not be excluded",
        "not excluded",
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
        "document|ensure|confirm|complete resolution",
        "not optimally",
        "line of",
    ),
    "but": (
        "but|however|although|though|except|aside|apart|otherwise|which|that|while|whereas|despite",
        "other than",
        "due|secondary|related to",
        "there is|are|has",
    ),
    "verb": (
        "seen|identified|demonstrated|visualized|noted|present|evident ,",
        "is|are|was|were|appears|appear|remains|remain|has|have|demonstrates|demonstrate|shows|show",
    ),
    "list": (",|and|or",),
    "of": ("in|within|at|of|on|over|overlying|involving|projecting|throughout|along|near|from|to|for",),
    "fresh": ("stable|unchanged|persistent|chronic|old|again|continued|redemonstrated|redemonstration|previous|prior",),
    "break": (":|(|)",),
    "with": ("with",),
}

FINDING_REGION = {
    "enlarged cardiomediastinum": "mediastinum",
    "cardiomegaly": "heart",
    "pleural effusion": "costophrenic angles",
    "aortic abnormality": "mediastinum",
    "degenerative spine": "spine",
    "scoliosis": "spine",
    "elevated diaphragm": "diaphragm",
    "hiatal hernia": "mediastinum",
    "fracture": "",
    "support devices": "",
    "bone abnormality": "",
    "other abnormality": "",
}  # every other finding lies in the lungs

# Findings that lie where the text says; the other findings have one fixed region.
MOVABLE = {
    "lung opacity": ("lung", "mediastinum", "body"),
    "lung lesion": ("lung", "mediastinum", "hilum", "pleura", "body"),
    "calcification": ("lung", "mediastinum", "hilum", "aorta", "pleura", "heart", "coronary", "body"),
    "granuloma": ("lung", "mediastinum", "hilum", "body"),
    "pleural other": ("angle", "pleura", "lung"),
    "fracture": ("spine", "bone"),
    "bone abnormality": ("spine", "bone"),
    "hyperinflation": ("lung", "diaphragm"),
}


# Findings that take the side of their neighbour: "opacity in the left base, atelectasis or scarring".
SHARES_SIDE = (
    "lung opacity",
    "lung lesion",
    "consolidation",
    "pneumonia",
    "atelectasis",
    "pneumothorax",
    "pleural effusion",
    "pleural other",
    "granuloma",
    "scarring",
)


@cache
def lexicon() -> dict[str, list[tuple[tuple[str, ...], str, str]]]:
    """Return first word -> [(further words, kind, meaning)], longest first."""
    table: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
    groups = {
        "cue": CUE_PHRASES,
        "finding": FINDING_PHRASES,
        "attribute": ATTRIBUTE_PHRASES,
        "place": PLACE_PHRASES,
        "side": SIDE_PHRASES,
        "severity": SEVERITY_PHRASES,
    }
    for kind, meanings in groups.items():
        for meaning, phrases in meanings.items():
            for words in {words for phrase in phrases for words in expand(phrase)}:
                table.setdefault(words[0], []).append((words[1:], kind, meaning))
    for entries in table.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return table


def expand(phrase: str) -> list[tuple[str, ...]]:
    """Return every sequence of words that the phrase stands for."""
    choices = []
    for word in phrase.split():
        optional = word.endswith("?")
        choices.append([*word.rstrip("?").split("|"), *([""] if optional else [])])
    return [tuple(word for word in words if word) for words in product(*choices)]
