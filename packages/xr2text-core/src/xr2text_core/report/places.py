"""Where findings lie: places, attributes that become findings of a place, and the regions of both."""

# Places, each with the region it lies in; "lung" stands for the lung of the stated side.
PLACE_PHRASES: dict[str, tuple[str, ...]] = {
    "heart": (
        "heart|cardiac size|silhouette|shadow|contour|contours|xxxx?",
        "ventricle|ventricular|atrium|atrial",
        "cardiomediastinal|cardiopericardial|cardiothymic silhouette?",
        "cardio mediastinal silhouette?",
        "cardiothoracic|cardio thoracic? ratio|index",
        "ctr",
    ),
    "mediastinum": (
        "mediastinum|mediastinal|paratracheal|retrosternal|subcarinal|precarinal",
        "mediastinal contour|contours|silhouette|structures",
        "superior|upper mediastinum|mediastinal",
        "paratracheal|paraspinal stripe|line",
    ),
    "hilum": ("hilum|hilar|hila|infrahilar|suprahilar|hilus", "lymph node|nodes|xxxx", "pulmonary artery|arteries"),
    "aorta": ("aorta|aortic", "aortic arch|knob|xxxx"),
    "markings": ("markings",),
    "coronary": ("coronary artery|arteries?",),
    "vessels": (
        "pulmonary? vascular markings",
        "vasculature|vascularity|vessels|vascular",
        "pulmonary vasculature|vascularity|vessels|xxxx",
    ),
    "volumes": ("lung|pulmonary|inspiratory? volumes", "lung|pulmonary|inspiratory volume"),
    "retrocardiac": ("retrocardiac",),
    "lung": (
        "lung|lungs|pulmonary|lobe|lobes|lobar|basilar|bibasilar|base|bases|apex|apical|apices|biapical|perihilar",
        "midlung|lingula|lingular|hemithorax|parenchymal|parenchyma|infrahilar",
    ),
    "pleura": ("pleura|pleural", "pleural space|spaces|cavity|cavities"),
    "fissure": ("fissure|fissures", "major|minor|oblique|horizontal|interlobar fissure|fissures"),
    "spine": (
        "spine|spinal|vertebra|vertebrae|vertebral|thoracolumbar|endplate|endplates|disc|disk",
        "thoracic|lumbar|cervical|t spine|vertebra|vertebrae|vertebral? body?",
        "vertebral body|bodies",
    ),
    "diaphragm": ("diaphragm|diaphragms|diaphragmatic|hemidiaphragm|hemidiaphragms",),
    "angle": (
        "costophrenic|cp angle|angles|sulcus|sulci|xxxx|recess|recesses?",
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
    "retrocardiac": "lung",
    "pleura": "lung",
    "fissure": "lung",
    "vessels": "lung",
    "spine": "spine",
    "diaphragm": "diaphragm",
    "angle": "costophrenic angles",
}

# Attributes make a finding only together with a place.
ATTRIBUTE_PHRASES: dict[str, tuple[str, ...]] = {
    "enlarged": (
        "enlarged|enlargement|dilated|dilatation|dilation|widened|widening|wide|increased|increase|fullness|full",
        "larger|greater than normal",
    ),
    "prominent": ("prominent|prominence|engorged|indistinct|indistinctness",),
    "elevated": ("elevated|elevation|raised|tenting",),
    "tortuous": ("tortuous|tortuosity|unfolded|unfolding|ectatic|ectasia|uncoiled|uncoiling",),
    "elongated": ("elongated|elongation",),
    "flattened": ("flattened|flattening",),
    "blunted": ("blunted|blunting|blunt|pinching|effaced|effacement|obscuration|obliteration|obliterated|obscured",),
    "thickened": ("thickened|thickening",),
    "congested": ("congested",),
    "fluid": ("fluid",),
    "exaggerated": ("exaggerated|accentuated|coarsened|coarse",),
    "low": ("low|reduced|decreased|diminished",),
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
        "within limits of normal",
        "otherwise clear|normal|unremarkable",
        "normal in size",
        "at? upper|lower|high|low limits|limit|end|side of? normal",
        "top|low|high|upper|lower to? normal",
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
    ("congested", "vessels"): ("vascular congestion",),
    ("congested", "hilum"): ("vascular congestion",),
    ("congested", "lung"): ("vascular congestion",),
    ("elevated", "heart"): ("cardiomegaly",),  # a raised cardiothoracic ratio
    ("elevated", "diaphragm"): ("elevated diaphragm",),
    ("flattened", "diaphragm"): ("hyperinflation",),
    ("blunted", "angle"): ("pleural other",),
    ("blunted", "pleura"): ("pleural other",),
    ("thickened", "angle"): ("pleural other",),
    ("thickened", "pleura"): ("pleural other",),
    ("thickened", "fissure"): ("pleural other",),
    ("blunted", "fissure"): ("pleural other",),
    ("fluid", "pleura"): ("pleural effusion",),
    ("fluid", "fissure"): ("pleural effusion",),
    ("thickened", "mediastinum"): ("enlarged cardiomediastinum",),
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
    ("elongated", "aorta"): ("aortic abnormality",),
    ("enlarged", "markings"): ("interstitial markings",),
    ("prominent", "markings"): ("interstitial markings",),
    ("exaggerated", "markings"): ("interstitial markings",),
    ("thickened", "markings"): ("interstitial markings",),
    ("low", "volumes"): ("low lung volumes",),
    ("enlarged", "volumes"): ("hyperinflation",),
    ("degenerative", "spine"): ("degenerative spine",),
    ("degenerative", "joint"): ("other abnormality",),
    ("deformed", "bone"): ("bone abnormality",),
    ("deformed", "spine"): ("bone abnormality",),
    ("normal", "heart"): ("cardiomegaly",),
    ("normal", "mediastinum"): ("enlarged cardiomediastinum",),
    ("normal", "lung"): ("lung opacity",),
    ("normal", "volumes"): ("low lung volumes",),
    ("normal", "vessels"): ("vascular congestion",),
    ("normal", "bone"): ("fracture",),
}

# Attributes that say enough when no place is named.
FINDING_OF_LONE_ATTRIBUTE = {
    "calcified": "calcification",
    "calcification": "calcification",
    "tortuous": "aortic abnormality",
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

# Places that are on one side unless the text names the other.
USUAL_SIDE = {"retrocardiac": "left"}

# Findings that lie where the text says; the other findings have one fixed region.
MOVABLE = {
    "lung opacity": ("lung", "retrocardiac", "mediastinum", "body"),
    "lung lesion": ("lung", "retrocardiac", "mediastinum", "hilum", "pleura", "body"),
    "calcification": ("lung", "retrocardiac", "mediastinum", "hilum", "aorta", "pleura", "heart", "coronary", "body"),
    "granuloma": ("lung", "retrocardiac", "mediastinum", "hilum", "body"),
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
    "fracture",
    "elevated diaphragm",
)
